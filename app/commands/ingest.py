"""`anju ingest`: from the broker to the database, in one process or in one for each partition."""

import os
import signal
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import structlog
import typer
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from app.logging import configure_logging
from app.output import Exit, fail, say
from app.partition_workers import PartitionWorkers
from app.rule_files import rules_folder
from app.settings import Settings
from app.signals import stop_on_signals
from ingest.broker_client import BrokerUnavailableError
from ingest.partition import Partition
from ingest.repartition import NotDrainedError
from ingest.repartition import repartition as change_partitions
from ingest.worker import IngestSettings, Worker
from rules.language.reload import RuleFolder


def ingest(
    partitions: Annotated[
        int | None, typer.Option(min=1, max=1024, help="how many partitions there are, instead of ANJU_PARTITIONS")
    ] = None,
    partition: Annotated[int | None, typer.Option(min=0, hidden=True)] = None,
    *,
    repartition: Annotated[
        bool, typer.Option("--repartition", help="change the number of partitions in force to this one, and end")
    ] = False,
) -> None:
    """Receive from the broker, store, evaluate the rules and raise alerts, until SIGTERM.

    With several partitions each has a process of its own, and all `anju ingest` of a database share them. Rule files
    that change are read again; SIGHUP does so at once.

    Needs ANJU_DATABASE_URL, ANJU_MQTT_URL and ANJU_SECRET_KEY. Example: anju ingest --partitions 4
    """
    configure_logging()
    settings = Settings.load()
    count = partitions or settings.partitions
    if repartition:
        _repartition(settings, count)
        return
    work = IngestSettings(
        database_url=settings.need("database_url"),
        mqtt_url=settings.need("mqtt_url"),
        secret_keys=(settings.need("secret_key").encode(), *settings.earlier_secret_keys),
        rules=RuleFolder(rules_folder(settings.rules_dir)),
        spool_bytes=settings.spool_mib * 1024 * 1024,
        partition=Partition(partition or 0, count),
    )
    signal.signal(signal.SIGHUP, lambda *_: work.reread.set())
    stop = stop_on_signals()
    if count > 1 and partition is not None:
        structlog.contextvars.bind_contextvars(partition=partition)
    if count > 1 and partition is None:
        _run_partition_workers(settings, work, stop)
        return
    worker = Worker(work)
    if partition is None:
        _serve_metrics(settings, REGISTRY)
    worker.run(stop)


def _repartition(settings: Settings, count: int) -> None:
    publish_url = settings.need("publish_mqtt_url") if settings.publish_mqtt_url else None
    try:
        change_partitions(settings.need("database_url"), settings.need("mqtt_url"), publish_url, count, say)
    except NotDrainedError as error:
        raise fail(str(error), Exit.REFUSED) from error
    except BrokerUnavailableError as error:
        raise fail(str(error), Exit.UNAVAILABLE) from error


def _run_partition_workers(settings: Settings, work: IngestSettings, stop: threading.Event) -> None:
    with tempfile.TemporaryDirectory(prefix="anju-metrics-") as folder:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        _serve_metrics(settings, registry)
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": folder}
        workers = PartitionWorkers(work.partition.count, environment, Path(folder))
        signal.signal(signal.SIGHUP, lambda *_: workers.reread_rules())
        workers.run(work.database_url, stop)


def _serve_metrics(settings: Settings, registry: CollectorRegistry) -> None:
    if settings.metrics_port:
        start_http_server(settings.metrics_port, addr=settings.http_host, registry=registry)
