"""Entity tags (RFC 9110, section 8.8.3) of JSON answers: a client that polls gets an unchanged one as 304.

A tag is a hash of the answer as this account gets it, so it holds for one account, scope and address alone. The route
runs all the same: rights are checked, and the read of a household's data is recorded.
"""

import base64
import hashlib
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

VARY = "Authorization, Cookie"
"""Parts of a request that decide on the answer besides its address."""

_OF_CONTENT = ("content-length", "content-type")


class EntityTags:
    """ASGI middleware that tags the answers of routes below a prefix, and answers `If-None-Match`."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; hold the head of a JSON answer until its content is known."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(self._prefix):
            await self._app(scope, receive, send)
            return
        head: Message | None = None

        async def tag(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).add_vary_header(VARY)
                if is_tagged(message):
                    head = message
                    return
            elif head is not None:
                start, head = head, None
                if not message.get("more_body"):
                    message = _finish(start, message, Headers(scope=scope).getlist("if-none-match"))
                await send(start)
            await send(message)

        await self._app(scope, receive, tag)


def is_tagged(start: Message) -> bool:
    """Return whether the head of an answer is that of a JSON object."""
    return start["status"] == 200 and Headers(raw=start["headers"]).get("content-type", "") == "application/json"


def entity_tag(content: bytes) -> str:
    """Return the strong entity tag of a content."""
    return f'"{base64.urlsafe_b64encode(hashlib.sha256(content).digest()[:18]).decode()}"'


def matches(tag: str, fields: list[str]) -> bool:
    """Return whether one of the lists of an `If-None-Match` names the tag, by weak comparison (RFC 9110, 13.1.2)."""
    named = [each.strip().removeprefix("W/") for field in fields for each in field.split(",")]
    return tag in named or fields == ["*"]


def _finish(start: Message, body: Message, fields: list[str]) -> Message:
    """Add the tag of the content to the head; return the content, or none if the client has it already."""
    headers = MutableHeaders(scope=start)
    headers["ETag"] = tag = entity_tag(body.get("body", b""))
    if not matches(tag, fields):
        return body
    start["status"] = 304
    for name in _OF_CONTENT:
        del headers[name]
    return {**body, "body": b""}


def describe_tags(operation: dict[str, Any]) -> None:
    """Add tag, `If-None-Match` and 304 to an operation of the OpenAPI document that answers a GET with JSON."""
    answer = operation["responses"].get("200", {})
    if "application/json" not in answer.get("content", {}):
        return
    tag = {"description": "Hash of the answer.", "schema": {"type": "string"}, "example": _EXAMPLE}
    answer["headers"] = {"ETag": tag}
    operation["responses"]["304"] = {
        "description": "Unchanged since the answer with that `ETag`; there is no body.", "headers": {"ETag": tag},
    }  # fmt: skip
    operation.setdefault("parameters", []).append(
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "The `ETag` of the last answer. If nothing has changed the answer is 304, without a body.",
            "schema": {"type": "string"},
            "example": _EXAMPLE,
        }
    )


_EXAMPLE = '"3q2-7wJ8c1o0Yb5n0m3XrQ9s"'
