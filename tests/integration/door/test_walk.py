"""Every kind of account at every kind of topic: what it may publish and subscribe to, and nothing else."""

import itertools
import re
from datetime import UTC, datetime, timedelta

import pytest

from devices.broker_url import BrokerUrl
from devices.partition import partition_of
from doors import ACCEPTED, Knock
from ingest.broker_log import RefusalReason, refusals
from patience import eventually
from tests.integration.door.conftest import CHILD, GATEWAY, METER, NEIGHBOUR, WITHOUT_SECRET

numbers = itertools.count()
UNKNOWN = "west/water_meter/w1"
DEVICES = (METER, NEIGHBOUR, GATEWAY, CHILD, WITHOUT_SECRET, UNKNOWN)
CHANNELS = ("telemetry", "event", "status", "other", "a/b")
ELSEWHERE = (
    "anju",
    "anju/v1",
    "anju/v1/east",
    "anju/v1/east/water_meter",
    "anju/v1/east/water_meter/w1",
    "anju/v2/east/water_meter/w1/telemetry",
    "anju/p/0/east/water_meter/w1/telemetry",
    "anju/p/9/east/water_meter/w2/telemetry",
    "x",
    "$SYS/REQ/USER/AUTH",
    "$SYS/REQ/SERVER/PING/CONNZ",
    "$SYS/ACCOUNT/$G/CONNECT",
    "$JS/API/STREAM/PURGE/$MQTT_msgs",
    "$JS/API/CONSUMER/DELETE/$MQTT_msgs/x",
    "$MQTT/sub/abc",
    "$MQTT/msgs/anju/v1/east/water_meter/w2/telemetry",
    "$MQTT/rmsgs/x",
    "$MQTT/sess/x",
    "_INBOX/door/x",
)
FILTERS = (
    "#",
    "+",
    "+/v1/#",
    "anju/#",
    "anju/+/+/+/+/+",
    "$SYS/#",
    "$JS/#",
    "$MQTT/#",
    "$MQTT/sub/#",
    "_INBOX/#",
    "anju/v1/#",
    "anju/p/#",
    "anju/p/0/#",
    f"anju/v1/{METER}/#",
    f"anju/v1/{METER}/telemetry",
)
READABLE = ("anju/v1/", "anju/p/")


def topics(username):
    return {f"anju/v1/{username}/{channel}" for channel in CHANNELS}


def at_the_broker(topic, partitions):
    """Return the topic to which the broker maps one."""
    if partitions == 1 or topic.split("/")[:2] != ["anju", "v1"]:
        return topic
    _, _, *rest = topic.split("/")
    return "/".join(["anju", "p", str(partition_of(rest[0], partitions)) if rest else "0", *rest])


def may_publish(account, topic, partitions):
    """Return whether an account may publish to a topic, given as the broker has mapped it."""
    root = r"anju/v1" if partitions == 1 else r"anju/p/[^/]+"
    if account in {METER, GATEWAY}:
        return re.fullmatch(f"{root}/{account}/.+", topic) is not None
    # All devices of this registry are real, so that their whole community is closed to simulators.
    is_open = topic.startswith(root.partition("[")[0]) and not re.match(f"{root}/east/", topic)
    return account == "simulators" and is_open and topic != "anju/v1"


def log_in(guarded, account):
    number = next(numbers)
    if account in {METER, GATEWAY}:
        name, secret, client_id = account, guarded.secrets[account], f"{account.replace('/', ':')}:walk-{number}"
    else:
        urls = {"ingest": guarded.broker.ingest_url, "reader": guarded.broker.read_url}
        url = BrokerUrl.parse(urls.get(account, guarded.broker.publish_url))
        name, secret, client_id = url.username, url.password, f"walk-{number}"
    knock = Knock.at(guarded.url, name, secret, client_id)
    assert knock.answer() == ACCEPTED
    return knock


def dropped(guarded, client_id):
    lines = guarded.log.read_text("utf-8", "replace").splitlines()
    found = refusals(lines, datetime.now(UTC) - timedelta(days=1))
    return {each.topic for each in found if each.client == client_id and each.reason is RefusalReason.TOPIC}


@pytest.mark.parametrize("account", [METER, GATEWAY, "simulators", "ingest", "reader"])
def test_what_an_account_may_publish(guarded, account):
    everything = {*ELSEWHERE, *(topic for username in DEVICES for topic in topics(username))}
    with log_in(guarded, account) as client:
        last = "zzz/last"
        for topic in (*sorted(everything), last):
            assert client.publish(topic)
        eventually(lambda: last in dropped(guarded, client.client_id))
        refused = dropped(guarded, client.client_id) - {last}
    mapped = {at_the_broker(topic, guarded.partitions) for topic in everything}
    assert mapped - refused == {topic for topic in mapped if may_publish(account, topic, guarded.partitions)}


@pytest.mark.parametrize("account", [METER, GATEWAY, "simulators", "ingest", "reader"])
def test_what_an_account_may_subscribe_to(guarded, account):
    for topic_filter in FILTERS:
        with log_in(guarded, account) as client:
            may_read = account in {"ingest", "reader"} and topic_filter.startswith(READABLE)
            assert client.subscribe(topic_filter, qos=0) == may_read, topic_filter
