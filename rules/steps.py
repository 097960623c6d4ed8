"""Reads the examples of a rule: what arrives when, and the phase that is expected then."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise

from devices.kind import Choice, Counter, DeviceKind, EventField, Flag, Gauge, Personal
from rules.condition import Value
from rules.document import Item, Notes, as_list, as_mapping, describe, nearest
from rules.grammar import read_duration, read_event_name, read_value
from rules.rule import Phase, Step

_OF_THE_STEP = ("at", "then", "event", "arrives")


def read_example(item: Item, kind: DeviceKind, notes: Notes) -> tuple[Step, ...]:
    """Reads one example, a list of steps in the order of time."""
    before = len(notes.problems)
    steps = tuple(_read_step(step, kind, notes) for step in as_list(item, notes, "an example"))
    for earlier, later in pairwise(steps):
        if later.at < earlier.at:
            notes.add(later.line, "the steps of an example stand in the order of time: sort them by `at`")
    if len(notes.problems) == before and not any(step.then for step in steps):
        notes.add(item.line, "an example that expects nothing shows nothing: add `then` to a step")
    return steps


def _read_step(item: Item, kind: DeviceKind, notes: Notes) -> Step:
    event_item = item.plain.get("event") if isinstance(item.plain, dict) else None
    event = read_event_name(event_item, kind, notes) if event_item else None
    known = _data_of(kind, event) if event_item else {field.name: field for field in kind.fields}
    keys = as_mapping(item, (*_OF_THE_STEP, *known), notes, "a step")
    if keys is None:
        return Step(timedelta(), item.line)
    if "at" not in keys:
        notes.add(item.line, "`at` is missing: add the time since the example began, such as {at: 10m}")
    values = _read_values(keys, known, notes)
    if "arrives" in keys and keys["arrives"].plain is not True:
        notes.add(keys["arrives"].line, "`arrives` can only be true: leave it out where nothing arrives")
    return Step(
        at=(read_duration(keys["at"], notes) if "at" in keys else None) or timedelta(),
        line=item.line,
        arrives=event_item is None and bool(values or "arrives" in keys),
        values={} if event else values,
        event=event,
        data=values if event else {},
        then=_read_phase(keys["then"], notes) if "then" in keys else None,
    )


def _data_of(kind: DeviceKind, name: str | None) -> dict[str, EventField]:
    event = kind.event(name) if name else None
    return {
        f"{item.name}_masked" if isinstance(item, Personal) else item.name: item
        for item in (event.data if event else ())
    }


def _read_values(keys: Mapping[str, Item], known: Mapping[str, EventField], notes: Notes) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, field in known.items():
        if name not in keys:
            continue
        item = keys[name]
        if isinstance(field, Gauge | Counter | Flag | Choice):
            value = read_value(item, field, notes)
            if value is not None:
                values[name] = value
        elif isinstance(item.plain, str):
            values[name] = item.plain
        else:
            notes.add(item.line, f"`{name}` must be a text, not {describe(item)}")
    return values


def _read_phase(item: Item, notes: Notes) -> Phase | None:
    phases = [phase.value for phase in Phase if phase is not Phase.MUTED]
    if item.plain in phases:
        return Phase(str(item.plain))
    notes.add(item.line, f"`then` cannot be {describe(item)}{nearest(str(item.plain), phases)}")
    return None
