"""The loop of ingest: receive, decode, write and judge, acknowledge.

One thread, one batch at a time. Nothing is acknowledged before its transaction has committed; when the database is
away the batch stays in hand, the receiver's buffer fills and then stops reading, and the broker keeps the rest.
"""

import gc
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from devices.payload import Rejection
from devices.privacy import Pseudonymiser
from devices.schema import Reason
from ingest import metrics
from ingest.batch import Batch, Rejected, decode_batch, has_unknown_device
from ingest.catch_up import Pulse
from ingest.device_limit import Admission, DeviceLimit
from ingest.evaluation import Judge
from ingest.garbage import GarbagePauses
from ingest.partition import EVERYTHING, Partition
from ingest.receiver import Message, Receiver
from ingest.registry_cache import DevicesInMemory
from ingest.rejection_limit import RejectionLimit
from ingest.write_batch import Written, write_batch
from rules.engine.timers import Clock
from rules.engine.transition import Transition
from rules.language.loader import RuleFileError
from rules.language.reload import RuleSource
from store.admin.locks import (
    PartitionReport,
    acquire_partition_lock,
    connect_for_locks,
    ensure_partition_count,
    last_caught_up,
    save_partition_report,
)
from store.database import Connection, DatabaseUnavailableError, translated_errors

log = structlog.get_logger()

_BATCH_S = 0.1
_TICK_S = 1.0
_QUIET_S = 0.05
_RETRY_S = 1.0
_LAGS = 200
_YOUNG = 1  # the generation of the collector that holds what the last ticks have left


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What ingest works with.

    `report` is told of every transition that was stored; setting `reread` has the rules read again at once.
    """

    database_url: str
    mqtt_url: str
    secret_key: bytes
    rules: RuleSource
    partition: Partition = EVERYTHING
    report: Callable[[list[Transition]], None] = lambda _: None
    reread: threading.Event = field(default_factory=threading.Event)


class Worker:
    """Owns a partition: its session with the broker and the state of its devices."""

    def __init__(self, settings: IngestSettings) -> None:
        """Prepare; nothing is connected yet.

        Raises:
            ValueError: the broker's URL or the secret key can't be used.
        """
        self._settings = settings
        self._partition = settings.partition
        self._receiver = Receiver(settings.mqtt_url, settings.partition)
        self._pseudonymiser = Pseudonymiser(settings.secret_key)
        self._pulse = Pulse()
        self._pauses = GarbagePauses()
        self._device_limit = DeviceLimit()
        self._limit = RejectionLimit()
        self._in_hand: list[Message] = []
        self._admission = Admission([], [])
        self._away = ""  # why, while it is
        self._closed_at = 0.0  # when the last batch was, by the monotonic clock

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; the batch in hand is finished first if the database allows it.

        Where another owns the partition, the only one of one waits for it. One of several returns: whoever started it
        looks for another.

        Raises:
            PartitionCountError: the communities are divided into more or fewer partitions.
        """
        self._pauses.start()
        while not stop.is_set():
            try:
                with closing(connect_for_locks(self._settings.database_url, application_name="anju ingest")) as session:
                    if not self._becomes_owner(session, stop):
                        break
                    self._serve(session, stop)
                    # Before the lock goes with the connection: the next owner has the session with the broker alone.
                    self._receiver.close()
                    return
            except DatabaseUnavailableError as error:
                self._lose_database(error)
                self._wait(stop)
        self._receiver.close()

    def _lose_database(self, error: DatabaseUnavailableError) -> None:
        metrics.DATABASE_FAILURES.inc()
        metrics.LIVE.labels(self._partition.number).set(0)
        if self._away != str(error):
            log.warning("the database is away, trying every second", error=str(error), in_hand=len(self._in_hand))
        self._away = str(error)

    def _wait(self, stop: threading.Event) -> None:
        """Keep the session with the broker alive for a while, if it stands."""
        until = time.monotonic() + _RETRY_S
        while not stop.is_set() and (remaining := until - time.monotonic()) > 0:
            self._receiver.keep(min(remaining, _BATCH_S))
            self._pulse.subscription(_now(), stands=False)

    def _becomes_owner(self, connection: Connection, stop: threading.Event) -> bool:
        """Whether the partition is ours. Only its owner may connect to the broker."""
        number, count = self._partition.number, self._partition.count
        owned = acquire_partition_lock(connection, partition=number)
        if not owned:
            log.warning("another ingest is at work on this partition", partition=number)
        while not owned and count == 1 and not stop.is_set():
            self._wait(stop)
            owned = acquire_partition_lock(connection, partition=number)
        if owned:
            ensure_partition_count(connection, count)
        return owned and not stop.is_set()

    def _serve(self, connection: Connection, stop: threading.Event) -> None:
        session = self._restored(connection)
        _spare_the_collector()
        next_tick = time.monotonic()
        while not stop.is_set():
            if not self._in_hand:
                self._in_hand = self._collect()
                self._admission = self._admit(session, self._in_hand)
            if self._in_hand:
                session = self._process(session, self._admission.messages)
                self._reject(session, self._admission.rejections)
                self._receiver.acknowledge(self._in_hand)
                self._in_hand = []
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + _TICK_S
                self._tick(session)
                session = self._with_changed_rules(session)

    def _with_changed_rules(self, session: "_Session") -> "_Session":
        """The session, with a judge by other rules if a file of them has changed; those that can't be used are not."""
        forced = self._settings.reread.is_set()
        self._settings.reread.clear()
        try:
            if not self._settings.rules.reread(forced=forced):
                return session
        except (RuleFileError, OSError) as error:
            metrics.RULES_REFUSED.inc()
            log.warning("the changed rules can't be used, those before stay in force", error=str(error))
            return session
        log.info("other rules are in force", rules=len(self._settings.rules.pack.rules))
        session = self._restored(session.connection, session.judge.clock)
        _spare_the_collector()
        return session

    def _restored(self, connection: Connection, clock: Clock | None = None) -> "_Session":
        devices = DevicesInMemory(self._partition)
        judge = Judge(self._settings.rules.pack, devices, self._partition, _now(), clock)
        with translated_errors(), connection.transaction():
            devices.refresh(connection)
            judge.restore(connection, _now())
            self._pulse.seen_present_at = self._pulse.seen_present_at or last_caught_up(
                connection, self._partition.number
            )
        if self._away:
            log.info("the database is back", in_hand=len(self._in_hand))
            self._away = ""
        return _Session(connection, devices, judge, _now())

    def _collect(self) -> list[Message]:
        """What has arrived: a batch closes when it is full, or a tenth of a second after the one before it.

        So what came while that one was written does not wait another tenth, and a message that comes alone not at all.
        Even where a batch waits already there is a look at the connection: a broker drops whoever does not read.
        """
        waiting = self._receiver.buffered
        if not self._receiver.poll(0 if waiting else _QUIET_S) and not waiting and self._receiver.subscribed:
            self._pulse.quiet(_now())
        until = self._closed_at + _BATCH_S
        while self._receiver.buffered and not self._receiver.has_a_batch and (left := until - time.monotonic()) > 0:
            self._receiver.poll(left)
        metrics.BUFFERED.labels(self._partition.number).set(self._receiver.buffered)
        taken = self._receiver.take()
        if taken:
            self._closed_at = time.monotonic()
        return taken

    def _admit(self, session: "_Session", messages: list[Message]) -> Admission:
        """What of it is decoded. Asked once, so that a batch that is written again costs its senders nothing more."""
        redelivered = sum(message.redelivered for message in messages)
        metrics.MESSAGES.labels("yes").inc(redelivered)
        metrics.MESSAGES.labels("no").inc(len(messages) - redelivered)
        behind_s = self._pulse.behind_s(_now())
        return self._device_limit.admit(messages, session.devices.find, time.monotonic(), behind_s)

    def _process(self, session: "_Session", messages: list[Message]) -> "_Session":
        """Write a batch. One that fails for what is in it is split until the message that makes it fail is alone."""
        if not messages:
            return session
        began = time.monotonic()
        batch = self._decode(session, messages)
        try:
            written = write_batch(session.connection, batch, session.judge, self._limit, _now())
        except DatabaseUnavailableError:
            raise
        except Exception as error:
            # Whatever it is that nobody foresaw: one message must not stop all that follow it.
            log.exception("a batch can't be written", messages=len(messages))
            session = self._restored(session.connection)
            if len(messages) == 1:
                self._reject(session, [_unwritable(messages[0], error)])
                return session
            half = len(messages) // 2
            return self._process(self._process(session, messages[:half]), messages[half:])
        self._note(batch, written)
        metrics.BATCH_MESSAGES.observe(len(messages))
        metrics.BATCH_SECONDS.observe(time.monotonic() - began)
        return session

    def _decode(self, session: "_Session", messages: list[Message]) -> Batch:
        """Decode; a device that is not known may have been imported a moment ago."""
        batch = decode_batch(messages, session.devices.find, self._pseudonymiser)
        if has_unknown_device(batch) and _refreshed(session):
            batch = decode_batch(messages, session.devices.find, self._pseudonymiser)
        return batch

    def _reject(self, session: "_Session", rejections: list[Rejected]) -> None:
        if rejections:
            batch = Batch(rejections=rejections)
            self._note(batch, write_batch(session.connection, batch, session.judge, self._limit, _now()))

    def _tick(self, session: "_Session") -> None:
        now = _now()
        self._pulse.subscription(now, stands=self._receiver.subscribed)
        live = self._pulse.live(now)
        metrics.SUBSCRIBED.labels(self._partition.number).set(self._receiver.subscribed)
        metrics.LIVE.labels(self._partition.number).set(live)
        _refreshed(session)
        with translated_errors(), session.connection.transaction():
            transitions = session.judge.tick(session.connection, now, live=live)
            save_partition_report(session.connection, self._report(session, now, live=live))
        self._tell(transitions)
        gc.collect(_YOUNG)
        self._pauses.report()

    def _report(self, session: "_Session", now: datetime, *, live: bool) -> PartitionReport:
        return PartitionReport(
            partition=self._partition.number,
            host=socket.gethostname(),
            pid=os.getpid(),
            owner_since=session.since,
            committed_at=now,
            live=live,
            present_at=self._pulse.seen_present_at,
            buffered=self._receiver.buffered,
        )

    def _note(self, batch: Batch, written: Written) -> None:
        self._pulse.lags(_now(), _lags_s(batch))
        for outcome in written.readings.values():
            metrics.ITEMS.labels("stored").inc(outcome.stored)
            metrics.ITEMS.labels("merged").inc(outcome.merged)
            metrics.ITEMS.labels("duplicate").inc(outcome.duplicates)
        metrics.ITEMS.labels("stored").inc(written.new_events)
        metrics.ITEMS.labels("duplicate").inc(len(batch.events) - written.new_events)
        metrics.ITEMS.labels("connection").inc(len(batch.connections))
        for rejected in batch.rejections:
            metrics.REJECTIONS.labels(rejected.rejection.reason).inc(rejected.times)
        self._tell(written.transitions)

    def _tell(self, transitions: list[Transition]) -> None:
        for transition in transitions:
            metrics.TRANSITIONS.labels(transition.to_phase).inc()
        if transitions:
            self._settings.report(transitions)


@dataclass(frozen=True, slots=True)
class _Session:
    """One connection to the database, and what is known from it."""

    connection: Connection
    devices: DevicesInMemory
    judge: Judge
    since: datetime


def _unwritable(message: Message, error: Exception) -> Rejected:
    detail = f"it can't be written: {type(error).__name__}: {error}"
    rejection = Rejection(message.topic, Reason.IMPOSSIBLE_VALUE, detail, b"", len(message.payload), None)
    return Rejected(rejection, message.received_at)


def _refreshed(session: _Session) -> bool:
    with translated_errors():
        return session.devices.refresh(session.connection)


def _spare_the_collector() -> None:
    """Keep garbage collection from looking through the registry and all memories again and again.

    They live as long as the process; walking through those of 400,000 devices would make a pause of a second. What a
    batch makes is freed by its reference counts. In the middle of a batch a collection would walk through all of it for
    nothing, so the tick asks for one, when little is left.
    """
    gc.disable()
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _lags_s(batch: Batch) -> list[float]:
    """How old some of the readings were when they arrived; so many tell enough of a batch of thousands."""
    some = batch.candidates[:: len(batch.candidates) // _LAGS + 1]
    return [(sample.received_at - sample.ts).total_seconds() for _, sample, _ in some if sample.event is None]


def _now() -> datetime:
    return datetime.now(UTC)
