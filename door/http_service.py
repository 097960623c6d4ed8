"""The same questions over HTTP, for brokers that ask so: EMQX, and Mosquitto with mosquitto-go-auth.

Every answer has status 200 and both brokers' fields: `result` of EMQX's HTTP authentication and authorisation, `ok` and
`error` of go-auth's response mode `json`. A request is a JSON object or a form with `username`, `password`, `clientid`;
EMQX's `peerhost` and `cert_common_name` are read too, and for a permission `topic` and `action`, or go-auth's `acc`.
(<https://docs.emqx.com/en/emqx/latest/access-control/authn/http.html>, <https://github.com/iegomez/mosquitto-go-auth>)
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import uvicorn

from door.decision import Admission, Login
from door.gatekeeper import Gatekeeper

_MOST_BYTES = 16 * 1024
_MOST_AT_ONCE = 5000
_PUBLISH = {"publish", "2"}  # of EMQX, and MOSQ_ACL_WRITE

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class RequestError(Exception):
    """The request can't be read; the message says what is expected."""


class BrokerApp:
    """ASGI application with the paths `/broker/auth`, `/broker/acl` and `/broker/superuser`."""

    def __init__(self, gatekeeper: Gatekeeper) -> None:
        self._gatekeeper = gatekeeper
        self._paths = {"/broker/auth": self._auth, "/broker/acl": self._acl, "/broker/superuser": self._superuser}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        answer = self._paths.get(scope["path"])
        if answer is None:
            await _respond(send, 404, {"error": f"there is {', '.join(self._paths)}"})
        elif scope["method"] != "POST":
            await _respond(send, 405, {"error": "ask with POST, so that no secret is in a URL"})
        else:
            try:
                fields = _fields(dict(scope["headers"]), await _body(receive))
            except RequestError as error:
                await _respond(send, 400, {"error": str(error)})
                return
            allowed = await answer(fields)
            await _respond(
                send,
                200,
                {
                    "result": "allow" if allowed else "deny",
                    "is_superuser": False,
                    "ok": allowed,
                    "error": "" if allowed else "refused",
                },
            )

    async def _auth(self, fields: dict[str, str]) -> bool:
        login = Login(
            fields.get("username", ""),
            fields.get("password", ""),
            fields.get("clientid", ""),
            fields.get("cert_common_name", ""),
            fields.get("peerhost", ""),
        )
        return isinstance(self._gatekeeper.admit(login) or await self._gatekeeper.decide(login), Admission)

    async def _acl(self, fields: dict[str, str]) -> bool:
        is_publish = (fields.get("action") or fields.get("acc", "")) in _PUBLISH
        return is_publish and self._gatekeeper.may_publish(fields.get("username", ""), fields.get("topic", ""))

    async def _superuser(self, _fields: dict[str, str]) -> bool:
        return False


class _Server(uvicorn.Server):
    """Server in an event loop whose owner handles the signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


@asynccontextmanager
async def serving_http(gatekeeper: Gatekeeper, host: str, port: int) -> AsyncIterator[None]:
    """Answer brokers over HTTP during the block.

    Raises:
        OSError: the address is in use.
    """
    listener = socket.create_server((host, port))
    config = uvicorn.Config(
        BrokerApp(gatekeeper), log_config=None, access_log=False, server_header=False, lifespan="off",
        limit_concurrency=_MOST_AT_ONCE, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False) and message["type"] == "http.request"
        if len(body) > _MOST_BYTES:
            raise RequestError(f"a request may have {_MOST_BYTES} bytes")
    return body


def _fields(headers: dict[bytes, bytes], body: bytes) -> dict[str, str]:
    """Return the fields of a request that are texts; a number counts as one.

    Raises:
        RequestError: the body is neither a JSON object nor a form.
    """
    try:
        if headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded"):
            return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict"))
        content = msgspec.json.decode(body, type=dict[str, Any])
    except ValueError as error:
        raise RequestError(f"the body must be a JSON object or a form: {error}") from error
    return {name: str(value) for name, value in content.items() if isinstance(value, str | int)}


async def _respond(send: Send, status: int, content: dict[str, object]) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(content)})
