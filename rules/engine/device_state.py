"""The state of a device besides the instances of its rules: the stored form, and the form in use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import zip_longest
from typing import NamedTuple

from devices.device import Device, Replacement
from devices.kind import Value
from rules.derived.pipeline import States, from_store, to_store
from rules.engine.compiled import CompiledRules
from rules.model.sample import Sample

NO_EVENTS: Mapping[str, datetime] = {}


class DeviceState(NamedTuple):
    """The state of a device as the database holds it.

    Attributes:
        device_id: The device.
        last_ts: Device time of the newest evaluated telemetry.
        last_arrival: Arrival of the newest fresh telemetry.
        event_ts: Device time of the newest event of each name.
        values: Last known value of each field.
        derived: States and newest values of the derived values, packed behind their names.
        next_checkpoint: Device time from which the next checkpoint is due.
    """

    device_id: int
    last_ts: datetime | None = None
    last_arrival: datetime | None = None
    event_ts: Mapping[str, datetime] = {}
    values: Mapping[str, Value] = {}
    derived: bytes = b""
    next_checkpoint: datetime | None = None


@dataclass(slots=True)
class LiveState:
    """A `DeviceState` in use, with what the registry says of the device. It is small, as there may be 400,000.

    Attributes:
        rules: The rules that concern the device, by its kind and scope.
        last_ts: As in `DeviceState`.
        last_arrival: As in `DeviceState`.
        event_ts: As in `DeviceState`.
        retained_values: Last known values of the retained fields of the compiled rules, in their order.
        derived: States of the derived values, packed, without their names.
        withdrawn: Whether no rule applies to the device at present.
        next_checkpoint: As in `DeviceState`.
        replacements: The recorded replacements of the meter.
    """

    rules: CompiledRules
    last_ts: datetime | None = None
    last_arrival: datetime | None = None
    event_ts: Mapping[str, datetime] = field(default_factory=lambda: NO_EVENTS)
    retained_values: tuple[Value | None, ...] = ()
    derived: States = b""
    withdrawn: bool = False
    next_checkpoint: datetime | None = None
    replacements: tuple[Replacement, ...] = ()


def from_stored(stored: DeviceState, rules: CompiledRules, device: Device) -> LiveState:
    """Return a stored state for use with these rules: their retained fields, their derived values."""
    return LiveState(
        rules,
        stored.last_ts,
        stored.last_arrival,
        stored.event_ts or NO_EVENTS,
        merge_values(rules.retained_fields, stored.values, ()),
        from_store(rules.observers.all, rules.packed_names, stored.derived),
        next_checkpoint=stored.next_checkpoint and shared_time(stored.next_checkpoint),
        replacements=device.replacements,
    )


@lru_cache(1024)
def shared_time(time: datetime) -> datetime:
    """Return the same object for equal times: of those that many devices have, one is kept."""
    return time


def to_stored(device_id: int, live: LiveState, values: Mapping[str, Value]) -> DeviceState:
    """Return a state to store, with the `values` that are new since it was stored last."""
    derived = to_store(live.rules.packed_names, live.derived)
    return DeviceState(device_id, live.last_ts, live.last_arrival, live.event_ts, values, derived, live.next_checkpoint)


def merge_values(
    names: tuple[str, ...], values: Mapping[str, Value], before: tuple[Value | None, ...]
) -> tuple[Value | None, ...]:
    """Return the last known values of these fields, None for an unknown one; `before` may be empty."""
    return tuple([values.get(name, known) for name, known in zip_longest(names, before)])


def last_values(live: LiveState) -> dict[str, Value]:
    """Return the retained values by field, without the unknown ones."""
    named = zip(live.rules.retained_fields, live.retained_values, strict=False)
    return {name: value for name, value in named if value is not None}


def update_withdrawn(
    states: Mapping[int, LiveState], is_withdrawn: Callable[[int], bool]
) -> tuple[list[int], list[int]]:
    """Update which devices are withdrawn.

    Returns:
        The withdrawn devices, and the returned ones that have sent data before.
    """
    withdrawn, returned = [], []
    for device_id, live in states.items():
        before, live.withdrawn = live.withdrawn, is_withdrawn(device_id)
        if live.withdrawn:
            withdrawn.append(device_id)
        elif before and live.last_arrival:
            returned.append(device_id)
    return withdrawn, returned


def precedes(sample: Sample, live: LiveState, rules: CompiledRules) -> bool:
    """Return whether a sample comes before an event of its device, or may do so at the same instant."""
    newest = max(live.event_ts.values())
    if sample.ts != newest or sample.event is not None:
        return sample.ts <= newest
    return any(ts == newest and name in rules.raising_events for name, ts in live.event_ts.items())
