"""Every route of the API: who is let in, which headers each answer has, and which text none of them takes."""

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from patience import eventually, patient
from running import query
from store.database import connect

LOGIN = ("POST", "/api/v1/auth/token")
OPEN = {"/healthz", "/readyz", "/metrics"}
UUID = "00000000-0000-4000-8000-000000000000"
HIDDEN = {
    "nul": "\x00", "escape": "\x1b[2J", "line break": "\n", "C1 control": "\x9b", "override": "\u202e",
    "isolate": "\u2066", "zero width": "\u200b", "joiner": "\u200d", "byte order mark": "\ufeff",
    "line separator": "\u2028", "soft hyphen": "\xad", "filler": "\u3164", "tag": "\U000e0041",
}  # fmt: skip


@pytest.fixture(scope="module")
def document(api: Any) -> dict[str, Any]:
    described: dict[str, Any] = httpx.get(f"{api.url}/openapi.json", timeout=patient(20)).json()
    return described


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def in_turn(client: httpx.Client, method: str, path: str, **arguments: Any) -> httpx.Response:
    """Return the answer; where requests came too fast, that of the next try after the wait that the API asks for."""
    while (answer := client.request(method, path, **arguments)).status_code == 429:
        time.sleep(int(answer.headers["retry-after"]))
    return answer


def filled(path: str) -> str:
    """Return the path with values for its parameters."""
    return re.sub(r"\{(\w+)\}", lambda match: UUID if match[1].endswith("_id") else "x", path)


@pytest.mark.parametrize(
    ("header", "source"),
    # An address that guesses waits soon, so each has one of its own.
    [(None, 20), ("", 21), ("Bearer", 22), ("Bearer wrong", 23), ("Basic YTpi", 24),
     ("Bearer a-key-of-others-0123456789", 25)],
)  # fmt: skip
def test_no_route_is_open_without_the_key(api: Any, document: dict[str, Any], header: str | None, source: int) -> None:
    sent = {} if header is None else {"Authorization": header}
    transport = httpx.HTTPTransport(local_address=f"127.0.0.{source}")
    with httpx.Client(base_url=api.url, timeout=patient(20), transport=transport) as client:
        for method, path, _ in operations(document):
            answer = in_turn(client, method, filled(path), headers=sent, json={} if method == "POST" else None)
            if (method, path) == LOGIN:
                assert answer.status_code == 422
                continue
            if path in OPEN:
                assert answer.status_code == 200, path
                continue
            assert (answer.status_code, answer.json()["type"]) == (401, "key-refused"), path
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_elsewhere_than_in_its_header_opens_no_route_and_nothing_is_done(
    api: Any, document: dict[str, Any], community: Any, api_database: str
) -> None:
    alert = community.alert()
    body = {"by": "王经理", "comment": "到场", "reason": "检查", "assignee": "李师傅"}
    written = (
        "SELECT (SELECT count(*) FROM audit_log), (SELECT count(*) FROM alert_transition), (SELECT count(*) FROM alert)"
    )
    before = query(api_database, written)
    with httpx.Client(base_url=api.url, timeout=patient(20), cookies={"Authorization": f"Bearer {api.key}"}) as client:
        for method, path, _ in operations(document):
            if path in OPEN or (method, path) == LOGIN:
                continue
            answer = in_turn(
                client,
                method,
                filled(path.replace("{alert_id}", str(alert))),
                params=dict.fromkeys(("key", "api_key", "access_token", "Authorization"), api.key),
                headers={"X-Api-Key": api.key},
                json=body if method == "POST" else None,
            )
            assert (answer.status_code, answer.json()["type"]) == (401, "key-refused"), path
    assert query(api_database, written) == before


@pytest.mark.parametrize(
    "path",
    ["/", "/nowhere", "//api/v1/alerts", "/API/v1/alerts", "/api/v1/../v1/alerts", "/api%2Fv1/alerts", "/docs/",
     "/docs/oauth2-redirect.html", "/docs/..%2f..%2fproblems.py", "/healthz/", "/healthz/../api/v1/alerts",
     "/api/v1/alerts%00", "/api/v1/alerts;x=/healthz", "/api/v1", "/redoc", "/static-offline-docs/favicon.png"],
)  # fmt: skip
def test_no_other_spelling_leads_around_the_key(api: Any, path: str) -> None:
    host, _, port = api.url.removeprefix("http://").partition(":")
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), patient(20)) as opened:
        opened.sendall(request.encode())
        received = b""
        while part := opened.recv(65536):
            received += part
    to_login = received.startswith(b"HTTP/1.1 303 ") and b"\r\nlocation: /login" in received
    assert to_login or received.startswith(b"HTTP/1.1 401 "), received[:100]
    assert b"items" not in received


def test_every_answer_has_the_headers_that_keep_a_browser_safe(api: Any) -> None:
    key = {"Authorization": f"Bearer {api.key}"}
    asked = [
        ("/healthz", {}, 200), ("/metrics", {}, 200), ("/openapi.json", {}, 200), ("/docs", {}, 200),
        ("/docs/start.js", {}, 200), ("/docs/swagger-ui-bundle.js", {}, 200), ("/docs/unknown.js", key, 404),
        ("/api/v1/alerts", {}, 401), ("/api/v1/alerts", key, 200), ("/api/v1/alerts?limit=x", key, 422),
        (f"/api/v1/alerts/{UUID}", key, 404), ("/nowhere", key, 404), ("/healthz", {"Host": "evil.example"}, 400),
    ]  # fmt: skip
    for path, headers, status in asked:
        answer = httpx.get(api.url + path, headers=headers, timeout=patient(20))
        assert answer.status_code == status, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "server" not in answer.headers
        is_file = path == "/docs/swagger-ui-bundle.js"
        assert answer.headers["cache-control"] == ("public, max-age=3600" if is_file else "no-store"), path
    with api.client.stream("GET", "/alerts/stream") as stream:
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-content-type-options"] == "nosniff"


def test_the_page_to_try_the_api_runs_under_its_policy(api: Any, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium here")
    done = subprocess.run(
        [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom",
         "--enable-logging=stderr", "--virtual-time-budget=20000", f"{api.url}/docs"],
        capture_output=True, text=True, check=True, timeout=patient(60),
    )  # fmt: skip
    assert "Content Security Policy" not in done.stderr
    assert "List alerts" in done.stdout


def string_fields(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the properties of a body that take any text."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", ()):
        yield from string_fields(document, choice)
    for name, property_ in schema.get("properties", {}).items():
        choices = property_.get("anyOf", [property_])
        for choice in choices:
            text = choice.get("items", choice)
            if text.get("type") == "string" and not text.keys() & {"format", "enum", "const"}:
                yield name


def texts(document: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return method, path, place and name of everything that takes any text."""
    found = []
    for method, path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            for choice in parameter["schema"].get("anyOf", [parameter["schema"]]):
                text = choice.get("items", choice)
                # The tags of a client are compared, and neither shown nor stored.
                is_tag = parameter["name"] == "If-None-Match"
                if text.get("type") == "string" and not is_tag and not text.keys() & {"format", "enum", "const"}:
                    found.append((method, path, parameter["in"], parameter["name"]))
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content:
            found += [(method, path, "body", name) for name in string_fields(document, content["schema"])]
    return found


def test_text_with_hidden_characters_is_refused_wherever_text_comes_in(api: Any, document: dict[str, Any]) -> None:
    places = texts(document)
    assert {name for *_, name in places} >= {
        "by", "assignee", "instead_of", "comment", "reason", "community", "device", "kind", "building", "cursor", "how",
        "event", "rule", "rules", "note", "new_serial", "subject_id", "bucket", "field", "Idempotency-Key",
    }  # fmt: skip
    for number, place in enumerate(places):
        # Each place meets two of them, and each of them many places.
        for kind in (list(HIDDEN)[number % len(HIDDEN)], list(HIDDEN)[(number + 5) % len(HIDDEN)]):
            refuse(api, place, f"王{HIDDEN[kind]}师傅")


def within_the_rate(answer: httpx.Response) -> httpx.Response | None:
    """Return an answer; None if there were more requests in a second than the API allows one key."""
    return None if answer.status_code == 429 else answer


def refuse(api: Any, where: tuple[str, str, str, str], text: str) -> None:
    method, path, place, name = where
    url = api.url + filled(path)
    arguments: dict[str, Any] = {}
    if place == "path":
        url = api.url + filled(path.replace(f"{{{name}}}", quote(text)))
    elif place == "query":
        arguments["params"] = {name: text}
    elif place == "header":
        if not (latin := re.sub(r"[^\x80-\xff]", "", text)):
            return  # a header has no other characters
        arguments["headers"] = {name: latin.encode("latin-1")}
    else:
        value = [text] if name in {"rules", "scope", "communities"} else text
        arguments |= {"content": json.dumps({name: value}), "headers": {"Content-Type": "application/json"}}
    answer = eventually(lambda: within_the_rate(api.client.request(method, url, **arguments)))
    assert answer.status_code == 422, (method, path, place, name, text, answer.text)
    found = [error for error in answer.json()["errors"] if error["type"] == "hidden_character"]
    assert found, (method, path, name, answer.text)
    assert found[0]["msg"] == "含有换行或不可见字符，请重新输入"


@pytest.mark.parametrize("field", ["by", "comment", "\ud800"])
def test_a_lone_surrogate_is_an_error_of_the_client(api: Any, field: str) -> None:
    body = json.dumps({field: "a\udc00b"})
    answer = api.client.post(f"/alerts/{UUID}/comment", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert all("\ud800" not in part for error in answer.json()["errors"] for part in map(str, error["loc"]))


@pytest.mark.parametrize("content", [b"\xff\xfe{", b'{"by": "\xed\xa0\x80"}', b"{", b"[" * 60_000, b"\x00"])
def test_a_body_that_is_no_json_text_is_an_error_of_the_client(api: Any, content: bytes) -> None:
    answer = api.client.post(f"/alerts/{UUID}/comment", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


def test_text_with_an_accent_a_rare_character_and_a_sign_is_taken(api: Any, community: Any) -> None:
    alert = community.alert()
    text = "到场：𠮷田 Ünal ᠰᠠᠢᠨ ᠪᠠᠶᠢᠨᠠ ⚠️ 50 ㎥"
    answer = api.client.post(f"/alerts/{alert}/comment", json={"by": "Ünal 𠮷", "comment": text})
    assert answer.status_code == 200
    assert answer.json()["transitions"][-1]["comment"] == text


def test_limits_are_described(document: dict[str, Any]) -> None:
    assert "64 KiB" in document["info"]["description"]
    assert "100 requests a second" in " ".join(document["info"]["description"].split())
    for method, path, operation in operations(document):
        statuses = operation["responses"].keys()
        assert "400" in statuses, path
        if path not in OPEN:
            assert statuses >= {"401", "422", "429", "503"}
        if "requestBody" in operation:
            assert statuses >= {"408", "413"}, (method, path)
    backtest = document["paths"]["/api/v1/rules/backtest"]["post"]["responses"]["503"]
    assert "busy" in backtest["content"]["application/problem+json"]["examples"]


def test_two_backtests_run_at_once_and_a_third_is_told_when_to_come_again(
    api: Any, community: Any, api_database: str
) -> None:
    community.device("meter", "water_meter")
    scope = {"community": community.id, "start": "2026-07-01T00:00:00Z", "end": "2026-07-02T00:00:00Z"}

    def run() -> httpx.Response:
        return api.client.post("/rules/backtest", json=scope)

    with connect(api_database, application_name="test") as connection, ThreadPoolExecutor() as pool:
        connection.execute("LOCK TABLE telemetry_water_meter IN ACCESS EXCLUSIVE MODE")
        running = [pool.submit(run) for _ in range(3)]
        refused = next(as_completed(running)).result()
        connection.rollback()
        statuses = sorted(each.result().status_code for each in running)
    assert (refused.status_code, refused.json()["type"], refused.headers["retry-after"]) == (503, "busy", "30")
    assert statuses == [200, 200, 503]
    assert run().status_code == 200
