"""Order of event time: the recent items of a device, and a state from before them to replay them on.

The order of arrival decides nothing: an item that comes late takes its place in time. The engine then returns to the
state of the device before that place and evaluates the items since anew. `docs/decisions/0015-order-of-arrival.md`
gives the reasons.

A checkpoint is taken with the first item, and with each that is at least `REACH` after the one before; the last two are
kept. So one of them always lies before the place of an item within the bound on lateness.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from devices.timestamp import MAX_CLOCK_AHEAD
from rules.engine.device_state import DeviceState, LiveState, last_values, shared_time, to_stored
from rules.engine.state_machine import InstanceState
from rules.model.rule import Phase, Rule
from rules.model.sample import CLOCK_FAULT, LATENESS, Sample

REACH = LATENESS + MAX_CLOCK_AHEAD
"""Reach of a replay: an item within the bound can be this much older than one of a clock that is ahead."""

MOST_ITEMS = 1_000
"""Most items that a replay covers; a device that sends more in that time is evaluated in the order of arrival."""

_MINUTE, _MICROSECOND = timedelta(minutes=1), timedelta(microseconds=1)

NEVER = datetime.min.replace(tzinfo=UTC)

_STEP = timedelta(minutes=1)
_EXACT = timedelta(seconds=10)

Key = tuple[datetime, int, str]


class Checkpoint(NamedTuple):
    """State of a device before an item: its last values and derived values, and the instances that go by event time."""

    device: DeviceState
    states: tuple[InstanceState, ...] = ()

    @classmethod
    def of(cls, device_id: int, live: LiveState, states: Mapping[str, InstanceState]) -> "Checkpoint":
        """Return the present state of a device; `states` are its instances that go by event time."""
        device = to_stored(device_id, live, last_values(live))
        return cls(device, tuple(states.values()))

    @property
    def newest(self) -> datetime | None:
        """Time of the newest item that the state includes; None before the first."""
        return newest_time(self.device.last_ts, self.device.event_ts.values())

    @property
    def at(self) -> datetime | None:
        """Event time of the state: that of its newest item, or of a later timer; None before both."""
        return newest_time(self.newest, (ts for ts in [advanced_to(self.states)] if ts > NEVER))


def next_checkpoint(ts: datetime) -> datetime:
    """Return the time from which the next checkpoint is due, after one before an item: `REACH` later, in whole minutes.

    Many devices share a whole minute, and so its object.
    """
    return shared_time((ts + REACH + _MINUTE - _MICROSECOND).replace(second=0, microsecond=0))


class Segment(NamedTuple):
    """A checkpoint of a device, and the items that have been evaluated since, in any order.

    `stale` is a newer checkpoint that lacks the items to be placed.
    """

    checkpoint: Checkpoint
    items: list[Sample]
    stale: Checkpoint | None = None


class Recent(NamedTuple):
    """The last checkpoints of a device, newest first, and the items since the oldest of them, in any order."""

    checkpoints: tuple[Checkpoint, ...]
    items: list[Sample]

    def without(self, samples: Iterable[Sample]) -> "Recent":
        """Return the same without these items. Of a reading that came in parts the other fields stay."""
        return self._replace(items=_subtract(self.items, samples))

    def new_among(self, samples: Iterable[Sample]) -> list[Sample]:
        """Return the samples that are no items of it. Of a reading that came in parts the new fields are left."""
        return _subtract(samples, self.items)

    def since(self, ts: datetime) -> Segment | None:
        """Return the newest checkpoint before a time with the items since; None without one, or with too many items."""
        stale: Checkpoint | None = None
        for checkpoint in self.checkpoints:
            at = checkpoint.at
            if at is None or at < ts:
                items = [item for item in self.items if at is None or item.ts > at]
                return Segment(checkpoint, items, stale) if len(items) <= MOST_ITEMS else None
            stale = checkpoint
        return None


def _subtract(items: Iterable[Sample], others: Iterable[Sample]) -> list[Sample]:
    """Return the items without those that are among the others; of telemetry without the fields that are."""
    out: dict[tuple[datetime, str | None], set[str]] = {}
    for other in others:
        out.setdefault((other.ts, other.event), set()).update(other.values)
    rest: list[Sample] = []
    for item in items:
        fields = out.get((item.ts, item.event))
        if fields is None:
            rest.append(item)
        elif values := {name: value for name, value in item.values.items() if name not in fields}:
            rest.append(item._replace(values=values))
    return rest


class Journal(Protocol):
    """The record of what a replay needs."""

    def add(self, sample: Sample) -> None:
        """Add an item that has been evaluated in its order."""

    def keep(self, checkpoint: Checkpoint, until: datetime, before: Checkpoint | None = None) -> None:
        """Add a checkpoint; the next is due at `until`. With the one `before` it, both take the place of all others."""


class MemoryJournal:
    """A journal in memory, for engines without a database."""

    def __init__(self) -> None:
        self._recent: dict[int, Recent] = {}

    def add(self, sample: Sample) -> None:
        """Add an item that has been evaluated in its order, or placed."""
        if recent := self._recent.get(sample.device_id):
            recent.items.append(sample)

    def keep(self, checkpoint: Checkpoint, until: datetime, before: Checkpoint | None = None) -> None:
        """Add a checkpoint, and drop those before the last two with their items."""
        device_id = checkpoint.device.device_id
        checkpoints, items = self._recent.get(device_id, Recent((), []))
        checkpoints = (checkpoint, before) if before else (checkpoint, *checkpoints[:1])
        oldest = checkpoints[-1].at
        items = [item for item in items if oldest is None or item.ts > oldest]
        self._recent[device_id] = Recent(checkpoints, items)

    def recent(self, device_id: int) -> Recent | None:
        """Return the last checkpoints of a device with the items since; None without a checkpoint."""
        recent = self._recent.get(device_id)
        return recent and recent._replace(items=list(recent.items))


def states_by_event_time(states: Mapping[str, InstanceState], rules: Mapping[str, Rule]) -> dict[str, InstanceState]:
    """Return the instances of a device that go by event time: those of no-data rules go by the time of arrival."""
    return {name: each for name, each in states.items() if (rule := rules.get(name)) and not rule.no_data}


def advanced_to(states: Iterable[InstanceState]) -> datetime:
    """Return the time to which timers and items have advanced instances; `NEVER` without any."""
    return max((state.since or NEVER for state in states if state.phase is not Phase.MUTED), default=NEVER)


def newest_time(last_ts: datetime | None, event_ts: Iterable[datetime]) -> datetime | None:
    """Return the later of the newest telemetry and the newest event; None without either."""
    return max((ts for ts in (last_ts, *event_ts) if ts is not None), default=None)


def place_of(item: Sample, raising: AbstractSet[str]) -> Key:
    """Return the key of event order, given the events that make a condition TRUE.

    Of one instant an event that ends comes before telemetry, and one that raises after it.
    """
    if item.event is None:
        return item.ts, 1, ""
    return item.ts, 2 if item.event in raising else 0, item.event


def is_misdated(item: Sample, newest: datetime | None) -> bool:
    """Return whether an event is so old that it comes from a wrong clock, and not out of a backlog or a replay.

    In a backlog the `newest` item of the device so far is about as old as the event. After a clock that has fallen back
    it is not, and before the first item nothing is known: then the clock is taken for wrong.
    """
    if item.event is None or item.received_at - item.ts <= CLOCK_FAULT:
        return False
    return newest is None or newest - item.ts > CLOCK_FAULT


def split_by_lateness(
    items: Iterable[Sample], newest: datetime | None, raising: AbstractSet[str]
) -> tuple[list[Sample], list[Sample]]:
    """Split items into those within the bound on lateness and those beyond it, in the order of arrival.

    An item is within the bound if it is at most `LATENESS` older than its arrival. In a backlog it is less than that
    older than the newest item of its device so far: live it would have come after that one. `newest` is the newest at
    first. Items of one arrival, as of an array, are taken in the order of event time.
    """
    placeable: list[Sample] = []
    too_late: list[Sample] = []
    for item in sorted(items, key=lambda item: (item.received_at, place_of(item, raising))):
        due = item.received_at - LATENESS
        in_time = (
            item.ts >= due or newest is None or item.ts >= newest or (newest < due and newest - item.ts < LATENESS)
        )
        (placeable if in_time and not is_misdated(item, newest) else too_late).append(item)
        newest = item.ts if newest is None else max(newest, item.ts)
    return placeable, too_late


def in_event_order(items: Iterable[Sample], raising: AbstractSet[str]) -> list[Sample]:
    """Return items in the order of event time, each once. Telemetry of one instant is one item.

    A clock that was ahead and has been set back is no reason to believe its old times: an event whose time lies after
    the arrival of a later, rightly dated item counts at its own arrival.
    """
    placed: dict[Key, Sample] = {}
    next_exact: datetime | None = None
    for item in sorted(items, key=lambda item: (item.received_at, item.ts), reverse=True):
        key = place_of(item, raising)
        if item.event is not None and next_exact is not None and item.ts - next_exact > _STEP:
            placed[key] = item._replace(ts=item.received_at)
            continue
        # Of the parts of a reading the first value of a field stands, and the arrival of the first part.
        later = placed.get(key) if item.event is None else None
        placed[key] = item._replace(values={**later.values, **item.values}) if later else item
        if item.ts - item.received_at <= _EXACT:
            next_exact = item.received_at
    return sorted(placed.values(), key=lambda item: place_of(item, raising))
