"""A limit on the data of each device, so that a flooding device cannot starve the others.

Each device has a token bucket, measured in bytes: the cost of decoding and storing a message grows with its size.
Excess is acknowledged, counted and discarded unread. The figures: docs/decisions/0007-a-bound-on-a-device.md.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from devices.payload import FindDevice, Rejection, find_sender, storable_topic
from devices.schema import Reason
from ingest.batch import Rejected
from ingest.receiver import Message

BURST_BYTES = 8 * 1024 * 1024
BYTES_PER_S = 16 * 1024
MESSAGE_BYTES = 128
"""The cost of a message in addition to its bytes."""
_BURST_S = BURST_BYTES / BYTES_PER_S
_DETAIL = "more than 8 MiB at once, or than 16 KiB a second for long: what is in excess is thrown away unread"
_UNREGISTERED = 0
_SWEEP_AT = 10_000
_NEARLY_S = 1.0


class Admission(NamedTuple):
    """The messages to decode, in their order, and one rejection for each sender with excess."""

    messages: list[Message]
    rejections: list[Rejected]


@dataclass(slots=True)
class DeviceLimit:
    """Token buckets of devices, each as the time in seconds at which it is full again; full ones are left out.

    Unregistered senders share one bucket: their messages are useless, and the number of their topics has no bound.
    """

    full_at_s: dict[int, float] = field(default_factory=dict)
    sweep_at: int = _SWEEP_AT

    def admit(
        self, messages: Sequence[Message], find_device: FindDevice, now_s: float, lag_s: float = 0.0
    ) -> Admission:
        """Charge each sender's token bucket and split the messages into admitted and rejected.

        Args:
            messages: received messages, in order. Redelivered ones are free: they were charged before.
            find_device: finds a registered device by (community, device), or None.
            now_s: the time in seconds by a clock that never jumps.
            lag_s: the seconds since ingest was last caught up. A backlog of ingest must not count against a device:
                its allowance of that time is added.
        """
        full_now_s, latest_s = now_s - lag_s, now_s + _BURST_S
        self._drop_full_buckets(full_now_s)
        admitted: list[Message] = []
        excess: dict[int, list[Message]] = defaultdict(list)
        for message in messages:
            sender = find_sender(message.topic, find_device)
            key = sender[0].id if sender else _UNREGISTERED
            full_at_s = max(self.full_at_s.get(key, full_now_s), full_now_s) + _cost_s(message)
            if full_at_s <= latest_s:
                self.full_at_s[key] = full_at_s
            elif not message.redelivered:
                excess[key].append(message)
                continue
            admitted.append(message)
        return Admission(admitted, [_rejected(refusals, find_device) for refusals in excess.values()])

    def _drop_full_buckets(self, full_now_s: float) -> None:
        """Drop the buckets that are full or nearly full, whenever their number has doubled since the last time.

        No bucket fills while a backlog is worked off, and each of 400,000 devices may have drawn a little from its own.
        """
        if len(self.full_at_s) >= self.sweep_at:
            nearly_s = full_now_s + _NEARLY_S
            self.full_at_s = {key: at_s for key, at_s in self.full_at_s.items() if at_s > nearly_s}
            self.sweep_at = max(_SWEEP_AT, 2 * len(self.full_at_s))


def _cost_s(message: Message) -> float:
    """Return the seconds in which a bucket refills the cost of a message."""
    return (len(message.payload) + MESSAGE_BYTES) / BYTES_PER_S


def _rejected(messages: Sequence[Message], find_device: FindDevice) -> Rejected:
    """Return one rejection for the excess of a sender, with the topic and size of its first message."""
    first = messages[0]
    sender = find_sender(first.topic, find_device)
    device = sender[0] if sender else None
    rejection = Rejection(storable_topic(first.topic), Reason.RATE_LIMITED, _DETAIL, b"", len(first.payload), device)
    return Rejected(rejection, first.received_at, len(messages))
