"""Ownership of a partition: one worker at a time, held by a lock in the database that ends with the connection."""

import os
import socket
import threading
from collections.abc import Callable
from datetime import datetime

import structlog

from ingest.partition import Partition
from store.admin.locks import PartitionReport, acquire_partition_lock, ensure_partition_count, save_partition_report
from store.database import Connection

log = structlog.get_logger()


def acquire_partition(
    connection: Connection, partition: Partition, stop: threading.Event, wait: Callable[[], None]
) -> bool:
    """Lock a partition and return whether this worker owns it. Only its owner may connect to the broker.

    Args:
        connection: the connection that holds the lock, and loses it when it ends.
        partition: the only partition of one is waited for until it is free; of several, a taken one is left alone.
        stop: ends the waiting.
        wait: pauses between two attempts.

    Raises:
        PartitionCountError: the communities are divided into more or fewer partitions.
    """
    owned = acquire_partition_lock(connection, partition=partition.number)
    if not owned:
        log.warning("another ingest owns this partition", partition=partition.number)
    while not owned and partition.count == 1 and not stop.is_set():
        wait()
        owned = acquire_partition_lock(connection, partition=partition.number)
    if owned:
        ensure_partition_count(connection, partition.count)
    return owned and not stop.is_set()


def report_ownership(
    connection: Connection,
    partition: Partition,
    *,
    owner_since: datetime,
    committed_at: datetime,
    caught_up: bool,
    caught_up_at: datetime | None,
    buffered: int,
) -> None:
    """Store the state of the owner of a partition, for `anju doctor` and the next owner."""
    save_partition_report(
        connection,
        PartitionReport(
            partition=partition.number,
            host=socket.gethostname(),
            pid=os.getpid(),
            owner_since=owner_since,
            committed_at=committed_at,
            caught_up=caught_up,
            caught_up_at=caught_up_at,
            buffered=buffered,
        ),
    )
