"""The loop of ingest: receive, batch, decode, write, acknowledge.

One thread, one batch at a time. Nothing is acknowledged before its transaction has committed. While the database is
away the batch stays in hand, the receiver's buffer fills and then stops reading, and the broker keeps the rest.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from devices.privacy import Pseudonymiser
from devices.seal import Seal
from ingest import metrics
from ingest.batch import Batch, decode_batch, has_unknown_device
from ingest.batching import BATCH_S, NO_MESSAGES, NOTHING, Batching, Extra
from ingest.catch_up import CatchUpMonitor
from ingest.erased import ErasedMeanwhileError
from ingest.evaluation import Evaluation
from ingest.garbage import CollectionTimer, collect_young_objects, freeze_long_lived_objects
from ingest.ownership import acquire_partition, report_ownership
from ingest.partition import EVERYTHING, Partition
from ingest.receiver import Message, Receiver
from ingest.registry_cache import RegistryCache
from ingest.rejection_limit import RejectionLimit
from ingest.sessions import Sessions
from ingest.spool import Pace, Spool, unreadable
from ingest.unwritable import Unwritable, find_unwritable, rest_of
from ingest.urgent import urgency_of
from ingest.write_batch import Written, store_selection, storing_error, write_batch
from rules.engine.timers import Clock
from rules.engine.transition import Transition
from rules.language.loader import RuleFileError
from rules.language.reload import RuleFolder
from store.admin.locks import connect_for_locks, last_caught_up
from store.database import Connection, DatabaseUnavailableError, repeat_over_outages, translated_errors
from store.outage import Outage

log = structlog.get_logger()

_TICK_S = 1.0
_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """Settings of a worker; setting the event `reread` makes it read the rules again at once.

    `secret_keys` are the one in force and those before it. `spool_bytes` is the bound on the spools of all partitions
    together.
    """

    database_url: str
    mqtt_url: str
    secret_keys: Sequence[bytes]
    rules: RuleFolder
    spool_bytes: int
    partition: Partition = EVERYTHING
    reread: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Context:
    """One connection to the database, with the registry and the rule states that were read from it."""

    connection: Connection
    registry: RegistryCache
    evaluation: Evaluation
    is_urgent: Callable[[bytes], bool]
    owner_since: datetime


class Worker:
    """Owner of a partition: of its session with the broker and of the state of its devices."""

    def __init__(self, settings: IngestSettings) -> None:
        """Prepare; nothing is connected yet.

        Raises:
            ValueError: the broker's URL or the secret key can't be used.
        """
        self._settings = settings
        self._partition = settings.partition
        self._receiver = Receiver(settings.mqtt_url, settings.partition)
        self._catch_up = CatchUpMonitor()
        self._sessions = Sessions(settings.mqtt_url, settings.partition, self._receiver, self._catch_up)
        self._spool = Spool(Seal(*settings.secret_keys), settings.spool_bytes // settings.partition.count)
        self._pace = Pace()
        self._batching = Batching(self._receiver, self._spool, self._catch_up, settings.partition.number)
        self._pseudonymiser = Pseudonymiser(*settings.secret_keys)
        self._rejection_limit = RejectionLimit()
        self._collections = CollectionTimer()
        self._in_hand = NO_MESSAGES
        self._outage = Outage()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; the batch in hand is finished first if the database allows it.

        The only worker of one partition waits while another owns it. One of several returns.

        Raises:
            PartitionCountError: the communities are divided into more or fewer partitions.
        """

        def work_as_owner() -> bool:
            with closing(connect_for_locks(self._settings.database_url, application_name="anju ingest")) as locked:
                if acquire_partition(locked, self._partition, stop, lambda: self._wait(stop)):
                    self._serve(locked, stop)
                # The session ends before the connection and its lock: the next owner has it for itself.
                self._receiver.close()
            return True

        self._collections.start()
        repeat_over_outages(work_as_owner, stop, report=self._lose_database, pause=lambda: self._wait(stop))
        self._receiver.close()

    def _serve(self, connection: Connection, stop: threading.Event) -> None:
        """Collect, write and acknowledge batches until `stop` is set, with a tick every second."""
        context = self._restore(connection)
        next_tick = time.monotonic()
        while not stop.is_set():
            if not self._in_hand.received:
                self._in_hand = self._batching.collect(context.registry, context.is_urgent)
            if self._in_hand.received:
                context = self._process(context, self._in_hand.messages, self._in_hand.extra)
                self._receiver.acknowledge(self._in_hand.received)
                self._in_hand = NO_MESSAGES
            if self._spool.devices and (self._pace.is_due() or self._batching.has_spare_time()):
                context = self._work_off_spool(context)
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + _TICK_S
                try:
                    self._tick(context)
                    context = self._reload_rules(context)
                except ErasedMeanwhileError:
                    context = self._restore(context.connection, context.evaluation.clock)

    def _work_off_spool(self, context: Context) -> Context:
        """Write some of the oldest spooled messages; they leave the spool in the transaction that stores them."""
        with self._pace.timed() as cost:
            messages, discarded = self._spool.take(context.connection, cost)
            return self._process(context, messages, Extra([], [unreadable(each) for each in discarded], discarded))

    def _process(self, context: Context, messages: list[Message], extra: Extra) -> Context:
        """Write a batch. One that cannot be written is tried again without the messages at fault.

        They are found without the rules, whose state has to be read from the database again after each failure. Where
        the rules themselves fail, the batch is split until the message at fault is alone. The connection with the
        broker is kept meanwhile: the broker would send the batch again, and the search would begin anew.

        Returns:
            The context for the next batch; another one if a transaction failed.
        """
        parts = [messages]
        while parts or any(extra):
            part = parts.pop() if parts else []
            try:
                self._write(context, part, extra)
            except DatabaseUnavailableError:
                raise
            except ErasedMeanwhileError:
                context = self._restore(context.connection, context.evaluation.clock)
                parts.append(part)
            except Exception as error:
                if not part:
                    raise
                # Any error of one message's content, foreseen or not: it must not stop the messages that follow.
                log.exception("a batch cannot be written", messages=len(part))
                context = self._restore(context.connection)
                self._receiver.keep(0)
                unwritable = self._find_unwritable(context, part, error)
                for one in unwritable:
                    extra = extra.with_unwritable(*one, context.registry)
                parts += reversed(rest_of(part, unwritable))
            else:
                extra = NOTHING
                # If the database goes away in a later part, the batch is tried again without it.
                self._in_hand = self._in_hand._replace(extra=NOTHING)
        return context

    def _find_unwritable(self, context: Context, part: list[Message], error: Exception) -> list[Unwritable]:
        """Return the messages at fault in a part that has failed with that error."""

        def storing_error_of(messages: list[Message]) -> Exception | None:
            self._receiver.keep(0)
            return storing_error(context.connection, self._decode(context, messages))

        return [Unwritable(part[0], error)] if len(part) == 1 else find_unwritable(part, storing_error_of)

    def _write(self, context: Context, messages: list[Message], extra: Extra) -> None:
        """Decode messages and write them in one transaction."""
        began_s = time.monotonic()
        batch = self._decode(context, messages)
        for rejected in extra.rejections:
            batch.reject(rejected)
        batch.spooled = self._spool.rows(extra.spooled)
        batch.last_seen |= {row.device_id: row.received_at for row in batch.spooled}
        if self._spool.devices:
            batch.worked_off = [each.spooled for each in (*messages, *extra.discarded) if each.spooled]
        written = write_batch(context.connection, batch, context.evaluation, self._rejection_limit, _now())
        self._spool.note_written(batch.spooled, batch.worked_off)
        if not batch.worked_off:
            self._catch_up.note_ages(_now(), batch.sample_ages_s())
        _count(batch, written)
        if messages:
            metrics.BATCH_MESSAGES.observe(len(messages))
            metrics.BATCH_SECONDS.observe(time.monotonic() - began_s)

    def _decode(self, context: Context, messages: list[Message]) -> Batch:
        """Decode a batch; for an unknown device the registry is read again, for it may just have been imported."""
        registry = context.registry

        def decode() -> Batch:
            return decode_batch(
                messages,
                registry.find,
                self._pseudonymiser,
                communities=registry.communities,
                senders=registry.find_sender,
            )

        batch = decode()
        return decode() if has_unknown_device(batch) and _refresh(context) else batch

    def _tick(self, context: Context) -> None:
        """Let the time of the rules pass, and report the state of this worker."""
        now = _now()
        self._catch_up.note_subscription(now, subscribed=self._receiver.subscribed)
        lost_span = self._sessions.step(context.connection, context.registry, now)
        caught_up = self._catch_up.is_caught_up(now)
        metrics.SUBSCRIBED.labels(self._partition.number).set(self._receiver.subscribed)
        metrics.LIVE.labels(self._partition.number).set(caught_up)
        waiting = self._spool.total
        metrics.SPOOLED_MESSAGES.labels(self._partition.number).set(waiting.messages)
        metrics.SPOOLED_BYTES.labels(self._partition.number).set(waiting.bytes)
        _refresh(context)
        with translated_errors(), context.connection.transaction():
            transitions = context.evaluation.tick(
                context.connection,
                now,
                caught_up=caught_up,
                refused_devices=self._spool.refused_devices(now),
                lost_span=lost_span,
            )
            selection = self._rejection_limit.select((), now)
            store_selection(context.connection, selection)
            report_ownership(
                context.connection,
                self._partition,
                owner_since=context.owner_since,
                committed_at=now,
                caught_up=caught_up,
                caught_up_at=self._catch_up.caught_up_at,
                buffered=self._receiver.buffered,
            )
        self._rejection_limit.confirm(selection)
        _count_transitions(transitions)
        collect_young_objects()
        self._collections.report()

    def _reload_rules(self, context: Context) -> Context:
        """Reload the rules if a file changed and return a context that uses them.

        Invalid files are logged, and the previous rules stay in force.
        """
        forced = self._settings.reread.is_set()
        self._settings.reread.clear()
        try:
            if not self._settings.rules.reload(force=forced):
                return context
        except (RuleFileError, OSError) as error:
            metrics.RULES_REFUSED.inc()
            log.warning("the changed rules are invalid, the previous rules stay in force", error=str(error))
            return context
        log.info("changed rules are in force", rules=len(self._settings.rules.pack.rules))
        return self._restore(context.connection, context.evaluation.clock)

    def _restore(self, connection: Connection, clock: Clock | None = None) -> Context:
        """Read the registry and the rule states from the database.

        Args:
            connection: the connection that holds the partition's lock.
            clock: the clock of the rules, where it goes on under changed rules.
        """
        registry = RegistryCache(self._partition)
        pack = self._settings.rules.pack
        evaluation = Evaluation(pack, registry, self._partition, _now(), clock, is_spooled=self._is_spooled(registry))
        with translated_errors(), connection.transaction():
            registry.refresh(connection)
            self._spool.restore(connection, registry.communities)
            self._sessions.restore(connection)
            evaluation.restore(connection, _now())
            self._catch_up.caught_up_at = self._catch_up.caught_up_at or last_caught_up(
                connection, self._partition.number
            )
        freeze_long_lived_objects()
        if self._outage.end():
            log.info("the database is back", in_hand=len(self._in_hand.received))
        return Context(connection, registry, evaluation, urgency_of(pack), _now())

    def _is_spooled(self, registry: RegistryCache) -> Callable[[int], bool]:
        """Return the test whether data of a device may wait in the spool: its own, or that of its gateway."""

        def is_spooled(device_id: int) -> bool:
            spooled = self._spool.devices
            if not spooled or device_id <= 0:
                return False
            device = registry.by_id(device_id)
            gateway = registry.find(device.community, device.gateway) if device.gateway else None
            return device_id in spooled or (gateway is not None and gateway.id in spooled)

        return is_spooled

    def _lose_database(self, error: DatabaseUnavailableError) -> None:
        metrics.DATABASE_FAILURES.inc()
        metrics.LIVE.labels(self._partition.number).set(0)
        self._outage.report(error, in_hand=len(self._in_hand.received))

    def _wait(self, stop: threading.Event) -> None:
        """Wait a second before the next attempt, and keep the connection to the broker alive if it stands."""
        until_s = time.monotonic() + _RETRY_S
        while not stop.is_set() and (remaining := until_s - time.monotonic()) > 0:
            self._receiver.keep(min(remaining, BATCH_S))
            self._catch_up.note_subscription(_now(), subscribed=False)


def _refresh(context: Context) -> bool:
    with translated_errors():
        return context.registry.refresh(context.connection)


def _count(batch: Batch, written: Written) -> None:
    """Count the outcomes of a written batch in the metrics."""
    for outcome in written.readings.values():
        metrics.ITEMS.labels("stored").inc(outcome.stored)
        metrics.ITEMS.labels("merged").inc(outcome.merged)
        metrics.ITEMS.labels("duplicate").inc(outcome.duplicates)
    metrics.ITEMS.labels("stored").inc(written.new_events)
    metrics.ITEMS.labels("duplicate").inc(len(batch.events) - written.new_events)
    metrics.ITEMS.labels("connection").inc(len(batch.connections))
    metrics.ITEMS.labels("erased").inc(written.erased)
    for rejected in batch.rejections:
        metrics.REJECTIONS.labels(rejected.rejection.reason).inc(rejected.times)
    _count_transitions(written.transitions)


def _count_transitions(transitions: list[Transition]) -> None:
    for transition in transitions:
        metrics.TRANSITIONS.labels(transition.to_phase).inc()


def _now() -> datetime:
    return datetime.now(UTC)
