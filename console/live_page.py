"""Stream of an open inbox: each step of an alert as the row that the page shows for it."""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from console.rendering import environment
from console.services import Services, Step
from console.viewer import Serving, Viewer, Viewing
from rules.model.attention import Attention
from rules.model.rule import Phase
from store.database import DatabaseUnavailableError
from store.registry.communities import visible_communities

router = APIRouter()

BEAT_S = 10.0
"""Longest silence of a stream: a page that hears nothing for longer has lost its connection."""

_DRAWN = 1000
_drawn: OrderedDict[tuple[int, bool], str] = OrderedDict()


async def _place(services: Serving) -> AsyncIterator[None]:
    with services.feed.place():
        yield


class _Sight:
    """What the account behind a stream sees, looked at again with each beat."""

    def __init__(self, services: Services, viewer: Viewer) -> None:
        self._services = services
        self._viewer = viewer
        self._communities: frozenset[str] | None = None
        self._asked_at = float("-inf")

    @property
    def wait_s(self) -> float:
        return max(0.0, self._asked_at + BEAT_S - time.monotonic())

    async def may_go_on(self) -> bool:
        """Return whether the session is still there with the same rights."""
        caller = await self._services.find(self._viewer.token)
        if caller is None or caller.principal != self._viewer.principal:
            return False
        if not self._viewer.principal.scope.is_whole:
            self._communities = await run_in_threadpool(self._read)
        self._asked_at = time.monotonic()
        return True

    def sees(self, community: str | None) -> bool:
        return self._viewer.principal.scope.is_whole or community in (self._communities or ())

    def _read(self) -> frozenset[str]:
        with self._viewer.store.connection() as connection:
            return visible_communities(connection)


@router.get("/alerts/live", response_class=EventSourceResponse, dependencies=[Depends(_place)])
async def alerts_stream_page(
    request: Request,
    services: Serving,
    viewer: Viewing,
    after: Annotated[int, Query(ge=0, lt=2**63)],
    last_event_id: Annotated[int | None, Header(ge=0, lt=2**63)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Send each step after the number that the page was made at, and a beat every ten seconds.

    A page that missed more steps than are kept is told to load anew. The stream ends with the session.
    """
    del request
    sight = _Sight(services, viewer)
    may_work = viewer.may("act_on_alerts_page")
    last_id = after if last_event_id is None else last_event_id
    while True:
        try:
            if sight.wait_s <= 0:
                if not await sight.may_go_on():
                    return
                yield ServerSentEvent(event="beat", data="")
            newest = await asyncio.wait_for(services.feed.wait_for_newer(last_id), sight.wait_s)
        except TimeoutError:
            continue
        except DatabaseUnavailableError:
            await asyncio.sleep(1)
            continue
        if newest is None:
            return
        steps = services.feed.steps_after(last_id)
        if steps is None:
            yield ServerSentEvent(id=str(newest), event="reload", data="")
            return
        last_id = newest
        for step in steps:
            if sight.sees(step.community):
                yield ServerSentEvent(id=str(step.id), event="step", raw_data=_draw(step, may_work=may_work))


def _draw(step: Step, *, may_work: bool) -> str:
    """Return a step as JSON with the row of its alert, drawn once for all pages that look alike."""
    key = (step.id, may_work)
    if key not in _drawn:
        alert = step.alert
        parts = environment().get_template("parts.html").module
        html = parts.alert_row(alert, step.causes, step.transition.decided_at, may_work, "/")  # type: ignore[attr-defined]
        is_new = (
            step.transition.axis == "process"
            and step.transition.to_state == Phase.ACTIVE
            and alert.attention == Attention.UNACKNOWLEDGED
            and not step.causes
        )
        facts = {"alert": str(alert.id), "new": is_new, "severity": alert.severity, "html": str(html)}
        _drawn[key] = json.dumps(facts, ensure_ascii=False)
        if len(_drawn) > _DRAWN:
            _drawn.popitem(last=False)
    return _drawn[key]
