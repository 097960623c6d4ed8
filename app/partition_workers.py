"""Workers of one `anju ingest` with several partitions: a process for each owned partition.

Any number of `anju ingest`, on any number of machines, share the partitions. Each registers as a member and reads from
the database the members and the owned partitions. It takes free partitions up to its fair share, and releases the rest.
"""

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from prometheus_client.multiprocess import mark_process_dead

from ingest.partition import choose
from local.process import LAUNCHER
from store.admin.locks import (
    acquire_member_lock,
    connect_for_locks,
    ensure_partition_count,
    partition_owners,
    rank_among_members,
)
from store.database import Connection, repeat_over_outages
from store.outage import Outage

log = structlog.get_logger()

_LOOK_EVERY_S = 1.0
_PAUSE_S = 2.0
_LONGEST_BATCH_S = 20.0


@dataclass
class PartitionWorkers:
    """Worker processes by partition.

    Use it from the main thread only: Linux ties the lives of the workers to the thread that starts them. They get
    SIGTERM when it ends, however it does.

    Attributes:
        count: Number of partitions.
        environment: Environment of the workers.
        metrics_dir: Folder of their metrics, as in the environment.
        member: Number of this `anju ingest` among the members.
    """

    count: int
    environment: Mapping[str, str]
    metrics_dir: Path
    member: int = field(default_factory=lambda: secrets.randbits(31))
    _workers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    _not_before: dict[int, float] = field(default_factory=dict)
    _outage: Outage = field(default_factory=Outage)

    def run(self, database_url: str, stop: threading.Event) -> None:
        """Share the partitions with the other members until `stop` is set; all batches in hand are finished then.

        Raises:
            PartitionCountError: the communities are divided into more or fewer partitions.
        """

        def share() -> bool:
            with closing(connect_for_locks(database_url, application_name="anju ingest members")) as connection:
                if acquire_member_lock(connection, member=self.member):
                    self._share(connection, stop)
            return False

        try:
            # The workers go on during an outage.
            repeat_over_outages(share, stop, report=self._outage.report, pause=lambda: stop.wait(_LOOK_EVERY_S))
        finally:
            self._end()

    def reread_rules(self) -> None:
        """Have every worker read the rules again at once."""
        for worker in list(self._workers.values()):
            worker.send_signal(signal.SIGHUP)

    def _share(self, connection: Connection, stop: threading.Event) -> None:
        """Take and release partitions every second, as one of the members."""
        while not stop.is_set():
            ensure_partition_count(connection, self.count)
            self._outage.end()
            self._reap(time.monotonic())
            rank, members = rank_among_members(connection, member=self.member)
            chosen = choose(self.count, self._workers, partition_owners(connection), rank, members)
            for number in chosen.release:
                self._workers[number].terminate()
            for number in chosen.take:
                if time.monotonic() >= self._not_before.get(number, 0):
                    self._start(number)
            stop.wait(_LOOK_EVERY_S)

    def _start(self, number: int) -> None:
        anju = str(Path(sys.executable).with_name("anju"))
        command = (anju, "ingest", "--partitions", str(self.count), "--partition", str(number))
        launcher = (sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGTERM)), "-", "-")
        self._workers[number] = subprocess.Popen([*launcher, *command], env=self.environment)  # noqa: S603
        log.info("started a worker", partition=number, pid=self._workers[number].pid)

    def _reap(self, now: float) -> None:
        """Remove the workers that have ended. Their partitions can be taken again after a pause."""
        for number, worker in list(self._workers.items()):
            if worker.poll() is not None:
                log.info("a worker ended", partition=number, pid=worker.pid, status=worker.returncode)
                mark_process_dead(worker.pid, str(self.metrics_dir))  # type: ignore[no-untyped-call]
                self._not_before[number] = now + _PAUSE_S
                del self._workers[number]

    def _end(self) -> None:
        """Terminate all workers, and kill each that is still there after 20 s."""
        for worker in self._workers.values():
            worker.terminate()
        until = time.monotonic() + _LONGEST_BATCH_S
        for worker in self._workers.values():
            try:
                worker.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
