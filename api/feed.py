"""Feed of alert steps: one listener on the database reads and renders each step once, for all streams."""

import asyncio
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Self

import structlog

from api import messages_zh
from api.alert_models import AlertStep
from api.parameters import read_clock
from api.problems import BusyProblem
from rules.model.rule import Severity
from store.alerts.alerts import AlertRow
from store.alerts.stream import follow_transitions, read_alert_transitions
from store.alerts.suppression import Cause, causes_of
from store.alerts.transitions import StoredTransition
from store.database import Connection, Database, DatabaseUnavailableError, repeat_over_outages

_log = structlog.get_logger(__name__)

_KEPT = 1_000
_CATCHING_UP = 4
_RETRY_S = 1.0


class TooManyStreamsProblem(BusyProblem):
    """All places for streams are taken."""

    def __init__(self, most: int) -> None:
        """Name their number, and the setting."""
        super().__init__(
            f"All {most} places for streams are taken; try again later, or set ANJU_HTTP_STREAMS.",
            messages_zh.streams_taken(most),
        )


@dataclass(frozen=True, slots=True)
class RenderedStep:
    """Step of an alert as the streams send it, with the facts that they filter by, and those that pages draw."""

    id: int
    community: str | None
    severity: str
    json: str
    transition: StoredTransition
    alert: AlertRow
    causes: tuple[Cause, ...]


class AlertFeed:
    """Number of the newest transition, for streams to wait on, and the newest steps, for streams to share.

    A thread listens to the database on a pooled connection of its own and survives outages of the database. All other
    work happens on the event loop.
    """

    def __init__(self, database: Database, max_streams: int) -> None:
        """Prepare for this database; entering the context starts the thread."""
        self._database = database
        self._max_streams = max_streams
        self._streams = 0
        self._newest = 0
        self._steps: deque[RenderedStep] = deque()
        self._complete_after = 0
        self._closed = False
        self._changed = asyncio.Event()
        self._stopping = threading.Event()
        self.catching_up = asyncio.Semaphore(_CATCHING_UP)
        """Held by a stream while it reads for itself, so that a crowd that reconnects leaves connections to others."""

    async def __aenter__(self) -> Self:
        """Start the listening thread."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._watch, args=(loop,), name="alert-feed")
        self._thread.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """End the streams and the thread."""
        self.close()
        await asyncio.to_thread(self._thread.join)

    def close(self) -> None:
        """End all streams, so that a stopping server does not wait for its clients."""
        self._closed = True
        self._stopping.set()
        self._changed.set()

    @property
    def streams(self) -> int:
        """Number of open streams."""
        return self._streams

    @property
    def newest(self) -> int:
        """Number of the newest transition that the feed knows of; 0 before it has reached the database."""
        return self._newest

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place for one stream.

        Raises:
            TooManyStreamsProblem: All places are taken.
        """
        if self._streams >= self._max_streams:
            raise TooManyStreamsProblem(self._max_streams)
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    async def wait_for_newer(self, last_id: int) -> int | None:
        """Wait for a transition after `last_id`; return the number of the newest, or None after `close`."""
        while self._newest <= last_id and not self._closed:
            await self._changed.wait()
        return None if self._closed else self._newest

    def steps_after(self, last_id: int) -> list[RenderedStep] | None:
        """Return the steps after `last_id` in their order, or None if the feed has not kept all of them."""
        if last_id < self._complete_after:
            return None
        return [step for step in self._steps if step.id > last_id]

    def _advance(self, newest: int, steps: Sequence[RenderedStep] | None) -> None:
        """Take over a number, and the steps since the number before; None if they were not read."""
        if newest == self._newest:
            return
        if steps is None:
            self._steps.clear()
            self._complete_after = newest
        else:
            self._steps.extend(steps)
            while len(self._steps) > _KEPT:
                self._complete_after = self._steps.popleft().id
        self._newest = newest
        self._changed.set()
        self._changed = asyncio.Event()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        before = 0

        def follow() -> bool:
            nonlocal before
            with self._database.connection() as connection, closing(follow_transitions(connection)) as numbers:
                for newest in numbers:
                    if self._stopping.is_set():
                        return True
                    steps = self._read(before, newest)
                    before = newest
                    loop.call_soon_threadsafe(self._advance, newest, steps)
            return False

        repeat_over_outages(follow, self._stopping, report=_report, pause=lambda: self._stopping.wait(_RETRY_S))

    def _read(self, after: int, newest: int) -> list[RenderedStep] | None:
        """Read the steps in (`after`, `newest`] once for all streams; None if they are too many, or there is no stream.

        A stream reads for itself what the feed has not kept.
        """
        if newest == after:
            return []
        if not self._streams or newest - after > _KEPT:
            return None
        try:
            with self._database.connection() as connection:
                return read_steps(connection, after=after, up_to=newest, limit=_KEPT)
        except DatabaseUnavailableError:
            raise
        except Exception:  # noqa: BLE001  one step that can't be rendered must not end the feed of all streams
            _log.exception("the steps of alerts can't be read for all streams at once")
            return None


def read_steps(
    connection: Connection,
    *,
    after: int,
    up_to: int,
    limit: int,
    community: str | None = None,
    severity: Sequence[Severity] | None = None,
) -> list[RenderedStep]:
    """Return at most `limit` steps in (`after`, `up_to`], rendered as the streams send them."""
    steps = read_alert_transitions(
        connection, after=after, up_to=up_to, community=community, severity=severity, limit=limit
    )
    causes = causes_of(connection, {step.alert.id for step in steps}, read_clock())
    return [
        RenderedStep(
            id=step.transition.id, community=step.alert.community, severity=step.alert.severity,
            json=AlertStep.of(step, causes).model_dump_json(), transition=step.transition, alert=step.alert,
            causes=tuple(causes.get(step.alert.id, ())),
        )
        for step in steps
    ]  # fmt: skip


def _report(error: DatabaseUnavailableError) -> None:
    _log.warning("alert streams wait for the database", error=str(error))
