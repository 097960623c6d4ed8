"""Rights of every account at the broker, tried one by one: the table of docs/mqtt.md, and strangers at the door."""

import itertools
import json
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from devices.broker_url import NATS, BrokerUrl
from doors import ACCEPTED, Knock, Listener, dropped, login, new_secret, register_devices, running_door
from ingest.partition import Partition
from local.brokers.broker import Broker
from local.home import Home
from mqtt_packets import CONNACK, connect, publish, release, subscribe
from patience import eventually, patient
from running import open_session, running_broker

RIGHTS = """\
| | device | gateway | simulators | `ingest` | `reader` | `door` |
|---|---|---|---|---|---|---|
| log in by MQTT | yes | yes | yes | yes | yes | no |
| log in by NATS's own protocol | no | no | no | no | no | yes |
| publish as the device itself | yes | no | no | no | no | no |
| publish as the gateway itself | no | yes | no | no | no | no |
| publish as a device behind the gateway, in its own topic | no | no | no | no | no | no |
| publish as another device of the community | no | no | no | no | no | no |
| publish as a device of another community | no | no | no | no | no | no |
| publish as a simulated device | no | no | yes | no | no | no |
| publish as a device that is not registered, among real ones | no | no | no | no | no | no |
| publish to a topic of a partition (`anju/p/…`) for a real device | no | no | no | no | no | no |
| publish to a topic that is none of Anju's | no | no | no | no | no | no |
| publish to the broker's own (`$SYS`, `$JS`, `$MQTT`, `_INBOX`) | no | no | no | no | no | no |
| answer questions about logins, list and end connections | no | no | no | no | no | yes |
| subscribe to `anju/v1/#`, `anju/p/#` and parts of them, with QoS 0 | no | no | no | yes | yes | no |
| the same with QoS 1 or 2, for which the broker keeps a queue | no | no | no | yes | no | no |
| subscribe to doors, vehicle gates, cameras and gateways alone | no | no | no | yes | no | no |
| subscribe to more (`#`, `anju/#`, other topics) | no | no | no | no | no | no |
| subscribe to the broker's own (`$SYS`, `$JS`, `$MQTT`, `_INBOX`) | no | no | no | no | no | no |
| subscribe to the questions about logins | no | no | no | no | no | yes |
"""
# What is tried for each row, in their order. Topics of devices are without `anju/v1/`; filters may begin with a QoS.
PUBLISHED = [
    [f"east/water_meter/w1/{channel}" for channel in ("telemetry", "event", "status")],
    [f"east/gateway/g1/{channel}" for channel in ("telemetry", "event", "status")],
    ["east/water_meter/w3/telemetry", "east/water_meter/w3/status"],
    ["east/water_meter/w2/telemetry", "east/water_meter/w10/event", "east/camera/w1/event", "east/gateway/g2/event"],
    ["west/water_meter/w1/telemetry", "west/gateway/g1/telemetry", "west/water_meter/w1/status"],
    ["demo/water_meter/s1/telemetry", "demo/water_meter/s1/event", "demo/water_meter/s1/status"],
    ["west/water_meter/w9/telemetry", "west/telemetry", "west/camera/c9/event"],
    [f"/anju/p/{number}/{rest}" for number in range(4) for rest in ("west/gateway/g1/event", "east/camera/c1/event")],
    ["/other", "/anju", "/anju/v2/east/water_meter/w1/x", "/east/water_meter/w1/event", "/ANJU/V1/east/camera/c1/x"],
    [
        "/$SYS/REQ/SERVER/PING", "/$SYS/ACCOUNT/$G/CONNECT", "/$SYS/REQ/USER/AUTH", "/$JS/API/INFO",
        "/$JS/API/STREAM/DELETE/$MQTT_msgs", "/$JS/API/STREAM/PURGE/$MQTT_msgs", "/$JS/ACK/$MQTT_msgs/x/1/1/1/1/1",
        "/$MQTT/msgs/anju/v1/east/water_meter/w2/event", "/$MQTT/rmsgs/anju/v1/east/water_meter/w2/status",
        "/$MQTT/sess/abc", "/$MQTT/sub/abc", "/$MQTT/deliver/pubrel/abc", "/_INBOX/door/abc", "/_R_/abc",
    ],
    ["/$SYS/_INBOX/abc", "/$SYS/REQ/SERVER/PING/CONNZ", "/$SYS/REQ/SERVER/NABC/KICK"],
]  # fmt: skip
SUBSCRIBED = [
    ["anju/v1/#", "anju/p/#", "anju/v1/+/+/+/status", "anju/v1/east/water_meter/w1/telemetry", "anju/p/0/west/#"],
    ["1 anju/v1/#", "1 anju/p/#", "1 anju/p/0/#", "1 anju/v1/east/water_meter/w1/x", "2 anju/v1/east/water_meter/w1/x"],
    ["anju/v1/+/access_control/#", "anju/v1/east/vehicle_gate/#", "anju/v1/+/camera/+/x", "anju/p/+/east/gateway/#"],
    ["#", "+/#", "+/v1/#", "anju/#", "anju/+/#", "other/#", "anju/v2/#", "/anju/v1/#"],
    ["$SYS/#", "$JS/#", "$JS/API/#", "$MQTT/#", "$MQTT/sub/#", "$MQTT/msgs/#", "$KV/#", "_INBOX/#", "_INBOX/abc"],
    ["$SYS/REQ/USER/AUTH"],
]  # fmt: skip

_, _, *_lines = RIGHTS.splitlines()
_rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in _lines]
ACCOUNTS = [cell.strip(" `") for cell in RIGHTS.splitlines()[0].strip("|").split("|")][1:]
ROWS = [row[0] for row in _rows]
LOGINS, PUBLISHING, SUBSCRIBING = ROWS[:2], ROWS[2 : 2 + len(PUBLISHED)], ROWS[2 + len(PUBLISHED) :]
EXPECTED = {name: {row[0]: row[number] for row in _rows} for number, name in enumerate(ACCOUNTS, start=1)}
numbers = itertools.count()


def own_id(username: str) -> str:
    return username.replace("/", ":")


@dataclass(frozen=True)
class Login:
    """Name and secret of an account, and a client id that goes with it."""

    username: str
    secret: str
    client_id: str

    def fresh(self) -> str:
        """Return a client id that no other connection uses."""
        return f"{self.client_id}{next(numbers)}"


@dataclass(frozen=True)
class Site:
    """Broker behind a door, with its log and the login of each column of the table."""

    broker: Broker
    log: Path
    logins: dict[str, Login]

    def knock(self, account: str, client_id: str = "") -> Knock:
        """Log an account in by MQTT."""
        login_of = self.logins[account]
        knock = Knock.at(self.broker.ingest_url, login_of.username, login_of.secret, client_id or login_of.fresh())
        assert knock.answer() == ACCEPTED
        return knock

    def stored(self) -> dict[str, tuple[int, int]]:
        """Return the number of messages of each stream, and the number of its consumers, sessions excepted."""
        url = f"{self.broker.monitoring_urls[0]}/jsz"
        found = httpx.get(url, params={"accounts": True, "streams": True}, timeout=patient(20)).json()
        streams = [stream for account in found["account_details"] for stream in account.get("stream_detail", ())]
        states = {stream["name"]: stream["state"] for stream in streams}
        return {
            name: (state["messages"], state.get("consumer_count", 0) if name == "$MQTT_msgs" else 0)
            for name, state in states.items()
            if name in {"$MQTT_msgs", "$MQTT_rmsgs"}
        }


@pytest.fixture(
    scope="module",
    params=[pytest.param(1, id="one_partition"), pytest.param(4, id="four_partitions", marks=pytest.mark.slow)],
)
def site(request, tmp_path_factory, new_database) -> Iterator[Site]:
    """Real devices in two communities, a simulated one in a third; ingest has its sessions and is away."""
    partitions = request.param
    meter = {"kind": "water_meter"}
    with new_database() as url, Home(tmp_path_factory.mktemp("walk")) as home:
        gateway = {"device": "g1", "kind": "gateway"}
        register_devices(url, "east", gateway, *({"device": each, **meter} for each in ("w1", "w2")))
        register_devices(url, "east", {"device": "w3", **meter, "gateway": "g1"}, {"device": "c1", "kind": "camera"})
        register_devices(url, "west", gateway, {"device": "w1", **meter})
        register_devices(url, "demo", {"device": "s1", **meter, "simulated": "true"})
        devices = {"device": "east/water_meter/w1", "gateway": "east/gateway/g1"}
        with (
            running_broker(home, partitions, guarded=True) as (broker, process),
            running_door(url, broker, partitions=partitions),
        ):
            urls = {"simulators": broker.publish_url, "ingest": broker.ingest_url, "reader": broker.read_url}
            accounts = {name: BrokerUrl.parse(each) for name, each in urls.items()}
            accounts["door"] = BrokerUrl.parse(broker.door_url, NATS)
            for number in range(partitions):
                open_session(broker.ingest_url, Partition(number, partitions), clean=False, subscribe=True)
            logins = {name: Login(each.username, each.password, name) for name, each in accounts.items()}
            logins |= {name: Login(each, new_secret(url, each), f"{own_id(each)}:") for name, each in devices.items()}
            yield Site(broker, process.log_file, logins)


def test_the_page_about_messages_has_the_table():
    assert RIGHTS in (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text("utf-8")


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_may_do_what_the_table_says_and_nothing_else(site, account):
    try_all = try_by_nats if account == "door" else try_by_mqtt
    assert try_all(site, account) == EXPECTED[account]


def try_by_mqtt(site: Site, account: str) -> dict[str, str]:
    """Return what an account that logs in by MQTT could do: yes, no, or the differences within a row."""
    login_of = site.logins[account]
    client_id = login_of.fresh()
    may_log_in = login(site.broker.ingest_url, login_of.username, login_of.secret, login_of.fresh()) == ACCEPTED
    found = dict(zip(LOGINS, map(words, ([may_log_in], [answer_of_nats(site, login_of) == "+OK"])), strict=True))
    topics = dict(zip(PUBLISHING, PUBLISHED, strict=True))
    refused = [row for row in PUBLISHING if EXPECTED[account][row] == "no"]
    allowed = [row for row in PUBLISHING if row not in refused]
    with (
        Listener(site.broker.ingest_url, "anju/v1/#") as plain,
        Listener(site.broker.ingest_url, "anju/p/#") as mapped,
        site.knock(account, client_id) as client,
    ):
        before = site.stored()
        arrived = publish_each(client, [topic for row in refused for topic in topics[row]], (site, plain, mapped))
        after = site.stored()
        expected = {name: (count + (name == "$MQTT_msgs"), consumers) for name, (count, consumers) in before.items()}
        assert arrived or after == expected, "a refused message was stored, or a queue was touched"
        arrived |= publish_each(client, [topic for row in allowed for topic in topics[row]], (site, plain, mapped))
        untold = unmapped(whole(topic) for row in refused for topic in topics[row])
        eventually(lambda: untold <= unmapped(dropped(site.log, client_id)) or arrived & untold)
        found |= {row: words([whole(topic) in arrived for topic in tried]) for row, tried in topics.items()}
    for row, filters in zip(SUBSCRIBING, SUBSCRIBED, strict=True):
        found[row] = words([subscribed(site, account, topic_filter) for topic_filter in filters])
    return found


def whole(topic: str) -> str:
    """Return a topic of the lists above as it is published."""
    return topic[1:] if topic.startswith("/") else f"anju/v1/{topic}"


def unmapped(topics: Iterable[str]) -> set[str]:
    """Return topics without the partition that the broker maps them to."""
    return {re.sub(r"^anju/p/\d+/", "anju/v1/", topic) for topic in topics}


def words(allowed: list[bool]) -> str:
    return {(True,): "yes", (False,): "no"}.get(tuple(sorted(set(allowed))), f"mixed: {allowed}")


def publish_each(client: Knock, topics: list[str], ears: tuple[Site, Listener, Listener]) -> set[str]:
    """Publish to each topic with each QoS, retained too; return the topics of which something arrived."""
    site, *listeners = ears
    heard: set[str] = set()
    mark = f"mark {next(numbers)}"
    for topic in map(whole, topics):
        for qos in (0, 1, 2):
            assert client.publish(topic, f"{topic} {qos}".encode(), qos=qos)
        assert client.publish(topic, f"{topic} retained".encode(), retain=True)
    with site.knock("device") as device:
        assert device.publish("anju/v1/east/water_meter/w1/mark", mark.encode())

    def is_over() -> bool:
        heard.update(payload.decode() for listener in listeners for payload in listener.waiting())
        return mark in heard

    eventually(is_over)
    return {text.rpartition(" ")[0] for text in heard - {mark}}


def subscribed(site: Site, account: str, topic_filter: str) -> bool:
    """Return whether the account is granted a topic filter; a refused one must not be sent anything."""
    with site.knock(account) as client:
        if client.subscribe(topic_filter.lstrip("12 "), qos=int(topic_filter[0]) if topic_filter[0] in "12" else 0):
            return True
        with site.knock("device") as device:
            device.publish("anju/v1/east/water_meter/w1/mark", b"{}")
        return not client.publish(
            "anju/v1/east/water_meter/w2/event"
        )  # a message in place of the answer would fail here


def try_by_nats(site: Site, account: str) -> dict[str, str]:
    """Return what an account that logs in by NATS's own protocol could do."""
    login_of = site.logins[account]
    by_mqtt = login(site.broker.ingest_url, login_of.username, login_of.secret, "door") == ACCEPTED
    found = {row: [may] for row, may in zip(LOGINS, (by_mqtt, answer_of_nats(site, login_of) == "+OK"), strict=True)}
    lines = [(row, f"PUB {as_subject(whole(topic))} 2\r\n{{}}") for row, topic in each(PUBLISHING, PUBLISHED)]
    lines += [(row, f"SUB {as_subject(topic)} 1") for row, topic in each(SUBSCRIBING, SUBSCRIBED)]
    for row, line in lines:
        found.setdefault(row, []).append("Permissions Violation" not in answer_of_nats(site, login_of, line))
    return {row: words(allowed) for row, allowed in found.items()}


def each(rows: list[str], tried: list[list[str]]) -> Iterator[tuple[str, str]]:
    return ((row, topic) for row, topics in zip(rows, tried, strict=True) for topic in topics)


def as_subject(topic: str) -> str:
    return topic.lstrip("12 ").removeprefix("/").replace("/", ".").replace("+", "*").replace("#", ">")


def answer_of_nats(site: Site, login_of: Login | None, line: str = "") -> str:
    """Log in by NATS's own protocol, send a line, and return what the broker answers until it is done or hangs up."""
    address = BrokerUrl.parse(site.broker.door_url, NATS)
    options = {"verbose": not line, "pedantic": False, "lang": "test", "version": "1"}
    options |= {"user": login_of.username, "pass": login_of.secret} if login_of else {}
    with (
        socket.create_connection((address.host, address.port), timeout=patient(20)) as connection,
        connection.makefile("rwb") as stream,
    ):
        stream.readline()
        stream.write("\r\n".join(filter(None, (f"CONNECT {json.dumps(options)}", line, "PING", "\r\n"))).encode())
        stream.flush()
        answers: list[str] = []
        for answer in stream:
            if answer.startswith(b"PONG"):
                break
            answers.append(answer.decode().strip())
        return "\n".join(answers)


def strangers(site: Site) -> list[Login | None]:
    """Return logins that nobody may use: without a name, with the secret of another, and for unknown names."""
    secret = {name: login_of.secret for name, login_of in site.logins.items()}
    names = [login_of.username for login_of in site.logins.values()]
    wrong = [Login(name, text, own_id(name)) for name in names for text in ("", "guessed", secret["door"] + "x")]
    wrong += [Login(name, secret["reader"], name) for name in names if name != "reader"]
    wrong += [Login(name, secret["device"], own_id(name)) for name in ("east/water_meter/w2", "x/gateway/y")]
    return [None, Login("", "", "x"), Login("SYS", "", "x"), Login("$G", secret["ingest"], "x"), *wrong]


def test_a_stranger_gets_nothing_in_and_nothing_out_though_he_waits_for_no_answer(site):
    before = site.stored()
    topics = [
        "anju/v1/east/water_meter/w1/event",
        "anju/p/0/east/water_meter/w1/event",
        "$JS/API/STREAM/PURGE/$MQTT_msgs",
    ]
    attack = b"".join(publish(topic, b"forged", qos + 1, qos=qos, retain=True) for topic in topics for qos in (0, 1, 2))
    attack += release(3) + subscribe("anju/v1/#", 9) + subscribe("#", 10)
    with (
        Listener(site.broker.ingest_url, "anju/v1/#") as plain,
        Listener(site.broker.ingest_url, "anju/p/#") as mapped,
        site.knock("device") as device,
    ):
        assert_refused(knocked(site, attack))
        for stranger in strangers(site):
            name, secret, client_id = (
                (stranger.username, stranger.secret, stranger.client_id) if stranger else (None, "", "x")
            )
            hello = connect(client_id, name, secret, will=("anju/v1/east/water_meter/w1/status", b"forged"))
            assert_refused(knocked(site, hello + attack))
            answer = answer_of_nats(site, stranger, "PUB anju.v1.east.water_meter.w1.event 6\r\nforged")
            assert answer.startswith("-ERR 'Authorization Violation"), stranger
        heard = publish_each(device, [], (site, plain, mapped))
    assert heard == set()
    assert {name: (count - (name == "$MQTT_msgs"), rest) for name, (count, rest) in site.stored().items()} == before


def knocked(site: Site, packets: bytes) -> bytes:
    """Send packets without waiting for an answer; return all that comes back until the broker hangs up."""
    address = BrokerUrl.parse(site.broker.ingest_url)
    received = b""
    with suppress(ConnectionError), socket.create_connection((address.host, address.port), patient(20)) as connection:
        connection.sendall(packets)
        while part := connection.recv(4096):
            received += part
    return received


def assert_refused(received: bytes) -> None:
    """Assert that the answer is nothing, or one CONNACK that refuses."""
    assert received == b"" or (len(received) == 4 and received[0] == CONNACK and received[3] != ACCEPTED), received
