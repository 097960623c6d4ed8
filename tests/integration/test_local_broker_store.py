"""The store of the private broker is encrypted, and a store from before that is taken over without loss."""

import queue
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from devices.broker_url import BrokerUrl
from ingest.partition import EVERYTHING
from local.brokers.nats import open_nats
from local.brokers.nats_cluster import open_nats_cluster
from local.errors import LocalError
from local.home import Home
from local.process import Process, start_together
from local.services import prepare_broker
from patience import eventually, patient
from running import open_session
from simulators.publisher import Publisher

TOPIC = "anju/v1/east/vehicle_gate/gate/event"
# More than a block of the store, which has 8 MB, or 2 MB where it is encrypted.
PASSAGES = [
    f'{{"ts":{n},"event":"vehicle_passed","data":{{"plate":"蒙K{n:05}","more":"{"x" * 6000}"}}}}' for n in range(2000)
]
PLATE = '"plate":"蒙K'.encode()
KEY_SETTING = ", cipher: chacha, key: $STORE_KEY"


@contextmanager
def started(broker, home: Home):
    """Run the nodes of a prepared broker."""
    with ExitStack() as stack:
        processes = [Process(part, home) for part in broker.parts]
        for process in processes:
            stack.callback(process.stop)
        start_together(processes, patient(60))
        yield broker


def opened(home: Home, open_broker, *, encrypted: bool = True):
    """Prepare the broker; without encryption as versions did that had no key."""
    broker = prepare_broker(home, print, open_broker)
    for configuration in [] if encrypted else (home.path / "broker").rglob("broker.conf"):
        text = configuration.read_text()
        configuration.write_text(text.replace(KEY_SETTING, ""))
        assert configuration.read_text() != text
        (configuration.parent / "store.key").unlink()
    return broker


def send(broker):
    """Leave messages for ingest, whose session is not connected."""
    open_session(broker.ingest_url, EVERYTHING, clean=False, subscribe=True)
    with Publisher(broker.publish_url) as out:
        for passage in PASSAGES:
            out.publish(TOPIC, passage.encode())
        out.flush(patient(60))


def received(broker):
    """Return what waited for ingest, in its session."""
    address = BrokerUrl.parse(broker.ingest_url)
    session = EVERYTHING.client_id(address.password)
    client, payloads = Client(CallbackAPIVersion.VERSION2, session, clean_session=False), queue.Queue()
    client.username_pw_set(address.username, address.password)
    client.on_message = lambda _client, _data, message: payloads.put(message.payload.decode())
    client.connect(address.host, address.port)
    client.loop_start()
    try:
        return [payloads.get(timeout=patient(30)) for _ in PASSAGES]
    finally:
        client.disconnect()
        client.loop_stop()


def holds_a_plate(home: Home):
    return any(PLATE in file.read_bytes() for file in (home.path / "broker").rglob("*") if file.is_file())


def test_what_waits_in_the_broker_cannot_be_read_from_its_files(tmp_path: Path):
    with Home(tmp_path) as home:
        with started(opened(home, open_nats), home) as broker:
            send(broker)
        assert not holds_a_plate(home)
        key = home.path / "broker" / "store.key"
        assert key.stat().st_mode & 0o777 == 0o600
        assert key.read_text() not in (home.path / "broker" / "broker.conf").read_text()
        with started(opened(home, open_nats), home) as broker:
            assert received(broker) == PASSAGES


@pytest.mark.parametrize("open_broker", [open_nats, pytest.param(open_nats_cluster, marks=pytest.mark.slow)])
def test_a_store_from_before_there_was_a_key_is_encrypted_without_loss(tmp_path: Path, open_broker):
    with Home(tmp_path) as home:
        with started(opened(home, open_broker, encrypted=False), home) as broker:
            send(broker)
        assert holds_a_plate(home)
        with started(opened(home, open_broker), home) as broker:
            assert received(broker) == PASSAGES
            assert eventually(lambda: not holds_a_plate(home))


def test_a_lost_key_is_told_as_such(tmp_path: Path):
    with Home(tmp_path) as home:
        with started(opened(home, open_nats), home) as broker:
            open_session(broker.ingest_url, EVERYTHING, clean=False, subscribe=True)
        (home.path / "broker" / "store.key").unlink()
        with pytest.raises(LocalError, match=r"store\.key is lost, and .*Put the file back"):
            prepare_broker(home, print)
