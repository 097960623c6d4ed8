"""The gate answers from the head of a request, and reads a body within its bounds before its route does."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from accounts.tokens import KEY as ACCOUNT_KEY
from api import gate as gates
from api.access import KeyGuard
from api.gate import Gate
from api.limits import BODY_BYTES, FILE_BYTES, HttpLimits
from store.database import Database

KEY = "a-key-of-sixteen"
FILES = "/api/v1/communities/{community}/files"


class Server:
    """Gate before a route that answers with the body it reads, and in-memory clients."""

    def __init__(self, **limits):
        database = Database("postgresql://nobody@127.0.0.1:1/none", application_name="test")
        database.close()
        self.registry = CollectorRegistry()
        self.reached = []
        self.gate = Gate(self.route, KeyGuard(KEY, database), HttpLimits(**limits), [FILES], self.registry)

    async def route(self, scope, receive, send):
        body = b""
        if scope["method"] == "POST":
            while (message := await receive())["type"] == "http.request":
                body += message["body"]
                if not message.get("more_body"):
                    break
        self.reached.append((scope["path"], body, scope.get("state", {}).get("caller")))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def ask(
        self, path, *parts, method=None, key=KEY, host=b"127.0.0.1", address="10.0.0.1", headers=(), then=None
    ):
        """Send a request whose body comes in these parts; return the status and the answer."""
        sent, messages = [], [{"type": "http.request", "body": p, "more_body": True} for p in parts]
        if then is None and messages:
            messages[-1]["more_body"] = False
        messages += [then] if then else []

        async def receive():
            if not messages:
                await asyncio.Event().wait()
            return messages.pop(0)

        async def send(message):
            sent.append(message)

        head = [(b"host", host)] if host is not None else []
        head += [(b"authorization", b"Bearer " + key.encode())] if key else []
        if parts and not any(name == b"content-length" for name, _ in headers):
            head.append((b"transfer-encoding", b"chunked"))
        scope = {
            "type": "http",
            "method": method or ("POST" if parts else "GET"),
            "path": path,
            "client": (address, 5000),
            "headers": [*head, *headers],
        }  # fmt: skip
        await self.gate(scope, receive, send)
        if not sent:
            return None, {}
        return sent[0]["status"], json.loads(b"".join(each["body"] for each in sent[1:]))

    def refused(self, reason):
        samples = [s for m in self.registry.collect() for s in m.samples if reason in s.labels.values()]
        return sum(s.value for s in samples if s.name.endswith("_total"))


def ask(server, *arguments, **options):
    return asyncio.run(server.ask(*arguments, **options))


def length(number):
    return [(b"content-length", str(number).encode())]


def test_the_right_key_reaches_its_route_with_its_account():
    server = Server()
    assert ask(server, "/api/v1/alerts")[0] == 200
    ((path, _, caller),) = server.reached
    assert path == "/api/v1/alerts"
    assert caller.principal.scope.everything


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
def test_probes_and_the_documentation_need_no_key(path):
    assert ask(Server(), path, key="")[0] == 200


@pytest.mark.parametrize("path", ["/api/v1/alerts", "/no/such/route", "/healthz/", "//healthz", "/api/v1/auth/token"])
def test_any_other_path_needs_one_whether_there_is_such_a_route_or_not(path):
    server = Server()
    status, answer = ask(server, path, key="")
    assert (status, server.reached) == (401, [])
    assert "密钥" in json.dumps(answer, ensure_ascii=False)


def test_login_needs_no_key_and_has_a_bounded_body():
    server = Server()
    assert ask(server, "/api/v1/auth/token", b"{}", key="")[0] == 200
    assert ask(server, "/api/v1/auth/token", b"x" * (BODY_BYTES + 1), key="")[0] == 413


def test_a_wrong_key_and_a_missing_one_are_counted_apart():
    server = Server()
    assert ask(server, "/api/v1/alerts", key="a-key-of-sixteeN")[0] == 401
    assert ask(server, "/api/v1/alerts", key="")[0] == 401
    assert (server.refused("key_wrong"), server.refused("key_missing")) == (1, 1)


def test_a_name_of_another_site_is_refused_before_the_key_is_looked_at():
    server = Server()
    assert ask(server, "/api/v1/alerts", host=b"rebound.example", key="")[0] == 400
    assert server.refused("host") == 1


def test_a_database_that_is_away_is_no_wrong_key():
    server = Server()
    assert ask(server, "/api/v1/alerts", key=f"{ACCOUNT_KEY}of-an-account")[0] == 503
    assert server.refused("key_wrong") == 0


def test_beyond_the_rate_an_address_waits_and_another_does_not():
    server = Server(rate=1)
    found = [ask(server, "/api/v1/alerts")[0] for _ in range(50)]
    assert found[:2] == [200, 200]
    assert 429 in found
    assert ask(server, "/api/v1/alerts", address="10.0.0.2")[0] == 200


def test_a_probe_has_no_rate():
    server = Server(rate=1)
    assert {ask(server, "/healthz", key="")[0] for _ in range(20)} == {200}


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=20))
def test_a_body_arrives_as_it_was_sent_however_it_was_cut(parts):
    server = Server()
    assert ask(server, "/api/v1/silences", *parts)[0] == 200
    assert server.reached[0][1] == b"".join(parts)


@pytest.mark.parametrize(("size", "status"), [(BODY_BYTES, 200), (BODY_BYTES + 1, 413)])
def test_the_bound_of_a_body_is_exact_with_and_without_a_length(size, status):
    whole = b"x" * size
    assert ask(Server(), "/api/v1/silences", whole[:-1], whole[-1:])[0] == status
    assert ask(Server(), "/api/v1/silences", whole, headers=length(size))[0] == status


def test_a_body_that_is_announced_too_long_is_not_waited_for():
    server = Server()
    never = {"type": "http.request", "body": b"", "more_body": True}
    assert ask(server, "/api/v1/silences", b"", headers=length(BODY_BYTES + 1), then=never)[0] == 413
    assert server.reached == []


def test_files_may_be_larger_at_their_paths_only():
    body = b"x" * (BODY_BYTES + 1)
    assert ask(Server(), "/api/v1/communities/linyin/files", body)[0] == 200
    assert ask(Server(), "/api/v1/communities/linyin/files/x", body)[0] == 413
    assert ask(Server(), "/api/v1/communities/linyin/files", b"", headers=length(FILE_BYTES + 1))[0] == 413


def test_a_client_that_leaves_in_the_middle_of_its_body_changes_nothing():
    server = Server()
    assert ask(server, "/api/v1/silences", b"{", then={"type": "http.disconnect"}) == (None, {})
    assert server.reached == []


def test_a_body_that_stops_coming_ends_with_an_answer(monkeypatch):
    monkeypatch.setattr(gates, "body_limits", lambda *, with_files: (BODY_BYTES, 0.05))
    server = Server()
    never = {"type": "http.request", "body": b"", "more_body": True}
    assert ask(server, "/api/v1/silences", b"{", then=never)[0] == 408
    assert server.reached == []


def test_an_open_path_is_answered_without_a_look_at_its_body():
    server = Server()
    never = {"type": "http.request", "body": b"", "more_body": True}
    assert ask(server, "/metrics", b"x", method="GET", key="", then=never)[0] == 200


def test_a_guesser_is_braked_and_the_right_key_of_a_known_address_is_not(monkeypatch):
    monkeypatch.setattr(gates, "_HOLD_S", 0.0)
    server = Server(rate=10_000)
    assert ask(server, "/api/v1/alerts")[0] == 200
    found = [ask(server, "/api/v1/alerts", key=f"guess-{number}")[0] for number in range(40)]
    assert found[:30] == [401] * 30
    assert found[-1] == 429
    assert server.refused("key_guessed") > 0
    assert ask(server, "/api/v1/alerts")[0] == 200


def test_of_a_braked_address_only_a_few_requests_are_held_at_once(monkeypatch):
    async def storm(server):
        for number in range(40):
            await server.ask("/api/v1/alerts", key=f"guess-{number}")
        return await asyncio.gather(*(server.ask("/api/v1/alerts", key=f"late-{each}") for each in range(20)))

    monkeypatch.setattr(gates, "_HOLD_S", 0.01)
    server = Server(rate=10_000)
    assert {status for status, _ in asyncio.run(storm(server))} == {429}
    assert not server.gate._held  # noqa: SLF001


@pytest.mark.parametrize("kind", ["websocket", "unknown"])
def test_no_other_protocol_is_spoken(kind):
    with pytest.raises(RuntimeError, match=f"does not speak {kind}"):
        asyncio.run(Server().gate({"type": kind}, None, None))
