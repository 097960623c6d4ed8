"""What is remembered of a device beside the instances of its rules: as it is stored, and as it is used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import NamedTuple

from devices.kind import Value
from rules.derived.pipeline import States

NO_EVENTS: Mapping[str, datetime] = {}


class DeviceState(NamedTuple):
    """What is remembered of a device beside its instances.

    `last_ts` is the newest telemetry judged, `last_arrival` when the last fresh one arrived, `event_ts` the newest of
    each event, `values` the last known value of each field, and `derived` the states of the derived values
    and their newest values, as they are stored.
    """

    device_id: int
    last_ts: datetime | None = None
    last_arrival: datetime | None = None
    event_ts: Mapping[str, datetime] = {}
    values: Mapping[str, Value] = {}
    derived: bytes = b""


@dataclass(slots=True)
class LiveState:
    """A `DeviceState` in use, and small, as there may be 400,000: of the values those that the plan keeps.

    `withdrawn` says that no rule looks at the device just now.
    """

    last_ts: datetime | None = None
    last_arrival: datetime | None = None
    event_ts: Mapping[str, datetime] = field(default_factory=lambda: NO_EVENTS)
    kept: tuple[Value | None, ...] = ()
    derived: States = b""
    withdrawn: bool = False


def in_use(stored: DeviceState, kept: tuple[str, ...], derived: States) -> LiveState:
    """What was stored, as it is used: of the values those of these fields, and the states of today's derived values."""
    values = latest(kept, stored.values, ())
    return LiveState(stored.last_ts, stored.last_arrival, stored.event_ts or NO_EVENTS, values, derived)


def latest(
    names: tuple[str, ...], values: Mapping[str, Value], before: tuple[Value | None, ...]
) -> tuple[Value | None, ...]:
    """The last known values of these fields, None where there is none; `before` may be empty."""
    return tuple([values.get(name, known) for name, known in zip_longest(names, before)])


def last_values(names: tuple[str, ...], live: LiveState) -> dict[str, Value]:
    """The values that are remembered, by field."""
    return {name: value for name, value in zip(names, live.kept, strict=False) if value is not None}


def settle(states: Mapping[int, LiveState], is_withdrawn: Callable[[int], bool]) -> tuple[list[int], list[int]]:
    """Notes which devices are withdrawn; those that are, and those that are back and were heard before."""
    gone, back = [], []
    for device_id, live in states.items():
        before, live.withdrawn = live.withdrawn, is_withdrawn(device_id)
        if live.withdrawn:
            gone.append(device_id)
        elif before and live.last_arrival:
            back.append(device_id)
    return gone, back
