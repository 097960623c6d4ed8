"""Log of outages of the database, apart from `store.database` so that commands without a log start faster."""

import structlog

from store.database import DatabaseUnavailableError

log = structlog.get_logger()


class Outage:
    """Log of an outage: one warning for each reason, while the process tries again every second."""

    def __init__(self) -> None:
        self._reason = ""

    def report(self, error: DatabaseUnavailableError, **context: object) -> None:
        """Log a failed attempt, unless the last one failed for the same reason."""
        if str(error) != self._reason:
            log.warning("the database is away, trying every second", error=str(error), **context)
        self._reason = str(error)

    def end(self) -> bool:
        """End the outage; return whether there was one."""
        was_away, self._reason = bool(self._reason), ""
        return was_away
