"""The spool of a partition: its waiting messages, the turns of the devices, and the refusals of a full spool."""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from devices.device import Device
from devices.payload import Rejection
from devices.schema import Reason
from devices.seal import SEAL_BYTES, Seal, SealError
from ingest.batch import Rejected
from ingest.device_limit import MESSAGE_BYTES, Excess
from ingest.receiver import Message
from rules.model.subject_zh import subject_of
from store.database import Connection
from store.telemetry.spool import (
    ROW_BYTES,
    SpoolKey,
    SpoolRow,
    SpoolTotal,
    forget_totals,
    load_totals,
    read_spooled,
)

DEVICE_SHARE = 8
"""One device may fill this part of the spool: an eighth."""
REFUSED_FOR = timedelta(minutes=5)
"""The time after its last refused message in which a device counts as refused."""
_PIECE_S = 0.1
_TURN_EVERY_S = 1.0
_FIRST_COST, _LEAST_COST, _GREATEST_COST = 256 * 1024, 16 * 1024, 4 * 1024 * 1024
_TURNS = 16
_MESSAGES_A_TURN = 5000
_NAMED = 3


class Taken(NamedTuple):
    """Messages from the spool, and the ones among them that cannot be read any more."""

    messages: list[Message]
    unreadable: list[Message]


class Spool:
    """The spooled messages of a partition, of which only the totals by device are in memory."""

    def __init__(self, seal: Seal, limit_bytes: int) -> None:
        """Prepare; `limit_bytes` is the bound on the whole spool of the partition."""
        self._seal = seal
        self._limit_bytes = limit_bytes
        self._totals: dict[int, SpoolTotal] = {}  # in the order of turns
        self._taken_to: dict[int, int] = {}
        self._bytes = 0
        self._refused: dict[Device, datetime] = {}

    def restore(self, connection: Connection, communities: Sequence[str]) -> None:
        """Read the totals from the database, inside the caller's transaction."""
        self._totals = load_totals(connection, communities)
        self._taken_to = {}
        self._bytes = sum(total.bytes for total in self._totals.values())

    @property
    def devices(self) -> Collection[int]:
        """The ids of the devices with messages in the spool."""
        return self._totals.keys()

    @property
    def total(self) -> SpoolTotal:
        """All that waits."""
        return SpoolTotal(sum(total.messages for total in self._totals.values()), self._bytes)

    def admit(self, excess: Iterable[Excess], now: datetime) -> tuple[list[Excess], list[Excess]]:
        """Return the messages that the spool has room for, and the ones to refuse."""
        spooled: list[Excess] = []
        refused: list[Excess] = []
        added: dict[int, int] = {}
        added_in_all = 0
        for each in excess:
            device_id, size = each.device.id, len(each.message.payload) + SEAL_BYTES + ROW_BYTES
            of_device = self._totals.get(device_id, SpoolTotal()).bytes + added.get(device_id, 0) + size
            if of_device * DEVICE_SHARE > self._limit_bytes or self._bytes + added_in_all + size > self._limit_bytes:
                self._refused[each.device] = now
                refused.append(each)
                continue
            added[device_id] = added.get(device_id, 0) + size
            added_in_all += size
            spooled.append(each)
        return spooled, refused

    def refused_devices(self, now: datetime) -> str:
        """Return the names of the devices whose messages were refused a short time ago, for people; else nothing."""
        self._refused = {device: at for device, at in self._refused.items() if now - at < REFUSED_FOR}
        names = [subject_of(device) for device in self._refused]
        more = f"等 {len(names)} 台设备" if len(names) > _NAMED else ""
        return "、".join(names[:_NAMED]) + more

    def rows(self, spooled: Iterable[Excess]) -> list[SpoolRow]:
        """Return messages as they are stored."""
        return [
            SpoolRow(
                device.id, message.received_at, message.redelivered, message.retained, message.topic,
                self._seal.seal(message.topic, message.payload), cost,
            )
            for device, message, cost in spooled
        ]  # fmt: skip

    def take(self, connection: Connection, cost: int) -> Taken:
        """Return the oldest messages of the devices whose turn it is, worth about `cost` bytes; they stay stored."""
        turn = list(self._totals)[:_TURNS]
        after = {device_id: self._taken_to.get(device_id, 0) for device_id in turn}
        each = cost // len(turn)
        most = min(each // MESSAGE_BYTES + 1, _MESSAGES_A_TURN)
        rows = read_spooled(connection, after, cost_each=max(each, 1), most_each=most)
        # An operator may delete the rows of a device.
        if gone := set(turn).difference(row.key.device_id for row in rows):
            forget_totals(connection, sorted(gone))
            self._bytes -= sum(self._totals.pop(device_id).bytes for device_id in gone)
        taken, spent = Taken([], []), 0
        for key, of_row, received_at, redelivered, retained, topic, sealed in rows:
            if spent >= cost:
                break
            spent += of_row
            self._totals[key.device_id] = self._totals.pop(key.device_id)
            message = Message(topic, b"", received_at, redelivered, 0, retained, key)
            try:
                taken.messages.append(message._replace(payload=self._seal.open(topic, sealed)))
            except SealError:
                taken.unreadable.append(message)
        return taken

    def note_written(self, spooled: Sequence[SpoolRow], worked_off: Sequence[SpoolKey]) -> None:
        """Note the messages that a transaction added to the spool, and the ones that it deleted."""
        for row in spooled:
            self._change(row.device_id, 1, row.bytes)
        for key in worked_off:
            self._taken_to[key.device_id] = key.id
            self._change(key.device_id, -1, -key.bytes)

    def _change(self, device_id: int, messages: int, size: int) -> None:
        before = self._totals.get(device_id, SpoolTotal())
        self._bytes += size
        if before.messages + messages:
            self._totals[device_id] = SpoolTotal(before.messages + messages, before.bytes + size)
        else:
            del self._totals[device_id]
            self._taken_to.pop(device_id, None)


class Pace:
    """The pace of working off the spool: pieces of a tenth of a second, one a second even while nothing else pauses."""

    def __init__(self) -> None:
        self._cost = _FIRST_COST
        self._ended_s = 0.0  # by the monotonic clock

    def is_due(self) -> bool:
        """Return whether the spool had no turn for a second."""
        return time.monotonic() - self._ended_s >= _TURN_EVERY_S

    @contextmanager
    def timed(self) -> Iterator[int]:
        """Provide the cost of the next piece, and learn from the time that it takes."""
        began_s = time.monotonic()
        yield self._cost
        self._ended_s = time.monotonic()
        pace = _PIECE_S / max(self._ended_s - began_s, 0.001)
        self._cost = min(max(round(self._cost * min(pace, 2)), _LEAST_COST), _GREATEST_COST)


def unreadable(message: Message) -> Rejected:
    """Return the rejection of a spooled message that cannot be opened any more."""
    detail = "it can't be read from the spool: its secret key is neither ANJU_SECRET_KEY nor in ANJU_SECRET_KEY_OLD"
    rejection = Rejection(message.topic, Reason.IMPOSSIBLE_VALUE, detail, b"", 0, None)
    return Rejected(rejection, message.received_at)
