"""The gate from outside: what is refused before a body is read, and what a flood costs others."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from patience import eventually, patient

MIB = 1024 * 1024


def resident_mib(api: Any) -> float:
    pages = Path(f"/proc/{api.process.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096 / MIB


@contextmanager
def connection(api: Any, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Raw connection to the API."""
    host, _, port = api.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), patient(20), (source, 0)) as opened:
        yield opened


def answer(opened: socket.socket) -> tuple[int, dict[str, str], Any]:
    """Read the answer on a raw connection: status, headers, JSON."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = opened.recv(65536)
        assert part, received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += opened.recv(65536)
    return int(first.split()[1]), headers, json.loads(body)


def post_head(api: Any, *lines: str, key: bool = True) -> bytes:
    lines = ("POST /api/v1/rules/backtest HTTP/1.1", "Host: localhost", "Content-Type: application/json", *lines)
    lines += (f"Authorization: Bearer {api.key}",) if key else ()
    return "\r\n".join((*lines, "", "")).encode()


def is_closed(opened: socket.socket) -> bool:
    """Whether the other end has closed; reads what comes before."""
    opened.settimeout(0.05)
    try:
        return opened.recv(65536) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def status(api: Any, path: str, source: str = "127.0.0.1", **headers: str) -> httpx.Response:
    transport = httpx.HTTPTransport(local_address=source)
    with httpx.Client(transport=transport, timeout=patient(20)) as client:
        return client.get(api.url + path, headers=headers)


@pytest.mark.parametrize("key", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_hundreds_of_megabytes_takes_no_memory(api: Any, *, key: bool, chunked: bool) -> None:
    before, block, size = resident_mib(api), bytes(MIB), 400 * MIB
    with connection(api) as opened:
        opened.sendall(post_head(api, "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}", key=key))
        part = b"%x\r\n%b\r\n" % (len(block), block) if chunked else block
        try:
            for _ in range(size // len(block)):
                opened.sendall(part)
        except ConnectionError:
            pass  # it may end the connection of a client that goes on sending
        refused, headers, problem = answer(opened)
    assert (refused, problem["type"]) == ((413, "body-too-large") if key else (401, "key-refused"))
    assert headers["content-type"] == "application/problem+json"
    assert resident_mib(api) - before < 30


def test_a_length_that_is_too_large_is_refused_before_the_body_comes(api: Any) -> None:
    with connection(api) as opened:
        opened.sendall(post_head(api, f"Content-Length: {64 * 1024 + 1}", "Expect: 100-continue"))
        assert answer(opened)[0] == 413
    for length in (64 * 1024, 64 * 1024 - 1):
        assert api.client.post("/rules/backtest", content=b" " * length).status_code == 422


def test_a_chunked_body_is_refused_beyond_the_same_length(api: Any) -> None:
    for length, expected in ((64 * 1024, 422), (64 * 1024 + 1, 413)):
        assert api.client.post("/rules/backtest", content=iter([b" " * length])).status_code == expected


def test_after_a_refusal_the_connection_goes_on(api: Any) -> None:
    with httpx.Client(base_url=f"{api.url}/api/v1", timeout=patient(20)) as client:
        for _ in range(3):
            assert client.post("/rules/backtest", content=b"x" * 100_000).status_code == 401
            assert client.get("/alerts", headers={"Authorization": f"Bearer {api.key}"}).status_code == 200


QUICK = {"api.connections.HEAD_S": 0.5, "api.connections.UNREAD_BODY_S": 0.5, "api.limits.BODY_S": 1.0}


@pytest.fixture(scope="module")
def quick_api(api_database: str, tmp_path_factory: pytest.TempPathFactory, server_class: Any) -> Iterator[Any]:
    """API with short limits of time and few places."""
    limits = {"connections": 16, "streams": 2, "rate": 20}
    log = tmp_path_factory.mktemp("quick") / "log"
    server = server_class(api_database, log, limits=limits, constants=QUICK)
    yield server
    server.stop()


@pytest.mark.parametrize("beginning", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "])
def test_a_head_that_does_not_come_ends_its_connection(quick_api: Any, beginning: bytes) -> None:
    with connection(quick_api) as opened:
        opened.sendall(beginning)
        eventually(lambda: is_closed(opened), timeout_s=5)


def test_a_head_that_comes_byte_by_byte_ends_its_connection_too(quick_api: Any) -> None:
    with connection(quick_api) as opened:
        opened.sendall(b"GET /healthz HTTP/1.1\r\n")

        def drip() -> bool:
            try:
                opened.sendall(b"X: 1\r\n")
            except ConnectionError:
                return True
            return is_closed(opened)

        eventually(drip, timeout_s=5)


def test_a_second_head_has_to_come_in_time_as_well(quick_api: Any) -> None:
    with connection(quick_api) as opened:
        opened.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer(opened)[0] == 200
        opened.sendall(b"GET /healthz HTT")
        eventually(lambda: is_closed(opened), timeout_s=5)


def test_a_body_that_comes_too_slowly_is_refused(quick_api: Any) -> None:
    with connection(quick_api) as opened:
        opened.sendall(post_head(quick_api, "Content-Length: 100") + b"{")
        refused, headers, problem = answer(opened)
        assert (refused, problem["type"], headers["connection"]) == (408, "body-too-slow", "close")
        eventually(lambda: is_closed(opened), timeout_s=5)


def test_a_body_that_nobody_reads_ends_its_connection(quick_api: Any) -> None:
    with connection(quick_api) as opened:
        opened.sendall(post_head(quick_api, "Content-Length: 100000000", key=False))
        assert answer(opened)[0] == 401
        eventually(lambda: is_closed(opened), timeout_s=5)


def test_what_is_no_http_is_a_problem_too(api: Any) -> None:
    with connection(api) as opened:
        opened.sendall(b"\x16\x03\x01\x02\x00\r\n\r\n")
        refused, headers, problem = answer(opened)
    assert (refused, problem["type"]) == (400, "http-bad-request")
    assert headers["x-content-type-options"] == "nosniff"


def test_a_crowd_of_idle_connections_gives_way_to_a_probe(quick_api: Any) -> None:
    opened = [socket.create_connection(quick_api.url.removeprefix("http://").split(":")) for _ in range(100)]
    try:
        for _ in range(5):
            assert status(quick_api, "/healthz", source="127.0.0.9").status_code == 200
    finally:
        for each in opened:
            each.close()


def test_without_descriptors_the_probe_is_answered_and_the_log_stays_short(
    database_url: str, start_api: Callable[..., Any]
) -> None:
    api = start_api(database_url, descriptors=64)
    before = len(api.log())
    opened = [socket.create_connection(api.url.removeprefix("http://").split(":")) for _ in range(300)]
    try:
        for each in opened[::2]:
            each.sendall(b"GET /heal")
        for _ in range(3):
            assert status(api, "/healthz", source="127.0.0.9").status_code == 200
    finally:
        for each in opened:
            each.close()
    assert len(api.log()) - before < 50_000
    eventually(lambda: api.get("/communities").status_code == 200)


def test_streams_have_a_bound_and_a_place_becomes_free_again(quick_api: Any) -> None:
    with quick_api.client.stream("GET", "/alerts/stream") as first:
        assert first.status_code == 200
        with quick_api.client.stream("GET", "/alerts/stream") as second:
            assert second.status_code == 200
            third = quick_api.get("/alerts/stream")
            assert (third.status_code, third.json()["type"]) == (503, "busy")
            assert int(third.headers["retry-after"]) > 0
            assert "anju_http_streams 2.0" in status(quick_api, "/metrics").text

        def place() -> bool:
            with quick_api.client.stream("GET", "/alerts/stream") as again:
                return again.status_code == 200

        eventually(place)


def refused_by_rate(ask: Callable[[], httpx.Response], at_most: int) -> httpx.Response:
    for _ in range(at_most):
        response = ask()
        if response.status_code == 429:
            return response
    raise AssertionError(f"{at_most} requests were not too many")


def test_a_rate_is_held_for_each_address_and_ends_by_itself(quick_api: Any) -> None:
    key = {"Authorization": f"Bearer {quick_api.key}"}
    transport = httpx.HTTPTransport(local_address="127.0.0.5")
    with httpx.Client(base_url=quick_api.url, transport=transport, timeout=patient(20)) as fast:
        for headers in (key, {}):
            refused = refused_by_rate(lambda: fast.get("/api/v1/nowhere", headers=headers), 5000)  # noqa: B023
            assert refused.json()["type"] == "too-many-requests"
            assert int(refused.headers["retry-after"]) >= 1
            assert fast.get("/healthz").status_code == 200
            assert status(quick_api, "/api/v1/rules", source="127.0.0.6", **key).status_code == 200
            time.sleep(int(refused.headers["retry-after"]))
            assert fast.get("/api/v1/nowhere", headers=headers).status_code in {401, 404}
    counted = status(quick_api, "/metrics", source="127.0.0.7").text
    assert 'anju_http_refused_requests_total{reason="rate"}' in counted


def test_a_guesser_is_slowed_down_logged_and_locks_nobody_out(api_database: str, start_api: Callable[..., Any]) -> None:
    api = start_api(api_database)
    right = {"Authorization": f"Bearer {api.key}"}
    assert status(api, "/api/v1/rules", source="127.0.0.3", **right).status_code == 200
    answers = [
        status(api, "/api/v1/rules", source="127.0.0.3", Authorization=f"Bearer guess-{number}").status_code
        for number in range(31)
    ]
    assert answers[:30] == [401] * 30
    assert answers[30] == 429
    began = time.monotonic()
    refused = status(api, "/api/v1/rules", source="127.0.0.3", Authorization="Bearer one-more")
    assert (refused.status_code, time.monotonic() - began > 0.9) == (429, True)
    assert int(refused.headers["retry-after"]) > 1
    # The key's owner at the same address, and everybody elsewhere, is served at once.
    assert status(api, "/api/v1/rules", source="127.0.0.3", **right).status_code == 200
    assert status(api, "/api/v1/rules", source="127.0.0.4", **right).status_code == 200
    assert status(api, "/api/v1/rules", source="127.0.0.4", Authorization="Bearer wrong").status_code == 401
    lines = [json.loads(line) for line in api.log().splitlines() if "request refused" in line]
    assert {(line["reason"], line["address"]) for line in lines} >= {
        ("key_wrong", "127.0.0.3"),
        ("key_guessed", "127.0.0.3"),
        ("key_wrong", "127.0.0.4"),
    }
    assert len(lines) < 10
    assert "guess-" not in api.log()
    counted = status(api, "/metrics", source="127.0.0.4").text
    assert 'anju_http_refused_requests_total{reason="key_wrong"} 31.0' in counted


def test_the_right_key_from_an_address_of_a_guesser_waits_a_second_and_then_no_more(
    api_database: str, start_api: Callable[..., Any]
) -> None:
    api = start_api(api_database)
    for number in range(31):
        status(api, "/api/v1/rules", source="127.0.0.3", Authorization=f"Bearer guess-{number}")
    right = {"Authorization": f"Bearer {api.key}"}
    assert status(api, "/api/v1/rules", source="127.0.0.3", **right).status_code == 200
    assert status(api, "/api/v1/rules", source="127.0.0.3", **right).status_code == 200


def test_a_forwarded_address_is_believed_only_from_a_proxy_of_the_settings(
    api_database: str, start_api: Callable[..., Any]
) -> None:
    api = start_api(api_database, limits={"proxies": ["127.0.0.2"], "rate": 1})
    nowhere = "/api/v1/nowhere"

    def refusals(source: str) -> list[int]:
        return [
            status(api, nowhere, source, **{"X-Forwarded-For": f"10.0.0.{number}"}).status_code for number in range(6)
        ]

    assert 429 in refusals("127.0.0.8")
    assert refusals("127.0.0.2") == [401] * 6
    secure = status(api, "/healthz", "127.0.0.2", **{"X-Forwarded-Proto": "https"})
    assert secure.headers["strict-transport-security"].startswith("max-age=")
    plain = status(api, "/healthz", "127.0.0.8", **{"X-Forwarded-Proto": "https"})
    assert "strict-transport-security" not in plain.headers


def test_a_request_for_another_host_is_refused(api: Any, database_url: str, start_api: Callable[..., Any]) -> None:
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example"):
        for path in ("/healthz", "/docs", "/api/v1/alerts", "/nowhere"):
            refused = status(api, path, Host=host)
            assert (refused.status_code, refused.json()["type"]) == (400, "http-bad-request")
            assert "ANJU_HTTP_HOSTS" in refused.json()["detail"]
    for host in ("localhost", "192.168.3.4:8000", "[fd00::1]:8000", "api:8000"):
        assert status(api, "/healthz", Host=host).status_code == 200
    named = start_api(database_url, limits={"hosts": ["anju.example.com"]})
    assert status(named, "/healthz", Host="anju.example.com").status_code == 200
    assert status(named, "/healthz", Host="evil.example").status_code == 400
