"""The questions of other brokers over HTTP, as EMQX and mosquitto-go-auth ask them."""

import socket
from datetime import UTC, datetime

import httpx
import pytest

from door.accounts import Account
from door.service import Door, DoorSettings
from doors import new_secret, register_devices, running
from patience import eventually, patient
from store.database import connect
from store.registry.withdraw import withdraw_device

METER, SIMULATED = "east/water_meter/w1", "east/water_meter/s1"


@pytest.fixture
def secret(database_url):
    register_devices(
        database_url,
        "east",
        {"device": "w1", "kind": "water_meter"},
        {"device": "s1", "kind": "water_meter", "simulated": "true"},
    )
    return new_secret(database_url, METER)


@pytest.fixture
def client(database_url, secret):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    account = Account("publisher", "secret of simulators")
    settings = DoorSettings(database_url, "", "", 1, ("127.0.0.1", port), account, longest_delay_s=0.05)
    with (
        running(Door(settings)),
        httpx.Client(base_url=f"http://127.0.0.1:{port}/broker", timeout=patient(20)) as client,
    ):
        yield client


def asked(client, path, **fields):
    """Ask as JSON and as a form; return whether both brokers would allow it."""
    answers = [client.post(path, json=fields), client.post(path, data=fields)]
    assert [answer.status_code for answer in answers] == [200, 200]
    first, second = (answer.json() for answer in answers)
    assert first == second
    assert first["ok"] == (first["result"] == "allow") == (first["error"] == "")
    assert first["is_superuser"] is False
    return first["ok"]


def login(client, username=METER, secret="", client_id="east:water_meter:w1"):
    return asked(client, "/auth", username=username, password=secret, clientid=client_id, peerhost="192.0.2.7")


def test_a_device_logs_in_with_its_secret_and_client_id(client, secret):
    assert login(client, secret=secret)
    assert not login(client, secret="guessed")
    assert not login(client, secret=secret, client_id="other")
    assert not login(client, username="east/water_meter/w9", secret=secret)
    assert not login(client, username="")


def test_simulators_log_in_with_their_account(client):
    assert login(client, "publisher", "secret of simulators", "simulators")
    assert not login(client, "publisher", "guessed", "simulators")


@pytest.mark.parametrize("publish", [{"action": "publish"}, {"acc": "2"}])
@pytest.mark.parametrize(
    ("username", "topic", "allowed"),
    [
        (METER, f"anju/v1/{METER}/telemetry", True),
        (METER, f"anju/v1/{SIMULATED}/telemetry", False),
        (METER, f"anju/v1/{METER}0/telemetry", False),
        (METER, "anju/v1/east/water_meter/w1", False),
        (METER, "$SYS/broker", False),
        ("unknown/water_meter/w1", "anju/v1/unknown/water_meter/w1/telemetry", False),
        ("publisher", f"anju/v1/{SIMULATED}/telemetry", True),
        ("publisher", f"anju/v1/{METER}/telemetry", False),
        ("publisher", "anju/v1/unknown/water_meter/w1/telemetry", True),
        ("publisher", "other", False),
        ("", "anju/v1//x", False),
    ],
)
def test_a_device_may_publish_below_its_own_topic(client, username, topic, allowed, publish):
    assert asked(client, "/acl", username=username, topic=topic, clientid="x", **publish) == allowed


@pytest.mark.parametrize("read", [{"action": "subscribe"}, {"acc": "1"}, {"acc": "3"}, {"acc": "4"}, {}])
def test_nobody_may_subscribe_and_nobody_is_a_superuser(client, read):
    for username in (METER, "publisher"):
        assert not asked(client, "/acl", username=username, topic=f"anju/v1/{METER}/telemetry", **read)
        assert not asked(client, "/superuser", username=username)


def test_a_withdrawn_device_may_no_longer_publish(client, database_url, secret):
    publish = {"username": METER, "topic": f"anju/v1/{METER}/telemetry", "action": "publish"}
    assert asked(client, "/acl", **publish)
    with connect(database_url, application_name="test") as connection:
        withdraw_device(connection, "east", "w1", datetime.now(UTC))
    # One question at a time: the registry may change between the two of `asked`.
    eventually(lambda: not client.post("/acl", json=publish).json()["ok"], timeout_s=5)
    assert not asked(client, "/acl", **publish)
    assert not login(client, secret=secret)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"method": "GET", "url": "/auth"}, 405),
        ({"method": "POST", "url": "/other"}, 404),
        ({"method": "POST", "url": "/auth", "content": b""}, 400),
        ({"method": "POST", "url": "/auth", "content": b"[]"}, 400),
        ({"method": "POST", "url": "/auth", "content": b"\xff"}, 400),
        ({"method": "POST", "url": "/auth", "content": b'{"username": "%s"}' % (b"x" * 20_000)}, 400),
        ({"method": "POST", "url": "/auth", "content": b'{"username": {"a": 1}, "password": null}'}, 200),
        ({"method": "POST", "url": "/auth", "content": b'{"username": "\\u0000", "password": 7}'}, 200),
    ],
)
def test_an_odd_request_is_refused_and_lets_nobody_in(client, request_, status):
    answer = client.request(**request_)
    assert answer.status_code == status
    assert answer.json().get("ok", False) is False
    assert answer.headers["cache-control"] == "no-store"
