"""Brokers that ask over HTTP get an answer in their own words to every request, and no secret in a URL."""

import asyncio
import hashlib
import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from door.accounts import Account
from door.follower import Reading
from door.gatekeeper import Gatekeeper
from door.http_service import BrokerApp
from store.registry.logins import LoginRow

METER, SECRET = "linyin/water_meter/w-1", "p&ss=wört %"
RIGHT = {"username": METER, "password": SECRET, "clientid": "linyin:water_meter:w-1"}
SIMULATORS = Account("anju-simulators", "of simulators")
FORM = "application/x-www-form-urlencoded"
ALLOWED = {"result": "allow", "is_superuser": False, "ok": True, "error": ""}
DENIED = {"result": "deny", "is_superuser": False, "ok": False, "error": "refused"}


def gatekeeper():
    keeper = Gatekeeper(partitions=1, simulators=SIMULATORS, longest_delay_s=0.0)
    keeper.follows = False
    row = LoginRow(1, METER, hashlib.sha256(SECRET.encode()).digest(), simulated=False, may_log_in=True)
    keeper.take(Reading([row], anew=True, complete_at=0.0))
    return keeper


def ask(path, body=b"", *, method="POST", content_type="application/json", pieces=1):
    """Return the status and the answer to a request whose body comes in pieces."""
    size = len(body) // pieces + 1
    parts = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages[-1]["more_body"] = False
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": [(b"content-type", content_type.encode())]}
    asyncio.run(BrokerApp(gatekeeper())(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def json_of(fields):
    return json.dumps(fields).encode()


def form_of(fields):
    return urlencode(fields).encode()


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_login_is_allowed_in_json_and_as_a_form(pieces):
    assert ask("/broker/auth", json_of(RIGHT), pieces=pieces) == (200, ALLOWED)
    assert ask("/broker/auth", form_of(RIGHT), content_type=FORM, pieces=pieces) == (200, ALLOWED)
    assert ask("/broker/auth", form_of(RIGHT), content_type=f"{FORM}; charset=utf-8") == (200, ALLOWED)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"username": METER},
        {**RIGHT, "password": "another"},
        {**RIGHT, "password": None},
        {**RIGHT, "password": [SECRET]},
        {**RIGHT, "clientid": "linyin:water_meter:w-2"},
        {**RIGHT, "username": "linyin/water_meter/w-2"},
        {**RIGHT, "cert_common_name": "linyin/camera/c-1"},
    ],
)
def test_any_other_login_is_denied_with_status_200_as_brokers_expect(wrong):
    assert ask("/broker/auth", json_of(wrong)) == (200, DENIED)


def test_a_client_certificate_of_the_device_needs_no_secret():
    fields = {"clientid": RIGHT["clientid"], "username": METER, "password": "", "cert_common_name": METER}
    assert ask("/broker/auth", json_of(fields)) == (200, ALLOWED)


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"action": "publish"}, ALLOWED),
        ({"acc": 2}, ALLOWED),
        ({"acc": "2"}, ALLOWED),
        ({"action": "subscribe"}, DENIED),
        ({"acc": 1}, DENIED),
        ({"acc": 4}, DENIED),
        ({}, DENIED),
        ({"action": "publish", "topic": "anju/v1/linyin/water_meter/w-2/telemetry"}, DENIED),
        ({"action": "publish", "username": "nobody"}, DENIED),
    ],
)
def test_a_device_may_publish_to_its_own_topics_and_subscribe_to_none(fields, answer):
    fields = {"username": METER, "topic": f"anju/v1/{METER}/telemetry", **fields}
    assert ask("/broker/acl", json_of(fields)) == (200, answer)


def test_nobody_is_a_superuser():
    assert ask("/broker/superuser", json_of({"username": SIMULATORS.username})) == (200, DENIED)


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
def test_a_question_in_a_url_is_refused_with_the_reason(method):
    status, answer = ask("/broker/auth", method=method)
    assert status == 405
    assert "no secret is in a URL" in answer["error"]


def test_another_path_names_those_that_there_are():
    status, answer = ask("/broker/login")
    assert status == 404
    assert all(path in answer["error"] for path in ("/broker/auth", "/broker/acl", "/broker/superuser"))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"", "application/json"), (b"[]", "application/json"), (b"{", "application/json"), (b"\xff", FORM),
     (b"username=%ff", FORM), (form_of(RIGHT), "application/json")],
)  # fmt: skip
def test_a_body_in_another_form_is_told_what_to_be(body, content_type):
    status, answer = ask("/broker/auth", body, content_type=content_type)
    assert status == 400
    assert "must be a JSON object or a form" in answer["error"]


@pytest.mark.parametrize(("size", "status"), [(16 * 1024, 200), (16 * 1024 + 1, 400)])
def test_the_bound_of_a_request_is_exact(size, status):
    body = json_of({"username": METER})
    assert ask("/broker/auth", body + b" " * (size - len(body)), pieces=9)[0] == status


@given(st.binary(max_size=300), st.sampled_from(["application/json", FORM, ""]))
def test_no_bytes_are_left_without_an_answer_or_let_in(body, content_type):
    status, answer = ask("/broker/auth", body, content_type=content_type)
    assert status in {200, 400}
    assert answer.get("ok") is not True


def test_the_start_of_the_server_asks_nothing():
    asyncio.run(BrokerApp(gatekeeper())({"type": "lifespan"}, None, None))
