"""Attacks on the broker from outside, with the means of a device, of a stranger and of Anju's own accounts."""

import itertools
import json
from urllib.parse import urlsplit

import httpx
import pytest

from devices.broker_url import BrokerUrl
from doors import ACCEPTED, NOT_AUTHORIZED, Knock, Listener, dropped, login
from ingest.partition import Partition
from patience import eventually
from tests.integration.door.conftest import CHILD, GATEWAY, METER, NEIGHBOUR, WITHOUT_SECRET, Guarded

numbers = itertools.count()
SESSION_PRESENT = 0x100
"""Flag of CONNACK, above its return code."""


def own_id(username: str) -> str:
    """Return a client id of the device that no other test uses."""
    return f"{username.replace('/', ':')}:{next(numbers)}"


def knock(guarded: Guarded, username: str, **more: object) -> Knock:
    """Log a device in under a client id of its own."""
    device = Knock.at(guarded.url, username, guarded.secrets[username], own_id(username), **more)
    assert device.answer() == ACCEPTED
    return device


def reader(guarded: Guarded, topic_filter: str = "anju/v1/#", *, retained: bool = False) -> Listener:
    """Return a reader of topics, given as they are without partitions."""
    mapped = topic_filter if guarded.partitions == 1 else topic_filter.replace("anju/v1", "anju/p/+", 1)
    return Listener(guarded.broker.read_url, mapped, retained=retained)


def is_connected(guarded: Guarded, client_id: str) -> bool:
    """Return whether the broker still has a connection of this client."""
    found = httpx.get(f"{guarded.broker.monitoring_urls[0]}/connz", params={"mqtt_client": client_id}).json()
    return bool(found["num_connections"])


@pytest.mark.parametrize("username", [METER, NEIGHBOUR, GATEWAY, CHILD])
def test_a_device_logs_in_as_itself(guarded: Guarded, username: str):
    assert login(guarded.url, username, guarded.secrets[username], own_id(username)) == ACCEPTED


def test_a_message_of_a_device_arrives(guarded: Guarded):
    with reader(guarded) as listening, knock(guarded, METER) as meter:
        meter.publish(guarded.topic(METER), b"mine")
        assert listening.payload() == b"mine"


def test_a_device_that_is_not_registered_is_refused(guarded: Guarded):
    assert login(guarded.url, "east/water_meter/w9", guarded.secrets[METER]) == NOT_AUTHORIZED


def test_a_device_without_a_secret_is_refused(guarded: Guarded):
    assert login(guarded.url, WITHOUT_SECRET, "") == NOT_AUTHORIZED


def test_the_secret_of_another_device_is_refused(guarded: Guarded):
    assert login(guarded.url, NEIGHBOUR, guarded.secrets[METER]) == NOT_AUTHORIZED


@pytest.mark.parametrize("secret", ["", "x", " ", "\x00", "x" * 60_000])
def test_a_wrong_secret_is_refused(guarded: Guarded, secret: str):
    assert login(guarded.url, METER, secret) != ACCEPTED


@pytest.mark.parametrize(
    "username",
    [
        "",
        "x",
        "/",
        "east",
        "east/water_meter",
        "east/water_meter/",
        "east/water_meter/w1/",
        "/east/water_meter/w1",
        "east/water_meter/w1/telemetry",
        "EAST/WATER_METER/W1",
        "east/water_meter/W1",
        "east/water_meter/w1 ",
        " east/water_meter/w1",
        "east.water_meter.w1",
        "east/+/w1",
        "east/#",
        "*/*/*",
        ">",
        "$G",
        "door",
        "SYS",
        "east/water_meter/w1\x00",
        "east/water_meter/w1#certificate",
        "小区/水表/一号",
        "a" * 65_535,
        "../../etc/passwd",
        "' OR 1=1 --",
        '{"$ne": null}',
    ],
)
def test_an_odd_name_is_refused(guarded: Guarded, username: str):
    assert login(guarded.url, username, guarded.secrets[METER], own_id(METER)) != ACCEPTED


@pytest.mark.parametrize(
    "client_id",
    [
        "",
        "x",
        "anju-ingest-0",
        "east:water_meter:w",
        "east:water_meter:w2",
        "east:water_meter:w10",
        "EAST:water_meter:w1",
        "east/water_meter/w1",
        "east:water_meter:w1\x00",
        "east:water_meter:w1:*",
        "east:water_meter:w1:>",
        "east:water_meter:w1: ",
    ],
)
def test_a_foreign_or_odd_client_id_is_refused(guarded: Guarded, client_id: str):
    assert login(guarded.url, METER, guarded.secrets[METER], client_id) != ACCEPTED


def test_nobody_takes_over_the_session_of_another_device(guarded: Guarded):
    with knock(guarded, METER) as meter:
        assert login(guarded.url, NEIGHBOUR, guarded.secrets[NEIGHBOUR], meter.client_id) == NOT_AUTHORIZED
        assert login(guarded.url, METER, "guessed", meter.client_id) == NOT_AUTHORIZED
        assert meter.publish(guarded.topic(METER))


@pytest.mark.parametrize(
    "topic_filter",
    [
        "#",
        "+/#",
        "anju/#",
        "anju/v1/#",
        "anju/p/#",
        "anju/v1/east/water_meter/w1/#",
        "anju/v1/east/water_meter/w1/telemetry",
        "$MQTT/sub/#",
        "$MQTT/#",
        "$SYS/#",
        "$SYS/REQ/USER/AUTH",
        "$JS/#",
        "$KV/#",
        "_INBOX/#",
        "_INBOX/door/#",
    ],
)
@pytest.mark.parametrize("username", [METER, GATEWAY])
def test_a_device_may_subscribe_to_nothing(guarded: Guarded, username: str, topic_filter: str):
    with knock(guarded, username) as device:
        assert not device.subscribe(topic_filter)


FOREIGN = [
    "anju/v1/east/water_meter/w2/telemetry",
    "anju/v1/east/water_meter/w10/telemetry",
    "anju/v1/east/gateway/g1/telemetry",
    "anju/v1/east/camera/w1/telemetry",
    "anju/v1/west/water_meter/w1/telemetry",
    "anju/v1/east/water_meter/telemetry",
    "anju/v2/east/water_meter/w1/telemetry",
    "anju/p/0/east/water_meter/w2/telemetry",
    "anju/p/0/1/east/water_meter/w1/telemetry",
    "east/water_meter/w1/telemetry",
    "other",
    "$SYS/REQ/SERVER/PING/CONNZ",
    "$SYS/REQ/USER/AUTH",
    "$JS/API/STREAM/DELETE/$MQTT_msgs",
    "$JS/API/STREAM/PURGE/$MQTT_msgs",
    "$MQTT/msgs/anju/v1/east/water_meter/w2/telemetry",
    "$MQTT/sess/abc",
    "$MQTT/rmsgs/anju/v1/east/water_meter/w2/status",
    "_INBOX/door/abc",
]


@pytest.mark.parametrize("topic", FOREIGN)
def test_a_message_to_a_foreign_topic_is_dropped(guarded: Guarded, topic: str):
    with knock(guarded, METER) as meter:
        assert meter.publish(topic)
        assert meter.publish(guarded.topic(METER))
        eventually(lambda: dropped(guarded.log, meter.client_id))
        assert len(dropped(guarded.log, meter.client_id)) == 1, "its own message was dropped as well"


@pytest.mark.parametrize("topic", [guess for guess in FOREIGN if guess.startswith("anju/v1")])
def test_a_last_will_for_a_foreign_topic_is_not_published(guarded: Guarded, topic: str):
    with reader(guarded) as listening:
        forger = knock(guarded, METER, will=(topic, b"forged"))
        forger.vanish()
        eventually(lambda: not is_connected(guarded, forger.client_id))
        with knock(guarded, METER) as meter:
            meter.publish(guarded.topic(METER), b"after")
            assert listening.payload() == b"after"


def test_the_last_will_of_a_device_is_published_and_retained(guarded: Guarded):
    status = guarded.topic(NEIGHBOUR, "status")
    with reader(guarded) as listening:
        with knock(guarded, NEIGHBOUR, will=(status, b'{"state":"offline"}')) as neighbour:
            assert neighbour.publish(status, b'{"state":"online"}', retain=True)
            assert listening.payload() == b'{"state":"online"}'
            neighbour.vanish()
        assert listening.payload() == b'{"state":"offline"}'
    with reader(guarded, "anju/v1/+/+/+/status", retained=True) as late:
        assert late.payload() == b'{"state":"offline"}'


def test_a_gateway_may_write_to_its_own_topic_and_not_to_that_of_a_device_behind_it(guarded: Guarded):
    with knock(guarded, GATEWAY) as gateway:
        items = json.dumps([{"kind": "water_meter", "device": "w3", "ts": 1, "values": {"volume_m3": 1}}])
        assert gateway.publish(guarded.topic(GATEWAY), items.encode())
        assert gateway.publish(guarded.topic(CHILD))
        assert len(eventually(lambda: dropped(guarded.log, gateway.client_id))) == 1


@pytest.mark.parametrize("user", ["ingest", "publisher", "reader", "door"])
@pytest.mark.parametrize("secret", ["", "guessed"])
def test_accounts_of_our_own_need_their_secret(guarded: Guarded, user: str, secret: str):
    assert login(guarded.url, user, secret, "x") == NOT_AUTHORIZED


@pytest.mark.parametrize("account", ["read_url", "publish_url"])
def test_accounts_of_our_own_take_over_no_session_of_a_device_or_of_ingest(guarded: Guarded, account: str):
    own = BrokerUrl.parse(getattr(guarded.broker, account))
    ingest = BrokerUrl.parse(guarded.broker.ingest_url)
    with knock(guarded, METER) as meter:
        sessions = [Partition(number, guarded.partitions).client_id(ingest.password) for number in range(4)]
        for client_id in (meter.client_id, METER.replace("/", ":"), *sessions):
            assert login(guarded.url, own.username, own.password, client_id) == NOT_AUTHORIZED
        assert meter.is_open()
        assert meter.publish(guarded.topic(METER))


def test_nothing_waits_for_an_observer_who_is_away(guarded: Guarded):
    own = BrokerUrl.parse(guarded.broker.read_url)
    topics = "anju/v1/#" if guarded.partitions == 1 else "anju/p/#"
    with Knock.at(guarded.url, own.username, own.password, "observer", clean=False) as observer:
        assert observer.answer() == ACCEPTED
        assert not observer.subscribe(topics, qos=1)
        assert observer.subscribe(topics, qos=0)
        observer.leave()
    with knock(guarded, METER) as meter:
        assert meter.publish(guarded.topic(METER), b"{}")
    with Knock.at(guarded.url, own.username, own.password, "observer", clean=False) as observer:
        assert observer.answer() == SESSION_PRESENT | ACCEPTED
        assert observer.publish("other")  # a message in place of its answer would fail here


def test_the_account_of_the_door_is_not_for_mqtt(guarded: Guarded):
    account = urlsplit(guarded.broker.door_url)
    assert login(guarded.url, "door", account.password, "x") == NOT_AUTHORIZED
