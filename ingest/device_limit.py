"""How much a device may send, so that one that floods can't starve the others.

Each device has a token bucket, measured in bytes: what a message costs to decode and to store grows with them. What is
more than that is acknowledged, counted and thrown away unread. The figures: docs/decisions/0007-a-bound-on-a-device.md.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from devices.payload import FindDevice, Rejection, find_sender, kept_topic
from devices.schema import Reason
from ingest.batch import Rejected
from ingest.receiver import Message

BURST_BYTES = 8 * 1024 * 1024
BYTES_PER_S = 16 * 1024
MESSAGE_BYTES = 128
"""What a message costs besides its bytes."""
_BURST_S = BURST_BYTES / BYTES_PER_S
_DETAIL = "more than 8 MiB at once, or than 16 KiB a second for long: what is in excess is thrown away unread"
_UNREGISTERED = 0
_SWEEP_AT = 10_000
_NEARLY_S = 1.0


class Admission(NamedTuple):
    """The messages to be decoded, in their order, and one rejection for each sender that has sent more than it may."""

    messages: list[Message]
    rejections: list[Rejected]


@dataclass(slots=True)
class DeviceLimit:
    """When the bucket of each device will be full again, in seconds; one that is full already need not be known.

    All that no registered device sends shares one bucket. It could not be used anyway, and its topics have no end.
    """

    full_at_s: dict[int, float] = field(default_factory=dict)
    sweep_at: int = _SWEEP_AT

    def admit(
        self, messages: Sequence[Message], find_device: FindDevice, now_s: float, behind_s: float = 0.0
    ) -> Admission:
        """Take from each sender's bucket what its messages cost, and tell apart what it does not hold.

        Args:
            messages: what has come, in order. What the broker sends again is free: it has been paid for.
            find_device: the registry: (community, device) to a device, or None.
            now_s: the time in seconds by a clock that never jumps.
            behind_s: how long ago nothing waited at the broker. A backlog that is ours must not count against a device:
                what it may send in that time is allowed on top.

        Returns:
            What is to be decoded, and what is rejected.
        """
        full_now_s, latest_s = now_s - behind_s, now_s + _BURST_S
        self._forget_the_full(full_now_s)
        admitted: list[Message] = []
        excess: dict[int, list[Message]] = defaultdict(list)
        for message in messages:
            known = find_sender(message.topic, find_device)
            key = known[0].id if known else _UNREGISTERED
            full_at_s = max(self.full_at_s.get(key, full_now_s), full_now_s) + _cost_s(message)
            if full_at_s <= latest_s:
                self.full_at_s[key] = full_at_s
            elif not message.redelivered:
                excess[key].append(message)
                continue
            admitted.append(message)
        return Admission(admitted, [_rejected(refused, find_device) for refused in excess.values()])

    def _forget_the_full(self, full_now_s: float) -> None:
        """Forget what says nothing, or next to nothing, each time as many more are known as were left the last time.

        While a backlog is worked off nobody's bucket fills, and each of 400,000 devices has taken a little of its own.
        """
        if len(self.full_at_s) >= self.sweep_at:
            nearly_s = full_now_s + _NEARLY_S
            self.full_at_s = {key: at_s for key, at_s in self.full_at_s.items() if at_s > nearly_s}
            self.sweep_at = max(_SWEEP_AT, 2 * len(self.full_at_s))


def _cost_s(message: Message) -> float:
    """How long a bucket takes to refill what a message takes out of it, in seconds."""
    return (len(message.payload) + MESSAGE_BYTES) / BYTES_PER_S


def _rejected(messages: Sequence[Message], find_device: FindDevice) -> Rejected:
    """One rejection for all that a sender had in excess, which shows the first."""
    first = messages[0]
    known = find_sender(first.topic, find_device)
    device = known[0] if known else None
    rejection = Rejection(kept_topic(first.topic), Reason.RATE_LIMITED, _DETAIL, b"", len(first.payload), device)
    return Rejected(rejection, first.received_at, len(messages))
