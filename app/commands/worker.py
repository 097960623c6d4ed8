"""`anju worker`: notices, the hourly retention, and the watchdog."""

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import structlog

from app.logging import configure_logging
from app.settings import Settings
from app.signals import stop_on_signals
from app.watchdog import WatchdogSettings, run_watchdog
from notify.worker import WorkerSettings, run_worker
from store.admin.retention import delete_expired_events, drop_expired, forget_erasures
from store.database import connect, translated_errors

log = structlog.get_logger()


def worker() -> None:
    """Send notices of alerts, and drop data older than ANJU_RETENTION_DAYS every hour, until SIGTERM.

    The contacts are in ANJU_NOTIFY_FILE; without one no notices are sent. Without ANJU_RETENTION_DAYS raw data is kept
    for ever, except old rejections, and the events of doors and vehicle gates after 180 days or the
    ANJU_EVENT_RETENTION_DAYS of their kind. Example: ANJU_NOTIFY_FILE=notify.yaml anju worker
    """
    configure_logging(library_level=logging.WARNING)
    settings = Settings.load()
    url, days = settings.need("database_url"), settings.retention_days
    keep, of_kinds = timedelta(days=days) if days else None, settings.event_retention
    stop = stop_on_signals()
    if settings.watchdog:
        watched = WatchdogSettings(url, settings.need("publish_mqtt_url"))
        threading.Thread(target=run_watchdog, args=(watched, stop), name="watchdog", daemon=True).start()
    run_worker(WorkerSettings(url, settings.notify_file, lambda: _drop_expired(url, keep, of_kinds)), stop)


def _drop_expired(url: str, keep: timedelta | None, events_of_kinds: Mapping[str, timedelta]) -> None:
    now = datetime.now(UTC)
    with translated_errors(), connect(url, application_name="anju worker") as connection:
        chunks = drop_expired(connection, now, keep)
        events = delete_expired_events(connection, now, events_of_kinds)
        forget_erasures(connection, now)
        log.info("dropped expired data", chunks=chunks, events=events)
