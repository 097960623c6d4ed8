"""Batches of messages: collected from the receiver, and admitted by device."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Self

from devices.device import Device, FindDevice
from devices.payload import Rejection
from devices.schema import Reason
from devices.storable import storable_topic
from ingest import metrics
from ingest.batch import Rejected
from ingest.catch_up import CatchUpMonitor
from ingest.device_limit import DeviceLimit, Excess
from ingest.receiver import Message, Receiver
from ingest.registry_cache import RegistryCache
from ingest.spool import Spool

BATCH_S = 0.1
_IDLE_S = 0.05
_UNREGISTERED = "more than topics of no registered device may send together: 2 MiB at once, 16 KiB a second for long"
_SPOOL_FULL = "its spool is full: more of this device, or of all, waits to be stored than ANJU_SPOOL_MIB allows"


class Extra(NamedTuple):
    """What a batch stores besides its decoded messages."""

    spooled: Sequence[Excess] = ()
    rejections: Sequence[Rejected] = ()
    discarded: Sequence[Message] = ()
    """Messages of the spool that are rejected undecoded."""

    def with_unwritable(self, message: Message, error: Exception, registry: RegistryCache) -> Self:
        """Return it with the rejection of a message that cannot be written, with the error as its reason."""
        detail = f"it can't be written: {type(error).__name__}: {error}"
        topic = storable_topic(message.topic, registry.find, registry.communities)
        rejection = Rejection(topic, Reason.IMPOSSIBLE_VALUE, detail, b"", len(message.payload), None)
        rejected = Rejected(rejection, message.received_at)
        return self._replace(rejections=[*self.rejections, rejected], discarded=[*self.discarded, message])


class Admission(NamedTuple):
    """A batch: all messages to acknowledge, those to decode, and the rest as it is stored."""

    received: list[Message]
    messages: list[Message]
    extra: Extra


NOTHING = Extra()
NO_MESSAGES = Admission([], [], NOTHING)


class Batching:
    """The batches of one receiver: closed by size or by time, with the excess of flooding devices taken out."""

    def __init__(self, receiver: Receiver, spool: Spool, catch_up: CatchUpMonitor, partition: int) -> None:
        self._receiver = receiver
        self._spool = spool
        self._catch_up = catch_up
        self._partition = partition
        self._device_limit = DeviceLimit()
        self._closed_at_s = 0.0  # by the monotonic clock

    def collect(self, registry: RegistryCache, is_urgent: Callable[[bytes], bool]) -> Admission:
        """Return the next batch, with each device charged for its messages; empty if nothing came for a moment.

        A batch closes when it is full, or 0.1 s after the previous one closed. So messages that came during a
        transaction do not wait another 0.1 s, and a message that comes alone does not wait at all. The connection is
        read even where a full batch is buffered: a broker drops a client that does not read.
        """
        buffered = self._receiver.buffered
        idle_s = 0 if buffered or self._spool.devices else _IDLE_S
        if not self._receiver.poll(idle_s) and not buffered and self._receiver.subscribed:
            self._catch_up.note_idle(datetime.now(UTC))
        until_s = self._closed_at_s + BATCH_S
        while self._receiver.buffered and not self._receiver.has_a_batch and (left := until_s - time.monotonic()) > 0:
            self._receiver.poll(left)
        metrics.BUFFERED.labels(self._partition).set(self._receiver.buffered)
        if not self._receiver.buffered:
            return NO_MESSAGES
        admission = self._admit(registry, is_urgent)
        self._closed_at_s = time.monotonic()
        return admission

    def has_spare_time(self) -> bool:
        """Return whether less than a batch waits, so that nothing is late."""
        self._receiver.poll(0)
        return not self._receiver.has_a_batch

    def _admit(self, registry: RegistryCache, is_urgent: Callable[[bytes], bool]) -> Admission:
        """Charge each device for its messages; the excess goes to the spool, or is rejected where that is full.

        Called once a batch: a batch that is written again after a failure costs its devices nothing more.
        """
        now = datetime.now(UTC)
        charged = self._device_limit.charge(
            self._receiver.take(),
            registry.find_sender,
            time.monotonic(),
            self._catch_up.lag_s(now),
            spooled=self._spool.devices,
            is_urgent=is_urgent,
        )
        redelivered = sum(message.redelivered for message in charged.received)
        metrics.MESSAGES.labels("yes").inc(redelivered)
        metrics.MESSAGES.labels("no").inc(len(charged.received) - redelivered)
        spooled, refused = self._spool.admit(charged.excess, now)
        return Admission(
            charged.received,
            charged.admitted,
            Extra(spooled, _rejections(charged.unregistered, refused, registry.find)),
        )


def _rejections(unregistered: Sequence[Message], refused: Sequence[Excess], find_device: FindDevice) -> list[Rejected]:
    """Return one rejection for each sender, with the topic and size of its first message."""
    of_sender: dict[Device | None, list[Message]] = defaultdict(list)
    if unregistered:
        of_sender[None] += unregistered
    for device, message, _ in refused:
        of_sender[device].append(message)
    return [_rate_limited(device, messages, find_device) for device, messages in of_sender.items()]


def _rate_limited(device: Device | None, messages: Sequence[Message], find_device: FindDevice) -> Rejected:
    first, detail = messages[0], _SPOOL_FULL if device else _UNREGISTERED
    topic = first.topic if device else storable_topic(first.topic, find_device)
    rejection = Rejection(topic, Reason.RATE_LIMITED, detail, b"", len(first.payload), device)
    return Rejected(rejection, first.received_at, len(messages))
