"""Route of the alert stream: server-sent events, resumable by the last event id."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from accounts.principal import Principal
from api.access import KeyGuard
from api.alert_models import AlertStep
from api.feed import AlertFeed, RenderedStep, TooManyStreamsProblem, read_steps
from api.parameters import Caller, Store
from api.problems import Responses, UnavailableProblem, problem_responses
from handling.text import Word
from rules.model.rule import Severity
from store.alerts.stream import newest_transition
from store.database import Database, DatabaseUnavailableError
from store.registry.communities import visible_communities

_log = structlog.get_logger(__name__)

_BATCH = 200
_RETRY_S = 1.0
_RECONNECT_MS = 2000
_HIGHEST = 2**63 - 1
_ASKED_AGAIN_S = 10.0

router = APIRouter(prefix="/alerts", tags=["alerts 报警"])


_ANSWERS: Responses = {
    200: {"description": "The data of each event `alert`.", "model": AlertStep},
    **problem_responses(UnavailableProblem(), TooManyStreamsProblem(128)),
}


def _feed(request: Request) -> AlertFeed:
    feed = request.app.state.feed
    assert isinstance(feed, AlertFeed)  # noqa: S101
    return feed


Feed = Annotated[AlertFeed, Depends(_feed)]


class _Listener:
    """Account behind a stream, asked for again every ten seconds, and the communities that it sees."""

    def __init__(self, guard: KeyGuard, authorization: bytes, store: Database, principal: Principal) -> None:
        self._guard = guard
        self._authorization = authorization
        self._store = store
        self._principal = principal
        self._sees_everything = principal.scope.is_whole
        self._communities: frozenset[str] = frozenset()
        self._asked_at = float("-inf")

    async def may_go_on(self) -> bool:
        """Return whether the account is still there with the rights that the stream began with.

        Raises:
            DatabaseUnavailableError: The database does not answer.
        """
        if self.wait_s > 0:
            return True
        caller = await self._guard.admit(self._authorization)
        if caller is None or caller.principal != self._principal:
            return False
        if not self._sees_everything:
            self._communities = await run_in_threadpool(self._read_communities)
        self._asked_at = time.monotonic()
        return True

    @property
    def wait_s(self) -> float:
        """Seconds until the account is asked for again."""
        return self._asked_at + _ASKED_AGAIN_S - time.monotonic()

    def sees(self, community: str | None) -> bool:
        """Return whether alerts of a community, or with None those of Anju itself, are for this account."""
        return self._sees_everything or community in self._communities

    def _read_communities(self) -> frozenset[str]:
        with self._store.connection() as connection:
            return visible_communities(connection)


def _listener(request: Request, store: Store, caller: Caller) -> _Listener:
    guard = request.app.state.guard
    assert isinstance(guard, KeyGuard)  # noqa: S101
    authorization = request.headers.get("authorization", "").encode("latin-1")
    return _Listener(guard, authorization, store, caller.principal)


async def _place(feed: Feed) -> AsyncIterator[None]:
    """Hold a place for the stream until its response has ended."""
    with feed.place():
        yield


def _beginning(
    store: Store,
    last_event_id: Annotated[
        int | None,
        Header(ge=0, le=_HIGHEST, description="Id of the last event received; the stream continues after it."),
    ] = None,
) -> int:
    """Return the transition to start after. A number beyond the newest transition counts as the newest."""
    with store.connection() as connection:
        newest = newest_transition(connection)
    return newest if last_event_id is None else min(last_event_id, newest)


@router.get(
    "/stream",
    summary="Follow alerts",
    response_class=EventSourceResponse,
    responses=_ANSWERS,
    dependencies=[Depends(_place)],
)
async def stream(
    store: Store,
    feed: Feed,
    listener: Annotated[_Listener, Depends(_listener)],
    beginning: Annotated[int, Depends(_beginning)],
    *,
    community: Annotated[Word | None, Query(description="Only alerts of this community.")] = None,
    severity: Annotated[list[Severity] | None, Query(description="Only alerts of these severities.")] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Every transition of all alerts as an event `alert`, from now or after `Last-Event-ID`: none lost, none twice.

    Actions, comments and shelvings of people are transitions too. The data of an event is an `AlertStep`, its id is the
    number of the transition. The stream begins with an id without an event, so that a client which reconnects before
    the first event misses nothing. Comments keep an idle connection open. Without the database the stream waits. It
    ends within ten seconds after its key or session, and after a change of the account's role or scope.
    """
    last_id = beginning
    yield ServerSentEvent(id=str(last_id), retry=_RECONNECT_MS)
    # What came before the stream is read for it alone, with the present state of each alert.
    caught_up = last_id >= feed.newest
    while True:
        try:
            if not await listener.may_go_on():
                return
            newest = await asyncio.wait_for(feed.wait_for_newer(last_id), listener.wait_s)
        except TimeoutError:
            continue
        except DatabaseUnavailableError as error:
            _log.warning("an alert stream waits for the database", error=str(error))
            await asyncio.sleep(_RETRY_S)
            continue
        if newest is None:
            return
        shared = feed.steps_after(last_id) if caught_up else None
        if shared is not None:
            wanted = [
                step for step in shared if listener.sees(step.community) and _is_wanted(step, community, severity)
            ]
            last_id = newest
        else:
            try:
                async with feed.catching_up:
                    wanted = await run_in_threadpool(_read, store, last_id, newest, community, severity)
            except DatabaseUnavailableError as error:
                _log.warning("an alert stream waits for the database", error=str(error))
                await asyncio.sleep(_RETRY_S)
                continue
            caught_up = len(wanted) < _BATCH
            last_id = newest if caught_up else wanted[-1].id
        for step in wanted:
            yield ServerSentEvent(id=str(step.id), event="alert", raw_data=step.json)


def _is_wanted(step: RenderedStep, community: str | None, severity: list[Severity] | None) -> bool:
    return community in {None, step.community} and (severity is None or step.severity in severity)


def _read(
    store: Database, after: int, up_to: int, community: str | None, severity: list[Severity] | None
) -> list[RenderedStep]:
    with store.connection() as connection:
        return read_steps(connection, after=after, up_to=up_to, limit=_BATCH, community=community, severity=severity)
