"""The end of Grafana's long sessions, for their role may lift every limit on the time of its own statements."""

import threading
from contextlib import closing

import structlog

from store.admin.roles import GRAFANA_STATEMENT_S, end_long_sessions
from store.database import DatabaseUnavailableError, connect, repeat_over_outages

log = structlog.get_logger()

_LONGEST_S = 2.0 * GRAFANA_STATEMENT_S
_EVERY_S = 5.0


def run_grafana_guard(
    database_url: str, stop: threading.Event, *, longest_s: float = _LONGEST_S, every_s: float = _EVERY_S
) -> None:
    """End every transaction of Grafana that takes longer than `longest_s`, until `stop` is set."""

    def guard() -> bool:
        with closing(connect(database_url, application_name="anju worker guard")) as connection:
            connection.autocommit = True
            while not stop.wait(every_s):
                for pid in end_long_sessions(connection, longer_than_s=longest_s):
                    log.warning("ended a session of Grafana that took too long", pid=pid, longer_than_s=longest_s)
        return True

    def report(error: DatabaseUnavailableError) -> None:
        log.warning("the guard of Grafana's sessions waits for the database", error=str(error))

    repeat_over_outages(guard, stop, report=report, pause=lambda: stop.wait(every_s))
