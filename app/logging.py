"""Logs: one JSON object a line on standard error, without secrets."""

import logging
import sys

import structlog


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
    """Handler that forwards the log records of libraries to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None
        )
