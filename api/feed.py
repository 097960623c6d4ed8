"""Feed of alert transitions: one listener on the database wakes all streams."""

import asyncio
import threading
from contextlib import closing
from typing import Self

import structlog

from store.alerts.stream import follow_transitions
from store.database import Database, DatabaseUnavailableError, repeat_over_outages

_log = structlog.get_logger(__name__)

_RETRY_S = 1.0


class AlertFeed:
    """Number of the newest transition, for streams to wait on.

    A thread listens to the database on a pooled connection of its own and survives outages of the database. All other
    work happens on the event loop.
    """

    def __init__(self, database: Database) -> None:
        """Prepare for this database; entering the context starts the thread."""
        self._database = database
        self._newest = 0
        self._closed = False
        self._changed = asyncio.Event()
        self._stopping = threading.Event()

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

    async def wait_for_newer(self, last_id: int) -> int | None:
        """Wait for a transition after `last_id`; return the number of the newest, or None after `close`."""
        while self._newest <= last_id and not self._closed:
            await self._changed.wait()
        return None if self._closed else self._newest

    def _advance(self, newest: int) -> None:
        if newest != self._newest:
            self._newest = newest
            self._changed.set()
            self._changed = asyncio.Event()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        def follow() -> bool:
            with self._database.connection() as connection, closing(follow_transitions(connection)) as numbers:
                for newest in numbers:
                    if self._stopping.is_set():
                        return True
                    loop.call_soon_threadsafe(self._advance, newest)
            return False

        repeat_over_outages(follow, self._stopping, report=_report, pause=lambda: self._stopping.wait(_RETRY_S))


def _report(error: DatabaseUnavailableError) -> None:
    _log.warning("alert streams wait for the database", error=str(error))
