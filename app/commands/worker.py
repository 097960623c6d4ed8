"""`anju worker`: notices, the hourly retention, the disks, the end of Grafana's long sessions, and the watchdog."""

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import REGISTRY, start_http_server

from app.broker_metrics import BrokerCollector
from app.disk_watch import run_disk_watch
from app.grafana_guard import run_grafana_guard
from app.logging import configure_logging
from app.settings import Settings, parse_disks
from app.signals import stop_on_signals
from app.watchdog import WatchdogSettings, run_watchdog
from notify.worker import WorkerSettings, run_worker
from store.admin.audit_chain import read_head
from store.admin.retention import delete_expired_events, drop_expired, forget_erasures
from store.database import DatabaseUnavailableError, connect, translated_errors

log = structlog.get_logger()


def worker() -> None:
    """Send notices of alerts, and drop data older than ANJU_RETENTION_DAYS every hour, until SIGTERM.

    The contacts are in ANJU_NOTIFY_FILE; without one no notices are sent. Without ANJU_RETENTION_DAYS raw data is kept
    for ever, except old rejections, and the events of doors and vehicle gates after 180 days or the
    ANJU_EVENT_RETENTION_DAYS of their kind. The free space of ANJU_DISKS is watched.

    Example: ANJU_NOTIFY_FILE=notify.yaml anju worker
    """
    configure_logging(library_level=logging.WARNING)
    settings = Settings.load()
    url, days = settings.need("database_url"), settings.retention_days
    keep, of_kinds = timedelta(days=days) if days else None, settings.event_retention
    with suppress(DatabaseUnavailableError):
        connect(url, application_name="anju worker").close()  # a newer database is refused before a thread meets it
    stop = stop_on_signals()
    if settings.broker_monitoring:
        REGISTRY.register(BrokerCollector(settings.broker_monitoring.split(",")))
    if settings.metrics_port:
        _serve_metrics(settings.http_host, settings.metrics_port)
    if settings.disks:
        watched_disks = parse_disks(settings.disks)
        threading.Thread(target=run_disk_watch, args=(url, watched_disks, stop), name="disks", daemon=True).start()
    if settings.watchdog:
        watched = WatchdogSettings(url, settings.need("publish_mqtt_url"))
        threading.Thread(target=run_watchdog, args=(watched, stop), name="watchdog", daemon=True).start()
    threading.Thread(target=run_grafana_guard, args=(url, stop), name="grafana guard", daemon=True).start()
    run_worker(WorkerSettings(url, settings.notify_file, lambda: _hourly(url, keep, of_kinds)), stop)


def _hourly(url: str, keep: timedelta | None, events_of_kinds: Mapping[str, timedelta]) -> None:
    now = datetime.now(UTC)
    with translated_errors(), connect(url, application_name="anju worker") as connection:
        chunks = drop_expired(connection, now, keep)
        events = delete_expired_events(connection, now, events_of_kinds)
        forget_erasures(connection, now)
        log.info("dropped expired data", chunks=chunks, events=events)
        # Logs are kept elsewhere: a head in them shows whether newer rows were cut off later.
        head = read_head(connection)
        log.info("head of the audit log", head=f"{head.id}:{head.hash}")


def _serve_metrics(host: str, port: int) -> None:
    """Serve the metrics of disks and broker; an ingest of the same machine with the same settings may have the port."""
    try:
        start_http_server(port, addr=host)
    except OSError as error:
        log.error("the worker shows no metrics: give it another ANJU_METRICS_PORT", port=port, error=error.strerror)  # noqa: TRY400
