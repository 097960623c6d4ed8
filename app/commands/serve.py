"""`anju migrate`, `api` and `worker`: the processes of an installation beside ingest."""

import signal
import threading
from datetime import UTC, datetime, timedelta

import structlog

from app.settings import Settings
from store.database import DatabaseUnavailableError, connect, translated_errors
from store.migrate import migrate as migrate_database
from store.retention import drop_expired

log = structlog.get_logger()

_RETENTION_EVERY_S = 3600


def migrate() -> None:
    """Bring the database to this version. Run it before the other parts start; twice changes nothing.

    Example: ANJU_DATABASE_URL=postgresql://anju:secret@db/anju anju migrate
    """
    migrate_database(Settings.load().need("database_url"))


def api() -> None:
    """Serve the HTTP API until SIGTERM.

    Needs ANJU_DATABASE_URL and ANJU_API_KEY. Example: ANJU_HTTP_PORT=8000 anju api
    """
    from api.serve import serve  # noqa: PLC0415 - a second of start-up that no other command needs

    settings = Settings.load()
    serve(settings.need("database_url"), settings.http_host, settings.http_port, settings.need("api_key"))


def worker() -> None:
    """Run the scheduled jobs until SIGTERM: for now, dropping what is older than ANJU_RETENTION_DAYS, every hour.

    Without that setting raw data is kept for ever, and only old rejections are dropped.

    Example: ANJU_RETENTION_DAYS=400 anju worker
    """
    settings = Settings.load()
    url, keep = (
        settings.need("database_url"),
        timedelta(days=settings.retention_days) if settings.retention_days else None,
    )
    stop = stop_on_signals()
    while not stop.is_set():
        try:
            with translated_errors(), connect(url, application_name="anju worker") as connection:
                log.info("dropped expired chunks", chunks=drop_expired(connection, datetime.now(UTC), keep))
        except DatabaseUnavailableError as error:
            log.warning("the database is not available, trying again", error=str(error))
            stop.wait(5)
            continue
        stop.wait(_RETENTION_EVERY_S)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
