"""The loop of ingest: receive, batch, decode, write, acknowledge.

One thread, one batch at a time. Nothing is acknowledged before its transaction has committed. While the database is
away the batch stays in hand, the receiver's buffer fills and then stops reading, and the broker keeps the rest.
"""

import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from devices.privacy import Pseudonymiser
from ingest import metrics
from ingest.batch import Batch, Rejected, decode_batch, has_unknown_device
from ingest.batching import BATCH_S, Batching, split, unwritable
from ingest.catch_up import CatchUpMonitor
from ingest.device_limit import Admission
from ingest.evaluation import Evaluation
from ingest.garbage import CollectionTimer, collect_young_objects, freeze_long_lived_objects
from ingest.ownership import acquire_partition, report_ownership
from ingest.partition import EVERYTHING, Partition
from ingest.receiver import Message, Receiver
from ingest.registry_cache import RegistryCache
from ingest.rejection_limit import RejectionLimit
from ingest.write_batch import Written, store_selection, write_batch
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
    """Settings of a worker; setting the event `reread` makes it read the rules again at once."""

    database_url: str
    mqtt_url: str
    secret_key: bytes
    rules: RuleFolder
    partition: Partition = EVERYTHING
    reread: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Context:
    """One connection to the database, with the registry and the rule states that were read from it."""

    connection: Connection
    registry: RegistryCache
    evaluation: Evaluation
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
        self._batching = Batching(self._receiver, self._catch_up, settings.partition.number)
        self._pseudonymiser = Pseudonymiser(settings.secret_key)
        self._rejection_limit = RejectionLimit()
        self._collections = CollectionTimer()
        self._in_hand: list[Message] = []
        self._admission = Admission([], [])
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
            if not self._in_hand:
                self._in_hand = self._batching.collect()
                self._admission = self._batching.admit(self._in_hand, context.registry.find)
            if self._in_hand:
                context = self._process(context, self._admission.messages, self._admission.rejections)
                self._receiver.acknowledge(self._in_hand)
                self._in_hand = []
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + _TICK_S
                self._tick(context)
                context = self._reload_rules(context)

    def _process(self, context: Context, messages: list[Message], rejections: list[Rejected]) -> Context:
        """Write a batch. One that cannot be written is split until the message at fault is alone.

        Returns:
            The context for the next batch; another one if a transaction failed.
        """
        parts = [messages]
        while parts or rejections:
            part = parts.pop() if parts else []
            try:
                self._write(context, part, rejections)
            except DatabaseUnavailableError:
                raise
            except Exception as error:
                if not part:
                    raise
                # Any error of one message's content, foreseen or not: it must not stop the messages that follow.
                log.exception("a batch cannot be written", messages=len(part))
                context = self._restore(context.connection)
                if len(part) == 1:
                    rejections = [*rejections, unwritable(part[0], error)]
                else:
                    parts += reversed(split(part))
            else:
                rejections = []
                # If the database goes away in a later part, the batch is tried again without them.
                self._admission = self._admission._replace(rejections=[])
        return context

    def _write(self, context: Context, messages: list[Message], rejections: list[Rejected]) -> None:
        """Decode messages and write them in one transaction."""
        began_s = time.monotonic()
        batch = self._decode(context, messages)
        for rejected in rejections:
            batch.reject(rejected)
        written = write_batch(context.connection, batch, context.evaluation, self._rejection_limit, _now())
        self._catch_up.note_ages(_now(), batch.sample_ages_s())
        _count(batch, written)
        if messages:
            metrics.BATCH_MESSAGES.observe(len(messages))
            metrics.BATCH_SECONDS.observe(time.monotonic() - began_s)

    def _decode(self, context: Context, messages: list[Message]) -> Batch:
        """Decode a batch; for an unknown device the registry is read again, for it may just have been imported."""
        batch = decode_batch(messages, context.registry.find, self._pseudonymiser)
        if has_unknown_device(batch) and _refresh(context):
            batch = decode_batch(messages, context.registry.find, self._pseudonymiser)
        return batch

    def _tick(self, context: Context) -> None:
        """Let the time of the rules pass, and report the state of this worker."""
        now = _now()
        self._catch_up.note_subscription(now, subscribed=self._receiver.subscribed)
        caught_up = self._catch_up.is_caught_up(now)
        metrics.SUBSCRIBED.labels(self._partition.number).set(self._receiver.subscribed)
        metrics.LIVE.labels(self._partition.number).set(caught_up)
        _refresh(context)
        with translated_errors(), context.connection.transaction():
            transitions = context.evaluation.tick(context.connection, now, caught_up=caught_up)
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
        evaluation = Evaluation(self._settings.rules.pack, registry, self._partition, _now(), clock)
        with translated_errors(), connection.transaction():
            registry.refresh(connection)
            evaluation.restore(connection, _now())
            self._catch_up.caught_up_at = self._catch_up.caught_up_at or last_caught_up(
                connection, self._partition.number
            )
        freeze_long_lived_objects()
        if self._outage.end():
            log.info("the database is back", in_hand=len(self._in_hand))
        return Context(connection, registry, evaluation, _now())

    def _lose_database(self, error: DatabaseUnavailableError) -> None:
        metrics.DATABASE_FAILURES.inc()
        metrics.LIVE.labels(self._partition.number).set(0)
        self._outage.report(error, in_hand=len(self._in_hand))

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
    for rejected in batch.rejections:
        metrics.REJECTIONS.labels(rejected.rejection.reason).inc(rejected.times)
    _count_transitions(written.transitions)


def _count_transitions(transitions: list[Transition]) -> None:
    for transition in transitions:
        metrics.TRANSITIONS.labels(transition.to_phase).inc()


def _now() -> datetime:
    return datetime.now(UTC)
