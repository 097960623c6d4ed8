"""The account of simulators: it speaks for simulated devices only, also after changes of the registry."""

import time

import pytest

from devices.broker_url import BrokerUrl
from doors import ACCEPTED, NOT_AUTHORIZED, Knock, Listener, login, register_devices, running_door
from local.home import Home
from patience import eventually
from running import query, running_broker
from simulators.publisher import Publisher

SIMULATED = {"device": "s1", "kind": "water_meter", "simulated": "true"}
REAL = {"device": "r1", "kind": "water_meter"}


@pytest.fixture(scope="module", params=[1, 4], ids=["one_partition", "four_partitions"])
def broker(request, tmp_path_factory):
    with (
        Home(tmp_path_factory.mktemp("broker")) as home,
        running_broker(home, request.param, guarded=True) as (broker, _),
    ):
        yield broker, request.param


@pytest.fixture
def site(broker, database_url):
    """Register a mixed, a simulated and a real community; return the broker behind its door."""
    broker, partitions = broker
    register_devices(database_url, "mixed", SIMULATED, REAL)
    register_devices(database_url, "simulated", SIMULATED)
    register_devices(database_url, "real", REAL)
    with running_door(database_url, broker, partitions=partitions):
        yield broker


def topic(community, device, kind="water_meter"):
    return f"anju/v1/{community}/{kind}/{device}/telemetry"


def arrived(broker, topics):
    """Publish to the topics with the account of simulators; return those that arrived."""
    with Listener(broker.read_url, "anju/p/#") as mapped, Listener(broker.read_url, "anju/v1/#") as plain:
        with Publisher(broker.publish_url) as out:
            for each in (*topics, topic("simulated", "s1")):
                out.publish(each, each.encode())
            out.flush(60)
        last, found = topic("simulated", "s1"), []
        eventually(lambda: last in found or found.extend(map(bytes.decode, (*mapped.waiting(), *plain.waiting()))))
        return found[: found.index(last)]


def test_simulated_and_unknown_devices_are_let_through_and_real_ones_are_not(site):
    allowed = [topic("mixed", "s1"), topic("simulated", "unknown"), topic("unknown", "unknown")]
    forbidden = [topic("mixed", "r1"), topic("real", "r1"), topic("real", "unknown"), "anju/p/0/real/water_meter/r1/x"]
    assert set(arrived(site, [*forbidden, *allowed])) == set(allowed)


@pytest.mark.parametrize("topic_filter", ["#", "anju/v1/#", "anju/p/#", "$MQTT/sub/#", "$SYS/#"])
def test_simulators_may_subscribe_to_nothing(site, topic_filter):
    account = BrokerUrl.parse(site.publish_url)
    with Knock.at(site.publish_url, account.username, account.password, "simulators") as simulators:
        assert simulators.answer() == ACCEPTED
        assert not simulators.subscribe(topic_filter)


@pytest.mark.parametrize("client_id", ["mixed:water_meter:r1", "mixed:water_meter:s1", "anju-ingest-0", "a:b"])
def test_simulators_may_not_take_over_a_session(site, client_id):
    account = BrokerUrl.parse(site.publish_url)
    assert login(site.publish_url, account.username, account.password, client_id) == NOT_AUTHORIZED
    assert login(site.publish_url, account.username, "guessed", "simulators") == NOT_AUTHORIZED


def test_a_device_that_becomes_real_is_taken_from_running_simulators_and_a_new_simulated_one_is_theirs(
    site, database_url
):
    account = BrokerUrl.parse(site.publish_url)
    with Knock.at(site.publish_url, account.username, account.password, "simulators") as simulators:
        assert simulators.answer() == ACCEPTED
        register_devices(database_url, "simulated", {**SIMULATED, "device": "s2"})
        time.sleep(1)
        assert simulators.is_open()
        assert arrived(site, [topic("simulated", "s2")]) == [topic("simulated", "s2")]
        register_devices(database_url, "simulated", {**SIMULATED, "device": "s2", "simulated": "false"})
        eventually(lambda: not simulators.is_open())
    assert arrived(site, [topic("simulated", "s2")]) == []


def test_a_retired_real_device_is_real_all_the_same(site, database_url):
    query(database_url, "UPDATE device SET service = 'retired' WHERE community = 'mixed' RETURNING id")
    assert arrived(site, [topic("mixed", "r1"), topic("mixed", "s1")]) == [topic("mixed", "s1")]
