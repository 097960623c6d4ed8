"""Private brokers, those to compare with too, with the accounts and permissions of NATS."""

import platform
import queue
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks import mosquitto, rabbitmq
from devices.broker_url import BrokerUrl
from local.apt import architecture
from local.home import Home
from local.prefix import SERVERS, Bundle, bundle_path
from local.process import Process, start_together
from local.services import BROKERS, OpenBroker, Services, prepare_broker, start_services
from patience import patient
from simulators.publisher import Publisher, PublisherError

BUNDLES = {mosquitto.open_mosquitto: mosquitto.BUNDLE, rabbitmq.open_rabbitmq: rabbitmq.BUNDLE}
TOPIC = "anju/v1/east/water_meter/{}/telemetry"


def is_here(bundle: Bundle) -> bool:
    return bundle_path(bundle, architecture(platform.machine())).exists()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            open_broker,
            id=open_broker.__name__.removeprefix("open_"),
            marks=pytest.mark.skipif(
                not is_here(BUNDLES.get(open_broker, SERVERS)), reason="not fetched: make brokers does it"
            ),
        )
        for open_broker in (*BROKERS.values(), *BUNDLES)
    ],
)
def open_broker(request: pytest.FixtureRequest) -> OpenBroker:
    chosen: OpenBroker = request.param
    return chosen


@pytest.fixture(scope="module")
def services(open_broker: OpenBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with start_services(tmp_path_factory.mktemp("services"), print, open_broker) as services:
        yield services


class Subscriber:
    """Persistent session for one topic; messages arrive in the queue."""

    def __init__(self, url: str, topic: str) -> None:
        self.arrived: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
        self._granted: queue.Queue[bool] = queue.Queue()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, topic.replace("/", "-"), clean_session=False)
        address = BrokerUrl.parse(url)
        self._client.username_pw_set(address.username, address.password)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._granted.put(True)
        self._client.on_message = lambda _client, _data, message: self.arrived.put(message)
        self._client.connect(address.host, address.port)

    def __enter__(self) -> "Subscriber":
        self._client.loop_start()
        assert self._granted.get(timeout=patient(10))
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_messages_published_while_ingest_is_away_wait_for_it(services: Services):
    topic = TOPIC.format("waits")
    with Subscriber(services.mqtt_url, topic):
        pass
    with Publisher(services.publish_mqtt_url) as publisher:
        for number in range(2000):
            publisher.publish(topic, b"%d" % number)
    with Subscriber(services.mqtt_url, topic) as ingest:
        assert [ingest.arrived.get(timeout=patient(10)).payload for _ in range(2000)] == [
            b"%d" % n for n in range(2000)
        ]


def test_a_wrong_secret_is_refused(services: Services):
    url = services.publish_mqtt_url.replace("publisher:", "publisher:x")
    with pytest.raises(PublisherError, match="refuses the connection"):
        Publisher(url).__enter__()


def test_messages_published_by_ingest_reach_no_client(services: Services):
    topic = TOPIC.format("silent")
    with Subscriber(services.mqtt_url, topic) as ingest:
        forbidden = Publisher(services.mqtt_url).__enter__()
        forbidden.publish(topic, b"forbidden")
        forbidden.close()
        with Publisher(services.publish_mqtt_url) as publisher:
            publisher.publish(topic, b"allowed")
        assert ingest.arrived.get(timeout=patient(10)).payload == b"allowed"


def test_the_broker_keeps_stored_messages_over_a_stop(services: Services):
    with Subscriber(services.mqtt_url, TOPIC.format("stored")):
        pass
    with Publisher(services.publish_mqtt_url) as publisher:
        publisher.publish(TOPIC.format("stored"), b"stored")
    for node in services.nodes:
        node.stop()
    start_together(services.nodes)
    with Subscriber(services.mqtt_url, TOPIC.format("stored")) as ingest:
        assert ingest.arrived.get(timeout=patient(10)).payload == b"stored"


def test_a_second_broker_runs_beside_the_first(open_broker: OpenBroker, services: Services, tmp_path: Path):
    with Home(tmp_path) as home:
        nodes = [Process(part, home) for part in prepare_broker(home, print, open_broker).parts]
        try:
            start_together(nodes)
            assert all(node.alive() for node in (*nodes, *services.nodes))
        finally:
            for node in nodes:
                node.stop()
