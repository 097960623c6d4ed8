"""Worker process: procrastinate's worker for jobs and schedules, with the dispatcher in a thread beside it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import procrastinate
import structlog
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job

from notify.dispatcher import Dispatcher
from notify.enqueue import enqueue_notices
from notify.routing_watch import RoutingWatch
from store.database import Database, DatabaseUnavailableError, translated_errors
from store.notices.enqueue import NOTICE_TASK
from store.notices.job_queue import job_connector

log = structlog.get_logger()

_RETRY_S = 5.0
_HEARTBEAT_S = 2.0
_STALLED_S = 10.0
_LONGEST_WAIT_S = 300


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Settings of the worker. `hourly` runs at the start and then once an hour."""

    database_url: str
    routing_file: Path | None
    hourly: Callable[[], None]


class _RetryForever(procrastinate.BaseRetryStrategy):
    """Retry strategy without a last attempt: a lost job would lose the notices of its alerts."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> procrastinate.RetryDecision:
        log.warning("a job failed and will be retried", task=job.task_name, error=str(exception), attempts=job.attempts)
        return procrastinate.RetryDecision(retry_in={"seconds": min(5 * (job.attempts + 1), _LONGEST_WAIT_S)})


def run_worker(settings: WorkerSettings, stop: threading.Event) -> None:
    """Work until `stop` is set. Several workers share the jobs; one of them sends. The caller configures all logs.

    Raises:
        RoutingFileError: The routing file can't be used.
    """
    watch = RoutingWatch(settings.routing_file)
    with (
        closing(Database(settings.database_url, application_name="anju worker", max_size=10)) as database,
        ThreadPoolExecutor(1, thread_name_prefix="dispatcher") as thread,
    ):
        dispatcher = Dispatcher(settings.database_url, database, watch.current, _now)
        sending = thread.submit(dispatcher.run, stop)
        # A worker without its dispatcher would look healthy and send nothing.
        sending.add_done_callback(lambda _: stop.set())
        try:
            asyncio.run(_work(settings, database, watch, stop))
        finally:
            stop.set()
        sending.result()


async def _work(settings: WorkerSettings, database: Database, watch: RoutingWatch, stop: threading.Event) -> None:
    """Run procrastinate's worker, and a new one after each loss of the database."""
    stopped = asyncio.create_task(asyncio.to_thread(stop.wait))
    try:
        while not stop.is_set():
            app = _job_app(settings, database, watch)
            try:
                with translated_errors():
                    await asyncio.to_thread(settings.hourly)
                    async with app.open_async():
                        await _work_until(stopped, app)
            except (ConnectorException, DatabaseUnavailableError) as error:
                log.warning("the database is away, trying again", error=str(error.__cause__ or error))
            await asyncio.wait({stopped}, timeout=_RETRY_S)
    finally:
        stop.set()


async def _work_until(stopped: asyncio.Task[bool], app: procrastinate.App) -> None:
    """Run procrastinate's worker until it ends or `stopped` is done."""
    work = asyncio.create_task(
        app.run_worker_async(
            install_signal_handlers=False,
            delete_jobs="successful",
            fetch_job_polling_interval=_RETRY_S,
            update_heartbeat_interval=_HEARTBEAT_S,
            stalled_worker_timeout=_STALLED_S,
            shutdown_graceful_timeout=_STALLED_S,
        )
    )
    retries = asyncio.create_task(_retry_stalled_jobs(app))
    await asyncio.wait({work, stopped, retries}, return_when=asyncio.FIRST_COMPLETED)
    for task in (work, retries):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _retry_stalled_jobs(app: procrastinate.App) -> None:
    """Retry the jobs of workers without a heartbeat for 10 seconds, looking every 5 seconds."""
    while True:
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED_S):
            log.warning("retrying the job of a dead worker", task=job.task_name)
            await app.job_manager.retry_job(job)
        await asyncio.sleep(_RETRY_S)


def _job_app(settings: WorkerSettings, database: Database, watch: RoutingWatch) -> procrastinate.App:
    """Return procrastinate's application with the jobs of this worker."""
    app = procrastinate.App(connector=job_connector(settings.database_url))

    @app.task(name=NOTICE_TASK, queue=NOTICE_TASK, retry=_RetryForever())
    def enqueue(alerts: list[str]) -> None:
        with database.connection() as connection:
            enqueue_notices(connection, [UUID(alert) for alert in alerts], watch.current(), _now())

    @app.periodic(cron="7 * * * *")
    @app.task(name="hourly", queue="hourly", queueing_lock="hourly", pass_context=False)
    def hourly(timestamp: int) -> None:
        settings.hourly()

    return app


def _now() -> datetime:
    return datetime.now(UTC)
