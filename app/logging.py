"""Logs: one JSON object a line on standard error, without secrets."""

import logging
import sys

import structlog


def configure_logging(level: int = logging.INFO) -> None:
    """Send the logs of Anju to standard error as JSON lines with an ISO 8601 time in UTC."""
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
