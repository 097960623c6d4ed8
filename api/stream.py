"""Route of the alert stream: server-sent events, resumable by the last event id."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.alert_models import AlertStep
from api.feed import AlertFeed
from api.parameters import Store, read_clock
from api.problems import Responses
from rules.model.rule import Severity
from store.alerts.stream import newest_transition, read_alert_transitions
from store.alerts.suppression import causes_of
from store.database import Database, DatabaseUnavailableError

_log = structlog.get_logger(__name__)

_BATCH = 200
_RETRY_S = 1.0
_RECONNECT_MS = 2000
_HIGHEST = 2**63 - 1

router = APIRouter(prefix="/alerts", tags=["alerts 报警"])


_EVENTS: Responses = {200: {"description": "The data of each event `alert`.", "model": AlertStep}}


def _feed(request: Request) -> AlertFeed:
    feed = request.app.state.feed
    assert isinstance(feed, AlertFeed)  # noqa: S101
    return feed


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


@router.get("/stream", summary="Follow alerts", response_class=EventSourceResponse, responses=_EVENTS)
async def stream(
    store: Store,
    feed: Annotated[AlertFeed, Depends(_feed)],
    beginning: Annotated[int, Depends(_beginning)],
    community: Annotated[str | None, Query(description="Only alerts of this community.")] = None,
    severity: Annotated[list[Severity] | None, Query(description="Only alerts of these severities.")] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Every transition of all alerts as an event `alert`, from now or after `Last-Event-ID`: none lost, none twice.

    Actions, comments and shelvings of people are transitions too. The data of an event is an `AlertStep`, its id is the
    number of the transition. The stream begins with an id without an event, so that a client which reconnects before
    the first event misses nothing. Comments keep an idle connection open. Without the database the stream waits.
    """
    last_id = beginning
    yield ServerSentEvent(id=str(last_id), retry=_RECONNECT_MS)
    while (newest := await feed.wait_for_newer(last_id)) is not None:
        try:
            steps = await run_in_threadpool(_read, store, last_id, newest, community, severity)
        except DatabaseUnavailableError as error:
            _log.warning("an alert stream waits for the database", error=str(error))
            await asyncio.sleep(_RETRY_S)
            continue
        for step in steps:
            yield _event(step)
        last_id = steps[-1].transition.id if len(steps) == _BATCH else newest


def _read(
    store: Database, after: int, up_to: int, community: str | None, severity: list[Severity] | None
) -> list[AlertStep]:
    with store.connection() as connection:
        steps = read_alert_transitions(
            connection, after=after, up_to=up_to, community=community, severity=severity, limit=_BATCH
        )
        causes = causes_of(connection, {step.alert.id for step in steps}, read_clock())
    return [AlertStep.of(step, causes) for step in steps]


def _event(step: AlertStep) -> ServerSentEvent:
    return ServerSentEvent(id=str(step.transition.id), event="alert", data=step)
