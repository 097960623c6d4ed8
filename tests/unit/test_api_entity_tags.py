"""An answer is tagged by its content, and sent once to a client that names its tag."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.entity_tags import EntityTags, entity_tag, matches

JSON = [(b"content-type", b"application/json"), (b"content-length", b"2")]


def ask(*parts, status=200, headers=JSON, method="GET", path="/api/v1/alerts", named=()):
    """Return status, headers and body of an answer in these parts, behind the middleware."""

    async def route(_scope, _receive, send):
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for at, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": at < len(parts)})

    sent = []

    async def send(message):
        sent.append(message)

    fields = [(b"if-none-match", each.encode()) for each in named]
    scope = {"type": "http", "method": method, "path": path, "headers": fields}
    asyncio.run(EntityTags(route, "/api/v1")(scope, None, send))
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(each["body"] for each in sent[1:])


def test_an_answer_has_a_tag_and_says_by_what_it_varies():
    status, headers, body = ask(b"{}")
    assert (status, body) == (200, b"{}")
    assert headers[b"etag"] == entity_tag(b"{}").encode()
    assert headers[b"vary"] == b"Authorization, Cookie"


@pytest.mark.parametrize("named", ["{}", "W/{}", '"other", {}', '"a",W/{}'])
def test_an_unchanged_answer_is_304_without_content(named):
    tag = entity_tag(b"{}")
    status, headers, body = ask(b"{}", named=[named.format(tag)])
    assert (status, body) == (304, b"")
    assert headers == {b"etag": tag.encode(), b"vary": b"Authorization, Cookie"}
    assert ask(b"{}", named=['"x"', tag])[0] == 304
    assert ask(b"{}", named=["*"])[0] == 304


def test_a_changed_answer_comes_whole():
    status, headers, body = ask(b"[]", named=[entity_tag(b"{}")])
    assert (status, body, headers[b"etag"]) == (200, b"[]", entity_tag(b"[]").encode())


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404}, {"method": "POST"}, {"path": "/healthz"}, {"status": 201},
        {"headers": [(b"content-type", b"text/event-stream")]}, {"headers": [(b"content-type", b"image/jpeg")]},
    ],
)  # fmt: skip
def test_problems_changes_streams_and_files_have_no_tag(answer):
    status, headers, body = ask(b"{}", named=[entity_tag(b"{}"), "*"], **answer)
    assert (status, body) == (answer.get("status", 200), b"{}")
    assert b"etag" not in headers


def test_an_answer_in_parts_is_passed_on():
    status, headers, body = ask(b"[1", b",2]", named=["*"])
    assert (status, body) == (200, b"[1,2]")
    assert b"etag" not in headers


@given(st.binary(), st.binary())
def test_two_contents_share_a_tag_only_if_they_are_equal(one, other):
    assert (entity_tag(one) == entity_tag(other)) is (one == other)
    assert matches(entity_tag(one), [json.dumps("x"), entity_tag(other)]) is (one == other)
