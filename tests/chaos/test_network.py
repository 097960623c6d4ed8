"""A network that is cut, slow or drops everything loses and duplicates nothing."""

import time

import pytest

SIDES = ("broker", "database")
pytestmark = pytest.mark.chaos


@pytest.fixture(params=SIDES)
def network(request, broker_network, database_network):
    """Return the network between ingest and one of its sides, and the name of that side."""
    return (broker_network if request.param == "broker" else database_network)[0], request.param


def test_a_network_that_is_cut_again_and_again(network, distant_stage):
    proxy, side = network
    with distant_stage.load():
        for _ in range(3):
            proxy.cut()
            time.sleep(2)
            proxy.mend()
            time.sleep(3)
    distant_stage.must_be_whole(f"network to the {side} cut for 2 s", times=3)


def test_a_network_that_is_slow(network, distant_stage):
    proxy, side = network
    with distant_stage.load():
        proxy.delay_s = 0.1
        time.sleep(20)
        proxy.delay_s = 0
    distant_stage.must_be_whole(f"network to the {side} slow (0.2 s a round trip)")


def test_a_network_that_swallows_everything_and_goes_on(network, distant_stage):
    proxy, side = network
    with distant_stage.load():
        proxy.stall()
        time.sleep(20)
        proxy.mend()
    distant_stage.must_be_whole(f"network to the {side} silent for 20 s")


def test_a_connection_that_only_one_side_still_believes_in(network, distant_stage):
    proxy, side = network
    with distant_stage.load():
        proxy.stall()
        time.sleep(15)
        proxy.cut()
        proxy.mend()
    distant_stage.must_be_whole(f"connection to the {side} half-open for 15 s")


def test_a_connection_to_the_broker_that_is_never_heard_of_again(distant_stage, broker_network):
    """This proxy cannot test connections to the database: the kernel there detects a loss by acknowledgements."""
    with distant_stage.load():
        broker_network[0].forget()
        time.sleep(5)
    distant_stage.must_be_whole("connection to the broker lost without a word")
