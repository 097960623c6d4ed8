"""The publisher against the real broker: nothing acknowledged is lost, nothing sent is forgotten."""

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
    """A subscriber whose session the broker keeps unless it is clean; what arrives comes out of the queue."""
    arrived: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
    granted = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=clean)
    address = urlsplit(url)
    client.username_pw_set(address.username, address.password)
    client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
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


def collect(arrived: "queue.Queue[mqtt.MQTTMessage]", wanted: set[bytes], timeout_s: float = 60) -> Counter[bytes]:
    """What arrives until everything wanted has arrived."""
    found: Counter[bytes] = Counter()
    deadline = time.monotonic() + patient(timeout_s)
    while found.keys() != wanted and time.monotonic() < deadline:
        try:
            found[arrived.get(timeout=1).payload] += 1
        except queue.Empty:
            continue
    return found


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


def test_a_retained_status_waits_for_who_subscribes_later(local_services: Services):
    topic = "anju/v1/publisher-test/camera/camera-1/status"
    with Publisher(local_services.publish_mqtt_url) as publisher:
        publisher.publish(topic, b'{"state":"online"}', retain=True)
    with session(local_services.read_mqtt_url, "later", topic, clean=True) as arrived:
        message = arrived.get(timeout=patient(10))
    assert (message.payload, message.retain) == (b'{"state":"online"}', True)


def test_kill_9_of_the_broker_under_the_publisher_loses_nothing(local_services: Services):
    topic, client_id = TOPIC.format("killed"), "publisher-kill-test"
    total = 12_000
    with session(local_services.mqtt_url, client_id, topic):
        pass  # From now on the broker keeps for this session what is published.
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
    wanted = {b"%d" % number for number in range(total)}
    with session(local_services.mqtt_url, client_id, topic) as arrived:
        found = collect(arrived, wanted)
    with session(local_services.mqtt_url, client_id, topic, clean=True):
        pass  # A clean session ends the kept one.
    assert found.keys() == wanted


def test_without_a_broker_publish_waits_at_most_as_long_as_it_may(local_services: Services):
    with Publisher(local_services.publish_mqtt_url, window=1000) as publisher:
        local_services.broker.kill()
        try:
            # At the latest when the window is full there is no place for another message.
            while publisher.publish(TOPIC.format("away"), b"x", timeout_s=0.2):
                assert publisher.sent <= 1000
            begun, watch = time.monotonic(), Stopwatch()
            assert not publisher.publish(TOPIC.format("away"), b"x", timeout_s=0.2)
            assert time.monotonic() - begun >= 0.2
            assert watch.quiet_s() < 2
        finally:
            local_services.broker.start()
        assert publisher.publish(TOPIC.format("away"), b"back", timeout_s=patient(30))
    assert publisher.sent == publisher.acknowledged


def test_a_flush_that_lasts_too_long_says_how_many_messages_are_missing(local_services: Services):
    with Publisher(local_services.publish_mqtt_url) as publisher:
        broker = local_services.broker.pid
        os.killpg(broker, signal.SIGSTOP)
        # A signal is only on its way when kill returns: without waiting, a thread may still acknowledge.
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


def test_the_history_of_a_fleet_arrives_whole(local_services: Services):
    devices = plan_community("fleet-test", "东区", "东胜区", "林荫街道", 4, seed=1).numbered_devices()
    fleet, now = Fleet(devices, 1), datetime(2026, 1, 10, tzinfo=UTC)
    start = now - timedelta(minutes=30)
    with session(local_services.read_mqtt_url, "fleet-test", "anju/v1/fleet-test/#", clean=True) as arrived:
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


def test_closing_wakes_whoever_waits_to_publish(local_services: Services):
    publisher = Publisher(local_services.publish_mqtt_url).__enter__()
    told: queue.Queue[str] = queue.Queue()

    def publish() -> None:
        try:
            while True:
                publisher.publish(TOPIC.format("closing"), b"x")
        except PublisherError as error:
            told.put(str(error))

    thread = threading.Thread(target=publish)
    thread.start()
    time.sleep(0.2)
    publisher.close()
    assert "closed" in told.get(timeout=patient(10))
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


def test_a_broker_that_is_not_there_is_named():
    with pytest.raises(PublisherError, match=r"127\.0\.0\.1:1 can't be reached .*start the broker or check the URL"):
        Publisher("mqtt://publisher:secret@127.0.0.1:1").__enter__()


def test_a_url_that_cannot_be_used_is_refused_without_showing_it():
    with pytest.raises(BrokerUrlError) as caught:
        Publisher("http://publisher:secret@127.0.0.1")
    assert "secret@" not in str(caught.value)


def test_a_topic_that_cannot_be_published_to_is_refused_and_not_counted(local_services: Services):
    with Publisher(local_services.publish_mqtt_url) as publisher:
        with pytest.raises(ValueError, match="topic"):
            publisher.publish("anju/v1/#", b"x")
        assert publisher.sent == 0
