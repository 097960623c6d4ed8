"""A limit on the data of each device, so that a flooding device cannot starve the others.

Each device has a token bucket, measured in bytes: the cost of decoding and storing a message grows with its size and
with its items. The excess waits in the spool. The figures: docs/decisions/0021-a-spool-for-the-excess.md.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from devices.device import Device
from devices.payload import FindSender
from ingest.receiver import Message

BURST_BYTES = 2 * 1024 * 1024
BYTES_PER_S = 16 * 1024
MESSAGE_BYTES = 128
"""The cost of a message in addition to its bytes."""
ITEM_BYTES = 48
"""The cost of each comma: there are at least as many as items but one, and `[1,1,1,...]` has nothing else."""
BATCH_COST = 4 * 1024 * 1024
"""The price of the admitted messages that close a batch: most of a second."""
URGENT_BURST_BYTES = 64 * 1024
URGENT_BYTES_PER_S = 256
_UNREGISTERED = 0
_SWEEP_AT = 10_000
_NEARLY_S = 1.0


class Excess(NamedTuple):
    """A message beyond the share of its device, with its price in bytes."""

    device: Device
    message: Message
    cost: int


class Charged(NamedTuple):
    """The messages of a batch: `admitted` ones to decode, `excess` to spool, `unregistered` beyond the share of all.

    All are in the order in which they were received.
    """

    received: list[Message]
    admitted: list[Message]
    excess: list[Excess]
    unregistered: list[Message]


@dataclass(slots=True)
class TokenBuckets:
    """Token buckets of devices, each as the time in seconds at which it is full again; full ones are left out.

    A bucket refills `bytes_per_s`, and is full after `burst_s`.
    """

    burst_s: float
    bytes_per_s: int
    full_at_s: dict[int, float] = field(default_factory=dict)
    sweep_at: int = _SWEEP_AT

    def charge(self, key: int, cost: int, full_now_s: float, now_s: float) -> bool:
        """Take the cost of a message from a bucket, and return whether the bucket held as much.

        Args:
            key: the device.
            cost: the price of the message in bytes.
            full_now_s: the time from which on a bucket counts as refilling.
            now_s: the present, by the same clock.
        """
        full_at_s = max(self.full_at_s.get(key, full_now_s), full_now_s) + cost / self.bytes_per_s
        if full_at_s > now_s + self.burst_s:
            return False
        self.full_at_s[key] = full_at_s
        return True

    def drop_full(self, full_now_s: float) -> None:
        """Drop the buckets that are full or nearly full, whenever their number has doubled since the last time.

        No bucket fills while a backlog is worked off, and each of 400,000 devices may have drawn a little from its own.
        """
        if len(self.full_at_s) >= self.sweep_at:
            nearly_s = full_now_s + _NEARLY_S
            self.full_at_s = {key: at_s for key, at_s in self.full_at_s.items() if at_s > nearly_s}
            self.sweep_at = max(_SWEEP_AT, 2 * len(self.full_at_s))


def _no_urgency(_: bytes) -> bool:
    return False


@dataclass(slots=True)
class DeviceLimit:
    """The share of each device, and a small one for its urgent messages.

    Unregistered senders share one bucket: their messages are useless, and the number of their topics has no bound.
    """

    shares: TokenBuckets = field(default_factory=lambda: TokenBuckets(BURST_BYTES / BYTES_PER_S, BYTES_PER_S))
    urgent: TokenBuckets = field(
        default_factory=lambda: TokenBuckets(URGENT_BURST_BYTES / URGENT_BYTES_PER_S, URGENT_BYTES_PER_S)
    )

    def charge(
        self,
        messages: Iterable[Message],
        find_sender: FindSender,
        now_s: float,
        lag_s: float = 0.0,
        *,
        spooled: Iterable[int] = (),
        is_urgent: Callable[[bytes], bool] = _no_urgency,
    ) -> Charged:
        """Charge each sender's token bucket, and divide the messages of one batch.

        A batch ends where its admitted messages cost as much as one transaction should, and leaves the rest.

        Args:
            messages: received messages, in order.
            find_sender: finds the sender of a topic.
            now_s: the time in seconds by a clock that never jumps.
            lag_s: the seconds since ingest was last caught up. A backlog of ingest must not count against a device:
                its allowance of that time is added.
            spooled: the ids of devices with messages in the spool. Later messages queue behind those, to keep the order
                of the device; only urgent ones do not.
            is_urgent: returns whether a payload may raise a critical alert.
        """
        full_now_s = now_s - lag_s
        self.shares.drop_full(full_now_s)
        self.urgent.drop_full(full_now_s)
        charged, behind, admitted_cost = Charged([], [], [], []), set(spooled), 0
        charge, received, admitted = self.shares.charge, charged.received.append, charged.admitted.append
        for message in messages:
            received(message)
            sender = find_sender(message.topic)
            cost = price(message.payload)
            key = sender[0].id if sender else _UNREGISTERED
            if key not in behind and charge(key, cost, full_now_s, now_s):
                admitted(message)
            elif sender is None:
                charged.unregistered.append(message)
                continue
            elif is_urgent(message.payload) and self.urgent.charge(key, cost, full_now_s, now_s):
                admitted(message)
            else:
                behind.add(key)
                charged.excess.append(Excess(sender[0], message, cost))
                continue
            admitted_cost += cost
            if admitted_cost >= BATCH_COST:
                break
        return charged


def price(payload: bytes) -> int:
    """Return the price of a message in bytes."""
    return len(payload) + MESSAGE_BYTES + ITEM_BYTES * payload.count(b",")
