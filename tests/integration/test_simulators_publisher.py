"""Publisher with the real broker: no message is lost."""

import os
import queue
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from devices.broker_url import BrokerUrlError
from local.services import Services
from patience import Stopwatch, eventually, patient
from simulators.community_plan import plan_community
from simulators.fleet import Fleet
from simulators.publisher import Publisher, PublisherError
from simulators.run import run

TOPIC = "anju/v1/publisher-test/water_meter/{}/telemetry"


@contextmanager
def session(url: str, client_id: str, topic: str, *, clean: bool = False) -> Iterator["queue.Queue[mqtt.MQTTMessage]"]:
    """Subscribe with a persistent session, or a clean one; messages arrive in the queue."""
    arrived: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
    granted = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=clean)
    address = urlsplit(url)
    client.username_pw_set(address.username, address.password)
    client.on_connect = lambda client, *_: client.subscribe(topic, qos=0 if clean else 1)
    client.on_subscribe = lambda *_: granted.set()
    client.on_message = lambda client, data, message: arrived.put(message)
    client.connect(str(address.hostname), address.port)
    client.loop_start()
    try:
        assert granted.wait(10)
        yield arrived
    finally:
        client.disconnect()
        client.loop_stop()


def collect(arrived: "queue.Queue[mqtt.MQTTMessage]", expected: set[bytes], timeout_s: float = 60) -> Counter[bytes]:
    """Count the payloads until all expected ones have arrived."""
    payloads: Counter[bytes] = Counter()
    deadline = time.monotonic() + patient(timeout_s)
    while payloads.keys() != expected and time.monotonic() < deadline:
        try:
            payloads[arrived.get(timeout=1).payload] += 1
        except queue.Empty:
            continue
    return payloads


def test_leaving_the_publisher_waits_until_everything_is_acknowledged(local_services: Services):
    with Publisher(local_services.publish_mqtt_url) as publisher:
        for number in range(5000):
            assert publisher.publish(TOPIC.format("meter-1"), b"%d" % number)
    assert publisher.sent == publisher.acknowledged == 5000


def test_messages_arrive_once_and_in_order(local_services: Services):
    topic = TOPIC.format("in-order")
    with session(local_services.read_mqtt_url, "in-order", topic, clean=True) as arrived:
        with Publisher(local_services.publish_mqtt_url, window=50) as publisher:
            for number in range(2000):
                publisher.publish(topic, b"%d" % number)
        payloads = [arrived.get(timeout=patient(10)).payload for _ in range(2000)]
    assert payloads == [b"%d" % number for number in range(2000)]


def test_a_retained_status_reaches_a_later_subscriber(local_services: Services):
    topic = "anju/v1/publisher-test/water_meter/m1/status"
    with Publisher(local_services.publish_mqtt_url) as publisher:
        publisher.publish(topic, b'{"state":"online"}', retain=True)
    with session(local_services.read_mqtt_url, "later", topic, clean=True) as arrived:
        message = arrived.get(timeout=patient(10))
    assert (message.payload, message.retain) == (b'{"state":"online"}', True)


def test_kill_9_of_the_broker_under_the_publisher_loses_nothing(local_services: Services):
    topic, client_id = TOPIC.format("killed"), "publisher-kill-test"
    total = 12_000
    with session(local_services.mqtt_url, client_id, topic):
        pass  # From now on the broker stores messages for this session.
    with Publisher(local_services.publish_mqtt_url, window=500) as publisher:

        def publish() -> None:
            for number in range(total):
                publisher.publish(topic, b"%d" % number)

        sending = threading.Thread(target=publish)
        sending.start()
        for kill in (1, 2):
            while publisher.acknowledged < kill * total / 3:
                time.sleep(0.01)
            local_services.broker.kill()
            outstanding = eventually(lambda: publisher.sent - publisher.acknowledged)
            assert 0 < outstanding <= 500
            local_services.broker.start()
        sending.join(patient(60))
        assert not sending.is_alive()
        publisher.flush(patient(60))
        assert publisher.sent == publisher.acknowledged == total
    expected = {b"%d" % number for number in range(total)}
    with session(local_services.mqtt_url, client_id, topic) as arrived:
        payloads = collect(arrived, expected)
    with session(local_services.mqtt_url, client_id, topic, clean=True):
        pass  # A clean session deletes the persistent one.
    assert payloads.keys() == expected


def test_without_a_broker_publish_waits_no_longer_than_its_timeout(local_services: Services):
    with Publisher(local_services.publish_mqtt_url, window=1000) as publisher:
        local_services.broker.kill()
        try:
            # No further message is accepted once the window is full.
            while publisher.publish(TOPIC.format("away"), b"x", timeout_s=0.2):
                assert publisher.sent <= 1000
            started_s, watch = time.monotonic(), Stopwatch()
            assert not publisher.publish(TOPIC.format("away"), b"x", timeout_s=0.2)
            assert time.monotonic() - started_s >= 0.2
            assert watch.quiet_s() < 2
        finally:
            local_services.broker.start()
        assert publisher.publish(TOPIC.format("away"), b"back", timeout_s=patient(30))
    assert publisher.sent == publisher.acknowledged


def test_a_flush_that_times_out_reports_the_number_of_missing_messages(local_services: Services):
    with Publisher(local_services.publish_mqtt_url) as publisher:
        broker = local_services.broker.pid
        os.killpg(broker, signal.SIGSTOP)
        # `kill` returns before the signal takes effect: without this wait a thread may still acknowledge.
        os.waitpid(broker, os.WUNTRACED)
        try:
            for _ in range(3):
                publisher.publish(TOPIC.format("stopped"), b"x")
            with pytest.raises(PublisherError, match=r"did not acknowledge 3 messages within 0\.5 s"):
                publisher.flush(0.5)
        finally:
            os.killpg(broker, signal.SIGCONT)
        publisher.flush(patient(30))
    assert publisher.acknowledged == 3


def test_the_history_of_a_fleet_arrives_completely(local_services: Services):
    devices = plan_community("fleet-test", "东区", "东胜区", "林荫街道", 4, seed=1).numbered_devices()
    fleet, now = Fleet(devices, 1), datetime(2026, 1, 10, tzinfo=UTC)
    start = now - timedelta(minutes=30)
    # Of ingest: the reader sees no doors, gates and cameras.
    with session(local_services.mqtt_url, "fleet-test", "anju/v1/fleet-test/#", clean=True) as arrived:
        with Publisher(local_services.publish_mqtt_url) as publisher:
            count = run(
                fleet,
                publisher,
                start=start,
                until=now,
                speed=None,
                now=lambda: now,
                sleep=time.sleep,
                stop=lambda: False,
            )
        received = [arrived.get(timeout=patient(10)) for _ in range(count)]
    expected = [*fleet.statuses(start), *fleet.messages(start, now)]
    assert Counter((message.topic, message.payload) for message in received) == Counter(
        (message.topic, message.payload) for message in expected
    )


def test_closing_ends_a_waiting_publish(local_services: Services):
    publisher = Publisher(local_services.publish_mqtt_url).__enter__()
    errors: queue.Queue[str] = queue.Queue()

    def publish() -> None:
        try:
            while True:
                publisher.publish(TOPIC.format("closing"), b"x")
        except PublisherError as error:
            errors.put(str(error))

    thread = threading.Thread(target=publish)
    thread.start()
    time.sleep(0.2)
    publisher.close()
    assert "closed" in errors.get(timeout=patient(10))
    thread.join(patient(10))


def test_a_wrong_secret_is_refused_without_showing_it(local_services: Services, capfd: pytest.CaptureFixture[str]):
    address = urlsplit(local_services.publish_mqtt_url)
    publisher = Publisher(f"mqtt://publisher:guessed-secret@{address.hostname}:{address.port}")
    with pytest.raises(
        PublisherError, match=r"refuses the connection .Not authorized.: check user and secret"
    ) as caught:
        publisher.__enter__()
    shown = "".join(capfd.readouterr())
    assert "guessed-secret" not in shown + str(caught.value) + repr(publisher) + repr(vars(publisher))


def test_an_error_names_the_unreachable_broker():
    with pytest.raises(PublisherError, match=r"127\.0\.0\.1:1 can't be reached .*start the broker or check the URL"):
        Publisher("mqtt://publisher:secret@127.0.0.1:1").__enter__()


def test_an_unusable_url_is_refused_without_showing_it():
    with pytest.raises(BrokerUrlError) as caught:
        Publisher("http://publisher:secret@127.0.0.1")
    assert "secret@" not in str(caught.value)


def test_an_invalid_topic_is_refused_and_not_counted(local_services: Services):
    with Publisher(local_services.publish_mqtt_url) as publisher:
        with pytest.raises(ValueError, match="topic"):
            publisher.publish("anju/v1/#", b"x")
        assert publisher.sent == 0
