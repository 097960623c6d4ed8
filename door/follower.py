"""Thread that reads all logins from the registry, and afterwards their changes."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from door import metrics
from store.database import Connection, DatabaseUnavailableError, connect, repeat_over_outages, translated_errors
from store.outage import Outage
from store.registry.logins import (
    LoginRow,
    last_login_change,
    listen_for_login_changes,
    login_changes,
    wait_for_login_change,
)

# A change is read at its notification. The interval bounds the time until a lost one is noticed, and that of a refusal.
_POLL_S = 0.2
_RETRY_S = 1.0


class Reading(NamedTuple):
    """Part of a reading of the registry.

    Attributes:
        rows: logins that are new or have changed.
        anew: whether the logins of all earlier readings are to be forgotten.
        complete_at: the monotonic time whose state is known with this part, its last one; None in the other parts.
    """

    rows: list[LoginRow]
    anew: bool
    complete_at: float | None


class Follower:
    """Reader of the changes of logins, several times a second; while the database is away the known ones stay."""

    def __init__(self, database_url: str, take: Callable[[Reading | None], object]) -> None:
        """Prepare; nothing is connected yet.

        Args:
            database_url: the database of the registry.
            take: receives each part, and None when the database is away; it returns when the next one may come.
        """
        self._database_url = database_url
        self._take = take
        self._seen = 0
        self._outage = Outage()

    def run(self, stop: threading.Event) -> None:
        """Follow the registry until `stop` is set."""

        def follow() -> bool:
            with closing(connect(self._database_url, application_name="anju door")) as connection:
                connection.autocommit = True
                with translated_errors():
                    listen_for_login_changes(connection)
                    while not stop.is_set():
                        self._read(connection)
                        wait_for_login_change(connection, _POLL_S)
            return True

        repeat_over_outages(follow, stop, report=self._lose_database, pause=lambda: stop.wait(_RETRY_S))

    def _read(self, connection: Connection) -> None:
        began = time.monotonic()
        # Lower than before: another database has taken the place of the first, such as a restored one.
        anew = last_login_change(connection) < self._seen
        if anew:
            self._seen = 0
        for rows in login_changes(connection, self._seen):
            self._take(Reading(rows, anew, None))
            self._seen, anew = rows[-1].change, False
        self._outage.end()
        metrics.FOLLOWING.set(1)
        self._take(Reading([], anew, began))

    def _lose_database(self, error: DatabaseUnavailableError) -> None:
        self._take(None)
        metrics.FOLLOWING.set(0)
        self._outage.report(error)
