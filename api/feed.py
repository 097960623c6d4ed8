"""How far the transitions reach: one watcher of the database wakes every stream."""

import asyncio
import threading
from contextlib import closing
from typing import Self

import structlog

from store.alerts.stream import follow_transitions
from store.database import Database, DatabaseUnavailableError

_log = structlog.get_logger(__name__)

_RETRY_S = 1.0


class AlertFeed:
    """Knows the newest transition's number, and lets streams wait for a newer one.

    A thread of its own listens to the database and keeps one connection of the pool; it outlives the database's
    absence. Everything else happens on the event loop.
    """

    def __init__(self, database: Database) -> None:
        """Prepare to watch this database; `open` begins."""
        self._database = database
        self._newest = 0
        self._closed = False
        self._changed = asyncio.Event()
        self._stopping = threading.Event()

    async def __aenter__(self) -> Self:
        """Begin to watch, on the running loop."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._watch, args=(loop,), name="alert-feed")
        self._thread.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """End the streams and the watching."""
        self.close()
        await asyncio.to_thread(self._thread.join)

    def close(self) -> None:
        """End every stream now, so that a server which is stopping need not wait for its clients."""
        self._closed = True
        self._stopping.set()
        self._changed.set()

    async def wait_for_newer(self, seen: int) -> int | None:
        """Wait until there are transitions beyond the one seen; the newest one's number, or None once closed."""
        while self._newest <= seen and not self._closed:
            await self._changed.wait()
        return None if self._closed else self._newest

    def _advance(self, newest: int) -> None:
        if newest != self._newest:
            self._newest = newest
            self._changed.set()
            self._changed = asyncio.Event()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopping.is_set():
            try:
                with self._database.connection() as connection, closing(follow_transitions(connection)) as numbers:
                    for newest in numbers:
                        if self._stopping.is_set():
                            return
                        loop.call_soon_threadsafe(self._advance, newest)
            except DatabaseUnavailableError as error:
                _log.warning("alert streams wait for the database", error=str(error))
                self._stopping.wait(_RETRY_S)
