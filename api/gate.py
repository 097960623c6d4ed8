"""Gate in front of all routes: host, rate, key and size are checked before anything of a body is read."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from accounts.login import Authenticated
from accounts.page_session import is_same_origin, read_cookie
from accounts.tokens import PAGE
from api import messages_zh
from api.access import GuessBrake, KeyGuard, client_address
from api.docs_page import DOCS
from api.hosts import is_own_host
from api.limits import HttpLimits, TokenBuckets, body_limits
from api.problems import (
    ForbiddenProblem,
    KeyRefusedProblem,
    MalformedProblem,
    Problem,
    SlowBodyProblem,
    TooLargeProblem,
    TooManyProblem,
    UnavailableProblem,
)
from api.refusals import Refusals
from store.database import DatabaseUnavailableError

ALWAYS = frozenset({"/healthz"})
"""Paths without a limit of rate: a probe must never take an attack for a dead process."""

LOGIN = ("POST", "/api/v1/auth/token")
"""Login by name and password, the one request without a key that may have a body."""

OPEN = frozenset({*ALWAYS, "/readyz", "/metrics", "/openapi.json", *DOCS})
"""Paths without a key."""

_API = "/api"
"""Paths that need a key, whether there is such a route or not. All others are pages, which need a session."""

_BURST_S = 2.0
_HELD_AT_ONCE = 8
_HOLD_S = 1.0
_SAFE = frozenset({"GET", "HEAD"})
_ORIGIN_REFUSED = "Forms are taken from the pages of this site alone."
_HOST_REFUSED = "The name in the header Host is not one of this API: ANJU_HTTP_HOSTS lists its public names."


@dataclass(frozen=True, slots=True)
class _Visit:
    """Request as far as its head tells."""

    method: str
    path: str
    address: str
    host: bytes | None
    authorization: bytes | None
    length: bytes | None
    has_body: bool
    token: str | None
    is_same_origin: bool

    @property
    def is_page(self) -> bool:
        """Whether it is for a page or a file of one; a program sends its key wherever it goes."""
        is_other = self.path not in OPEN and self.path != _API and not self.path.startswith(f"{_API}/")
        return is_other and self.authorization is None

    @classmethod
    def of(cls, scope: Scope) -> "_Visit":
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, value)
        length, scheme = headers.get(b"content-length"), scope.get("scheme", "http")
        return cls(
            method=scope["method"],
            path=scope["path"],
            address=client_address(scope["client"]),
            host=headers.get(b"host"),
            authorization=headers.get(b"authorization"),
            length=length,
            has_body=length not in {None, b"0"} or b"transfer-encoding" in headers,
            token=read_cookie(headers.get(b"cookie", b"").decode("latin-1"), secure=scheme == "https"),
            is_same_origin=is_same_origin(headers, scheme=scheme),
        )


class _RefusedError(Exception):
    def __init__(self, reason: str, problem: Problem) -> None:
        self.reason = reason
        self.problem = problem
        super().__init__(reason)


class Gate:
    """ASGI middleware that refuses a request by its head, and hands on one whose body has arrived within its bounds."""

    def __init__(
        self,
        app: ASGIApp,
        guard: KeyGuard,
        limits: HttpLimits,
        file_paths: Iterable[str],
        registry: CollectorRegistry,
        *,
        pages: ASGIApp | None = None,
    ) -> None:
        """Stand in front of `app` and of `pages`; `file_paths` are the templates of the paths that take files."""
        self._app = app
        self._pages = pages
        self._guard = guard
        self._hosts = limits.hosts
        self._rates = TokenBuckets(limits.rate, _BURST_S)
        self._brake = GuessBrake()
        self._held: Counter[str] = Counter()
        self._refusals = Refusals(registry, time.monotonic)
        self._file_paths = [compile_path(path)[0] for path in file_paths]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"the API does not speak {scope['type']}")
        visit = _Visit.of(scope)
        app = self._pages if self._pages and visit.is_page else self._app
        try:
            caller = await (self._check_page(visit) if app is self._pages else self._check(visit))
            scope["state"] = {**scope.get("state", {}), "caller": caller, "token": visit.token}
            # An open path takes no body: without the key, an endless one could hold the connection.
            received = await self._read(visit, receive) if visit.has_body and visit.path not in OPEN else receive
        except _RefusedError as refused:
            scope["refused"] = refused.reason
            self._refusals.record(refused.reason, visit.address)
            await refused.problem.response()(scope, receive, send)
            return
        if received is not None:
            await app(scope, received, send)

    async def _check_page(self, visit: _Visit) -> Authenticated | None:
        """Check host, origin and rate; return the account of the session, None without one.

        Raises:
            _RefusedError: One of them does not allow the request.
        """
        if not is_own_host(visit.host, self._hosts):
            raise _RefusedError("host", MalformedProblem(_HOST_REFUSED, messages_zh.OTHER_HOST))
        if visit.method not in _SAFE and not visit.is_same_origin:
            raise _RefusedError("origin", ForbiddenProblem(_ORIGIN_REFUSED, messages_zh.OTHER_ORIGIN))
        caller = None
        if visit.token and visit.token.startswith(PAGE):
            try:
                caller = await self._guard.find(visit.token)
            except DatabaseUnavailableError:
                raise _RefusedError("database", UnavailableProblem()) from None
        self._charge((caller.principal.name, visit.address) if caller else visit.address)
        return caller

    async def _check(self, visit: _Visit) -> Authenticated | None:
        """Check host, key and rate; return the account of the key, None on an open path.

        Raises:
            _RefusedError: One of them does not allow the request.
        """
        if not is_own_host(visit.host, self._hosts):
            raise _RefusedError("host", MalformedProblem(_HOST_REFUSED, messages_zh.OTHER_HOST))
        if visit.path in ALWAYS:
            return None
        if visit.path in OPEN or (visit.method, visit.path) == LOGIN:
            self._charge(visit.address)
            return None
        if visit.authorization is None:
            self._charge(visit.address)
            raise _RefusedError("key_missing", KeyRefusedProblem())
        caller = await self._check_key(visit.address, visit.authorization)
        self._charge((caller.principal.name, visit.address))
        return caller

    async def _check_key(self, address: str, authorization: bytes) -> Authenticated:
        """Return the account of the key; an address with too many wrong ones waits for the answer to each of a few."""
        wait_s = self._brake.wait_s(address, time.monotonic())
        try:
            caller = await self._guard.admit(authorization)
        except DatabaseUnavailableError:
            raise _RefusedError("database", UnavailableProblem()) from None
        if wait_s and not (caller and self._brake.is_known(address)):
            await self._hold(address, wait_s)
        if caller:
            self._brake.note(address)
            return caller
        self._charge(address)
        self._brake.charge(address, authorization, time.monotonic())
        if wait_s:
            raise _RefusedError("key_guessed", TooManyProblem(wait_s))
        raise _RefusedError("key_wrong", KeyRefusedProblem())

    async def _hold(self, address: str, wait_s: float) -> None:
        """Hold a request back for a second, of each address a few at once."""
        if self._held[address] >= _HELD_AT_ONCE:
            raise _RefusedError("key_guessed", TooManyProblem(wait_s))
        self._held[address] += 1
        try:
            await asyncio.sleep(_HOLD_S)
        finally:
            self._held[address] -= 1
            if not self._held[address]:
                del self._held[address]

    def _charge(self, owner: Hashable) -> None:
        if wait_s := self._rates.take(owner, time.monotonic()):
            raise _RefusedError("rate", TooManyProblem(wait_s))

    async def _read(self, visit: _Visit, receive: Receive) -> Receive | None:
        """Read a body within its bounds, and return the `receive` that hands it on; None if the client has gone.

        Raises:
            _RefusedError: The body is too long, or comes too slowly.
        """
        with_files = any(path.match(visit.path) for path in self._file_paths)
        limit_bytes, limit_s = body_limits(with_files=with_files)
        messages: deque[Message] = deque()
        missing = limit_bytes - int(visit.length or 0)
        try:
            async with asyncio.timeout(limit_s):
                while missing >= 0 and not (messages and not messages[-1].get("more_body")):
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    messages.append(message)
                    missing -= 0 if visit.length else len(message["body"])
        except TimeoutError:
            raise _RefusedError("slow_body", SlowBodyProblem(limit_s)) from None
        if missing < 0:
            raise _RefusedError("size", TooLargeProblem(limit_bytes))

        async def replay() -> Message:
            return messages.popleft() if messages else await receive()

        return replay
