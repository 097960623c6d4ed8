"""Logs: one JSON object a line on standard error, without secrets."""

import logging
import sys
from collections import Counter

import structlog

_LINES_A_MINUTE = 10


def configure_logging(level: int = logging.INFO, *, library_level: int | None = None) -> None:
    """Send the logs of Anju to standard error as JSON lines with an ISO 8601 time in UTC.

    Args:
        level: Lowest level of Anju's own events.
        library_level: Lowest level of the records of libraries, which join these lines; None leaves them alone.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    if library_level is not None:
        logging.basicConfig(level=library_level, handlers=[_ForwardToStructlog()])


class _ForwardToStructlog(logging.Handler):
    """Handler that forwards the log records of libraries to structlog, of each kind a few a minute.

    A library logs each connection that it can't accept and each request that it can't read: whoever sends them would
    fill the disk.
    """

    def __init__(self) -> None:
        super().__init__()
        self._minute = 0
        self._lines: Counter[tuple[str, str]] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        minute = int(record.created // 60)
        if minute != self._minute:
            self._report_dropped()
            self._minute = minute
        kind = (record.name, str(record.msg).split("\n", 1)[0])
        self._lines[kind] += 1
        if self._lines[kind] <= _LINES_A_MINUTE:
            structlog.get_logger().log(
                record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None
            )

    def _report_dropped(self) -> None:
        """Log how many lines of the minute before were too many."""
        for (name, text), lines in self._lines.items():
            if lines > _LINES_A_MINUTE:
                dropped = lines - _LINES_A_MINUTE
                structlog.get_logger().warning("lines of a library left out", logger=name, text=text, lines=dropped)
        self._lines.clear()
