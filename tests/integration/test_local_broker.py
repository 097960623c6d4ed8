import queue
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import takewhile
from urllib.parse import urlsplit

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from devices.catalogue import KIND_BY_NAME, KINDS
from local.services import Services
from patience import Stopwatch, eventually, patient, slowness

TOPIC = "anju/v1/east/water_meter/{device}/telemetry"


def start_connection(url: str, client_id: str, *, clean: bool) -> mqtt.Client:
    """Return a client that has sent its connection request and reads no answer yet."""
    address = urlsplit(url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=clean)
    if address.username:
        client.username_pw_set(address.username, address.password)
    client.connect(str(address.hostname), address.port or 1883)
    return client


class Client:
    """Real MQTT client with queues of its connections, subscriptions and messages."""

    def __init__(self, url: str, client_id: str, *, clean: bool = True) -> None:
        self.connected: queue.Queue[str] = queue.Queue()
        self.granted: queue.Queue[str] = queue.Queue()
        self.messages: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
        self.paho = start_connection(url, client_id, clean=clean)
        self.paho.on_connect = lambda client, data, flags, reason, properties: self.connected.put(str(reason))
        self.paho.on_subscribe = lambda client, data, mid, reasons, properties: self.granted.put(str(reasons[0]))
        # Retained messages belong to other tests with the same broker.
        self.paho.on_message = lambda client, data, message: message.retain or self.messages.put(message)
        self.paho.loop_start()

    def subscribe(self, topic: str, qos: int = 1) -> str:
        self.paho.subscribe(topic, qos=qos)
        return self.granted.get(timeout=patient(10))

    def publish(self, topic: str, payload: str) -> None:
        self.paho.publish(topic, payload, qos=1).wait_for_publish(patient(10))

    def flood(self, topic: str, payloads: Iterable[str]) -> None:
        for message in [self.paho.publish(topic, payload, qos=1) for payload in payloads]:
            message.wait_for_publish(patient(30))
            assert message.is_published(), "the broker has not acknowledged"

    def missing(self, payloads: Iterable[str]) -> set[str]:
        """Return the payloads still missing after a pause longer than the broker's ack_wait."""
        expected = set(payloads)
        try:
            while expected:
                expected.discard(self.messages.get(timeout=patient(15)).payload.decode())
        except queue.Empty:
            pass
        return expected

    def received(self, count: int) -> list[str]:
        return [self.messages.get(timeout=patient(10)).payload.decode() for _ in range(count)]


@contextmanager
def connected(url: str, client_id: str, *, clean: bool = True) -> Iterator[Client]:
    client = Client(url, client_id, clean=clean)
    try:
        assert client.connected.get(timeout=patient(10)) == "Success"
        yield client
    finally:
        client.paho.disconnect()
        client.paho.loop_stop()


def cut_off(url: str, client_id: str) -> bool:
    """Connect a session and cut it off while the broker pushes to it; return whether there was anything to push."""
    client = start_connection(url, client_id, clean=False)
    with client.socket() as connection, connection.makefile("rb") as stream:
        connection.settimeout(2 * slowness())
        try:
            stream.read(1024)
        except TimeoutError:
            return False
    return True


def refusal(url: str) -> str:
    client = Client(url, "stranger")
    try:
        return client.connected.get(timeout=patient(10))
    finally:
        client.paho.disconnect()
        client.paho.loop_stop()


@pytest.mark.slow
def test_a_client_without_a_name_is_refused_though_no_door_is_there_to_be_asked(local_services: Services):
    address = urlsplit(local_services.mqtt_url)
    assert refusal(f"mqtt://127.0.0.1:{address.port}") == "Not authorized"


def test_a_client_with_a_wrong_secret_is_refused(local_services: Services):
    address = urlsplit(local_services.mqtt_url)
    assert refusal(f"mqtt://ingest:guessed@127.0.0.1:{address.port}") == "Not authorized"


def test_messages_of_the_publisher_reach_ingest_and_reader(local_services: Services):
    topic = TOPIC.format(device="reaches")
    with (
        connected(local_services.mqtt_url, "reaches-ingest") as ingest,
        connected(local_services.read_mqtt_url, "reaches-reader") as reader,
        connected(local_services.publish_mqtt_url, "reaches-publisher") as publisher,
    ):
        assert ingest.subscribe("anju/v1/#") == "Granted QoS 1"
        assert reader.subscribe("anju/v1/#", qos=0) == "Granted QoS 0"
        for n in range(20):
            publisher.publish(topic, str(n))
        assert ingest.received(20) == reader.received(20) == [str(n) for n in range(20)]


def test_the_publisher_may_not_read(local_services: Services):
    with connected(local_services.publish_mqtt_url, "curious") as publisher:
        assert publisher.subscribe("anju/v1/#") == "Unspecified error"


@pytest.mark.parametrize("topic", ["#", "$SYS/#", "$MQTT/sub/#", "$JS/#", "other/#", "+/v1/#"])
@pytest.mark.parametrize("account", ["mqtt_url", "read_mqtt_url"])
@pytest.mark.parametrize("qos", [0, 1])
def test_ingest_and_reader_may_read_nothing_outside_anju(local_services: Services, account: str, topic: str, qos: int):
    with connected(getattr(local_services, account), "curious") as client:
        assert client.subscribe(topic, qos=qos) == "Unspecified error"


@pytest.mark.parametrize("account", ["mqtt_url", "read_mqtt_url"])
def test_ingest_and_reader_may_not_publish(local_services: Services, account: str):
    topic = TOPIC.format(device=f"silent-{account}")
    with (
        connected(local_services.read_mqtt_url, "listener") as listener,
        connected(getattr(local_services, account), "intruder") as intruder,
        connected(local_services.publish_mqtt_url, "entitled") as entitled,
    ):
        listener.subscribe(topic, qos=0)
        intruder.publish(topic, "forbidden")
        entitled.publish(topic, "allowed")
        assert listener.received(1) == ["allowed"]


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("topic", ["anju/v1/#", "anju/v1/east/water_meter/#", "anju/p/0/#"])
def test_the_reader_can_keep_no_queue_at_the_broker(local_services: Services, topic: str, qos: int):
    before = consumers(local_services)
    with connected(local_services.read_mqtt_url, "hoarder", clean=False) as reader:
        assert reader.subscribe(topic, qos=qos) == "Unspecified error"
        assert reader.subscribe(topic, qos=0) == "Granted QoS 0"
    with connected(local_services.publish_mqtt_url, "giver") as publisher:
        publisher.publish(TOPIC.format(device="hoarded"), "not kept")
    with connected(local_services.read_mqtt_url, "hoarder", clean=False) as reader, pytest.raises(queue.Empty):
        reader.messages.get(timeout=1)
    with connected(local_services.read_mqtt_url, "hoarder"):
        pass
    assert eventually(lambda: consumers(local_services) == before)


def consumers(services: Services) -> list[str]:
    """Return the queues that the broker keeps."""
    found = httpx.get(
        f"{services.monitoring_url}/jsz", params={"accounts": True, "consumers": True}, timeout=patient(20)
    ).json()
    streams = [stream for account in found["account_details"] for stream in account.get("stream_detail", ())]
    kept = [stream.get("consumer_detail") or [] for stream in streams if stream["name"] in {"$MQTT_msgs", "$MQTT_out"}]
    return sorted(consumer["name"] for each in kept for consumer in each)


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
@pytest.mark.parametrize("retain", [False, True])
def test_the_reader_sees_no_kind_that_may_carry_personal_data(local_services: Services, kind: str, *, retain: bool):
    community = f"reader-{kind.replace('_', '-')}-{retain}".lower()
    topics = [f"anju/v1/{community}/{kind}/d1/{channel}" for channel in ("telemetry", "event", "status")]
    last, received = f"anju/v1/{community}/water_meter/last/telemetry", []

    def publish(payload: bytes) -> None:
        for topic in (*topics, last):
            publisher.paho.publish(topic, payload, qos=1, retain=retain).wait_for_publish(patient(10))

    with (
        connected(local_services.publish_mqtt_url, "seen-publisher") as publisher,
        ExitStack() as stack,
    ):
        if retain:
            publish(b"x")
        reader = stack.enter_context(connected(local_services.read_mqtt_url, "seen-reader"))
        reader.paho.on_message = lambda client, data, message: received.append(message.topic)
        for topic_filter in ("anju/v1/#", f"anju/v1/{community}/#"):
            assert reader.subscribe(topic_filter, qos=0) == "Granted QoS 0"
        if not retain:
            publish(b"x")
        eventually(lambda: last in received)
        own = reader.subscribe(f"anju/v1/+/{kind}/#", qos=0)
        exact = reader.subscribe(topics[0], qos=0)
        publish(b"")
    hidden = KIND_BY_NAME[kind].redacted
    assert bool(set(topics) & set(received)) != hidden
    assert [own, exact] == [("Unspecified error" if hidden else "Granted QoS 0")] * 2


def test_accounts_are_for_mqtt_only(local_services: Services):
    secret = urlsplit(local_services.publish_mqtt_url).password
    port = httpx.get(f"{local_services.monitoring_url}/varz", timeout=patient(20)).json()["port"]
    with (
        socket.create_connection(("127.0.0.1", port), timeout=patient(10)) as connection,
        connection.makefile("rwb") as lines,
    ):
        assert lines.readline().startswith(b"INFO")
        lines.write(f'CONNECT {{"user":"publisher","pass":"{secret}","verbose":true}}\r\n'.encode())
        lines.flush()
        assert lines.readline().startswith(b"-ERR 'Authorization Violation'")


def test_an_acknowledged_message_survives_kill_9_of_the_broker(local_services: Services):
    topic = TOPIC.format(device="survivor")
    with connected(local_services.mqtt_url, "absent-ingest", clean=False) as ingest:
        assert ingest.subscribe(topic) == "Granted QoS 1"
    with connected(local_services.publish_mqtt_url, "kill-publisher") as publisher:
        for n in range(500):
            publisher.publish(topic, str(n))
        local_services.broker.kill()
    local_services.broker.start()
    with connected(local_services.mqtt_url, "absent-ingest", clean=False) as ingest:
        assert ingest.received(500) == [str(n) for n in range(500)]
    with connected(local_services.mqtt_url, "absent-ingest"):
        pass  # a clean session deletes the persistent one


@pytest.mark.slow
def test_no_acknowledged_message_is_lost_when_sessions_vanish_while_the_broker_pushes(local_services: Services):
    # NATS Server 2.10.27 fails here: it drops messages that it could not deliver to a connection that has just ended
    # (docs/decisions/0005). One cut in two or three has this effect, so several sessions are cut several times.
    topic, sent, sessions = TOPIC.format(device="cut"), [str(n) for n in range(5000)], [f"cut-{n}" for n in range(4)]
    for session in sessions:
        with connected(local_services.mqtt_url, session, clean=False) as client:
            assert client.subscribe(topic) == "Granted QoS 1"
    with connected(local_services.publish_mqtt_url, "cut-publisher") as publisher:
        publisher.flood(topic, sent)
    for session in sessions:
        # Not without end: on a slow machine a message comes again before the wait for one is over.
        cuts = (cut_off(local_services.mqtt_url, session) for _ in range(10))
        assert list(takewhile(bool, cuts))
    with ExitStack() as stack:
        url = local_services.mqtt_url
        for client in [stack.enter_context(connected(url, session, clean=False)) for session in sessions]:
            assert client.missing(sent) == set()
    for session in sessions:
        with connected(local_services.mqtt_url, session):
            pass  # a clean session deletes the persistent one


def test_the_broker_starts_again_at_once_after_kill_9(local_services: Services):
    local_services.broker.kill()
    assert not local_services.broker.alive()
    watch = Stopwatch()
    local_services.broker.start(patient(60))
    assert watch.quiet_s() < 5
    assert httpx.get(f"{local_services.monitoring_url}/healthz", timeout=patient(20)).json() == {"status": "ok"}
