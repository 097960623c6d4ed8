"""The door in front of three nodes: logins at each of them, and connections ended at each of them."""

from contextlib import ExitStack

import pytest

from devices.broker_url import BrokerUrl
from doors import ACCEPTED, NOT_AUTHORIZED, Knock, login, new_secret, register_devices, running_door
from local.home import Home
from local.process import Process, start_together
from local.services import BROKERS, BrokerName, prepare_broker
from patience import eventually, patient

METER = "east/water_meter/w1"
pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path):
    """Run three nodes; return the broker and the processes of the nodes."""
    with Home(tmp_path) as home, ExitStack() as stack:
        broker = prepare_broker(home, print, BROKERS[BrokerName.NATS_CLUSTER], guarded=True)
        nodes = [Process(part, home) for part in broker.parts]
        for node in nodes:
            stack.callback(node.stop)
        start_together(nodes, patient(60))
        yield broker, nodes


def test_a_device_logs_in_at_any_node_and_is_cut_off_at_every_one(cluster, database_url):
    broker, nodes = cluster
    register_devices(database_url, "east", {"device": "w1", "kind": "water_meter"})
    secret = new_secret(database_url, METER)
    urls = [f"mqtt://any:any@{address}" for address in BrokerUrl.parse(broker.ingest_url).addresses]
    with running_door(database_url, broker), ExitStack() as stack:
        # The first login of a cluster makes its streams, for which the nodes first have to agree on a leader.
        eventually(lambda: login(urls[0], METER, secret) == ACCEPTED, timeout_s=60)
        open_at = [
            stack.enter_context(Knock.at(url, METER, secret, f"east:water_meter:w1:{n}")) for n, url in enumerate(urls)
        ]
        assert [device.answer() for device in open_at] == [ACCEPTED] * 3
        new = new_secret(database_url, METER)
        eventually(lambda: not any(device.is_open() for device in open_at))
        for url in urls:
            assert login(url, METER, secret) == NOT_AUTHORIZED
        nodes[0].kill()
        eventually(lambda: login(urls[1], METER, new, "east:water_meter:w1:b") == ACCEPTED, timeout_s=60)
        eventually(lambda: login(urls[2], METER, new, "east:water_meter:w1:c") == ACCEPTED, timeout_s=60)
