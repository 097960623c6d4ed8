"""`anju migrate`, `api` and `worker`: the processes of an installation beside ingest."""

import signal
import threading
from datetime import UTC, datetime, timedelta

import structlog

from app.rule_files import rules_folder
from app.settings import Settings
from app.watchdog import WatchdogSettings, run_watchdog
from rules.language.reload import RuleFolder
from store.admin.migrate import migrate as migrate_database
from store.admin.retention import drop_expired
from store.database import connect, translated_errors

log = structlog.get_logger()


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
    rules = RuleFolder(rules_folder(settings.rules_dir))
    serve(settings.need("database_url"), settings.http_host, settings.http_port, settings.need("api_key"), rules)


def worker() -> None:
    """Tell people of alerts, and drop every hour what is older than ANJU_RETENTION_DAYS, until SIGTERM.

    Whom it tells is in ANJU_NOTIFY_FILE; without one it tells nobody. Without ANJU_RETENTION_DAYS raw data is kept for
    ever, and only old rejections are dropped. Example: ANJU_NOTIFY_FILE=notify.yaml anju worker
    """
    from notify.worker import WorkerSettings, run_worker  # noqa: PLC0415 - a second of start-up for nobody else

    settings = Settings.load()
    url, days = settings.need("database_url"), settings.retention_days
    keep = timedelta(days=days) if days else None
    stop = stop_on_signals()
    if settings.watchdog:
        watched = WatchdogSettings(url, settings.need("publish_mqtt_url"))
        threading.Thread(target=run_watchdog, args=(watched, stop), name="watchdog", daemon=True).start()
    run_worker(WorkerSettings(url, settings.notify_file, lambda: _drop_expired(url, keep)), stop)


def _drop_expired(url: str, keep: timedelta | None) -> None:
    with translated_errors(), connect(url, application_name="anju worker") as connection:
        log.info("dropped expired chunks", chunks=drop_expired(connection, datetime.now(UTC), keep))


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
