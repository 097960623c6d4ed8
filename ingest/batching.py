"""Batches of messages: collected from the receiver, admitted by device, split where one cannot be written."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from devices.payload import FindDevice, Rejection
from devices.schema import Reason
from ingest import metrics
from ingest.batch import Rejected
from ingest.catch_up import CatchUpMonitor
from ingest.device_limit import Admission, DeviceLimit
from ingest.receiver import Message, Receiver

BATCH_S = 0.1
_IDLE_S = 0.05


class Batching:
    """The batches of one receiver: closed by size or by time, with the excess of flooding devices taken out."""

    def __init__(self, receiver: Receiver, catch_up: CatchUpMonitor, partition: int) -> None:
        self._receiver = receiver
        self._catch_up = catch_up
        self._partition = partition
        self._device_limit = DeviceLimit()
        self._closed_at_s = 0.0  # by the monotonic clock

    def collect(self) -> list[Message]:
        """Return the messages of the next batch; empty if nothing came for a moment.

        A batch closes when it is full, or 0.1 s after the previous one closed. So messages that came during a
        transaction do not wait another 0.1 s, and a message that comes alone does not wait at all. The connection is
        read even where a full batch is buffered: a broker drops a client that does not read.
        """
        buffered = self._receiver.buffered
        if not self._receiver.poll(0 if buffered else _IDLE_S) and not buffered and self._receiver.subscribed:
            self._catch_up.note_idle(datetime.now(UTC))
        until_s = self._closed_at_s + BATCH_S
        while self._receiver.buffered and not self._receiver.has_a_batch and (left := until_s - time.monotonic()) > 0:
            self._receiver.poll(left)
        metrics.BUFFERED.labels(self._partition).set(self._receiver.buffered)
        messages = self._receiver.take()
        if messages:
            self._closed_at_s = time.monotonic()
        return messages

    def admit(self, messages: Sequence[Message], find_device: FindDevice) -> Admission:
        """Charge each device for its messages; the excess becomes rejections.

        Called once a batch: a batch that is written again after a failure costs its devices nothing more.
        """
        redelivered = sum(message.redelivered for message in messages)
        metrics.MESSAGES.labels("yes").inc(redelivered)
        metrics.MESSAGES.labels("no").inc(len(messages) - redelivered)
        lag_s = self._catch_up.lag_s(datetime.now(UTC))
        return self._device_limit.admit(messages, find_device, time.monotonic(), lag_s)


def split(messages: list[Message]) -> tuple[list[Message], list[Message]]:
    """Return the first and the second half of a batch that cannot be written as a whole."""
    half = len(messages) // 2
    return messages[:half], messages[half:]


def unwritable(message: Message, error: Exception) -> Rejected:
    """Return the rejection of a message that cannot be written, with the error as its reason."""
    detail = f"it can't be written: {type(error).__name__}: {error}"
    rejection = Rejection(message.topic, Reason.IMPOSSIBLE_VALUE, detail, b"", len(message.payload), None)
    return Rejected(rejection, message.received_at)
