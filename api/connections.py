"""Bounds on the connections of the API: their number, and the time for a head, a body and an unread answer.

uvicorn bounds the size of a head, and the idle time after a response. It waits without limit for the first head, for a
head that has begun, and for a peer that does not read; its `limit_concurrency` lets idle connections take all places.
"""

import asyncio
import json
import resource
from collections import Counter
from collections.abc import Iterable
from typing import Any

import structlog
import uvicorn
from h11 import IDLE, SEND_BODY
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from api import messages_zh
from api.headers import SECURITY_HEADERS
from api.problems import BusyProblem, MalformedProblem, Problem

HEAD_S = 10.0
"""Seconds until a head has arrived, from the connection or from its first byte on."""
UNREAD_BODY_S = 5.0
"""Seconds that a peer may go on sending the body of a request that was answered without it."""
STALLED_S = 30.0
"""Seconds that a peer may leave a full buffer of a response unread."""

_RESERVED_DESCRIPTORS = 64
_FEWEST_CONNECTIONS = 8

_log = structlog.get_logger(__name__)


class Config(uvicorn.Config):
    """Configuration of the server with a bound of its connections."""

    def __init__(self, app: ASGIApp, max_connections: int, **more: Any) -> None:  # noqa: ANN401
        """Take the bound, and uvicorn's own parameters."""
        super().__init__(app, http=BoundedProtocol, ws="none", **more)
        self.max_connections = max_connections


class BoundedProtocol(H11Protocol):
    """Connection that ends when its peer is slow, or when another one needs its place while it is idle."""

    config: Config
    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the place of an idle connection if all are taken; without one, say so and close."""
        super().connection_made(transport)
        if len(self.connections) > self.config.max_connections and not evict(self.connections - {self}):
            self._answer(BusyProblem("All connections are taken; try again later.", messages_zh.CONNECTIONS_TAKEN))
            return
        self._end_in(HEAD_S)

    def data_received(self, data: bytes) -> None:
        """Read on; a head that has begun has to be complete in time."""
        if self._timer is None and self.is_idle:
            self._end_in(HEAD_S)
        super().data_received(data)
        if not self.is_idle and self.conn.their_state is not IDLE:
            self._unset_timer()

    def on_response_complete(self) -> None:
        """Go on with the next request; an unread rest of the body is dropped for a limited time."""
        super().on_response_complete()
        if self.conn.their_state is SEND_BODY:
            self._end_in(UNREAD_BODY_S)

    def pause_writing(self) -> None:
        """Note that the peer does not read."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that the peer reads again."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._unset_timer()
        self.resume_writing()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def peer(self) -> str:
        """Address at the other end."""
        return self.client[0] if self.client else ""

    @property
    def may_end(self) -> bool:
        """Whether its place may be given to another: it waits for its peer to send or to read."""
        return not self.transport.is_closing() and (self.is_idle or self.flow.write_paused)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP with problem details, like every other error."""
        self._answer(MalformedProblem(msg, messages_zh.NO_HTTP))

    def _answer(self, problem: Problem) -> None:
        """Answer outside of the application, and close."""
        body = json.dumps(problem.marshal(), ensure_ascii=False).encode()
        headers = {
            **SECURITY_HEADERS, **problem.headers, "Cache-Control": "no-store", "Connection": "close",
            "Content-Type": "application/problem+json", "Content-Length": str(len(body)),
        }  # fmt: skip
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 {problem.status} \r\n{head}\r\n".encode() + body)
        self.transport.close()

    def _end_in(self, seconds: float) -> None:
        self._unset_timer()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _unset_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def evict(connections: Iterable[object]) -> bool:
    """End a waiting connection of the address with the most of them, and return whether there was one."""
    waiting = [each for each in connections if isinstance(each, BoundedProtocol) and each.may_end]
    if not waiting:
        return False
    of_peer = Counter(each.peer for each in waiting)
    max(waiting, key=lambda each: of_peer[each.peer]).transport.abort()
    return True


def survive_without_descriptors(connections: Iterable[object]) -> None:
    """Let the running loop end waiting connections when an accept finds no descriptor, so that the next one does."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        if isinstance(context.get("exception"), OSError) and "socket" in context:
            evict(connections)

    asyncio.get_running_loop().set_exception_handler(handle)


def fit_to_descriptors(connections: int) -> int:
    """Raise the limit of descriptors as far as these connections need, and return how many of them it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _RESERVED_DESCRIPTORS
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    allowed = max(_FEWEST_CONNECTIONS, needed - _RESERVED_DESCRIPTORS)
    if allowed < connections:
        _log.warning("the limit of open files allows fewer connections", connections=allowed, limit=needed)
    return min(allowed, connections)
