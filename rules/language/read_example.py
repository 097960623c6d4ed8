"""Reads the examples of a rule: what arrives when, and the phase that is expected then.

A step with `every` and `for` stands for many alike, and a counter in it may rise `from` a value `by` so much a time:
`{at: 0s, every: 1h, for: 24h, volume_m3: {from: 100, by: 0.02}, then: active}`. What says `households: true` is sent by
each of the three household meters below the master meter that the example is about.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from devices.kind import Choice, Counter, DeviceKind, EventField, Flag, Gauge, Personal, Value
from rules.language.read_condition import read_event_name
from rules.language.read_value import read_duration, read_number, read_span, read_value
from rules.language.yaml_document import Item, Notes, as_list, as_mapping, describe, nearest, quoted
from rules.model.duration import spell
from rules.model.rule import ExampleStep, Phase

_OF_THE_STEP = ("at", "every", "for", "then", "event", "arrives", "households")
_MOST = 10_000


def read_example(item: Item, kind: DeviceKind, notes: Notes) -> tuple[ExampleStep, ...]:
    """Reads one example, a list of steps in the order of time."""
    before = len(notes.problems)
    read = [list(_read_steps(each, kind, notes)) for each in as_list(item, notes, "an example")]
    for earlier, later in pairwise(steps[0] for steps in read if steps):
        if later.at < earlier.at:
            notes.add(later.line, "the steps of an example stand in the order of time: sort them by `at`")
    steps = sorted((step for each in read for step in each), key=lambda step: step.at)
    if len(notes.problems) == before and not any(step.then for step in steps):
        notes.add(item.line, "an example that expects nothing shows nothing: add `then` to a step")
    return tuple(steps)


def _read_steps(item: Item, kind: DeviceKind, notes: Notes) -> Iterator[ExampleStep]:
    """The step, or all of those that it stands for; what is expected then is expected of the last."""
    keys, times, every = item.plain, 1, timedelta()
    if not isinstance(keys, dict) or not keys:
        yield _read_step(item, kind, notes)
        return
    if "every" in keys or "for" in keys:
        repeated = _read_repetition(keys, item.line, notes)
        if repeated is None:
            return
        times, every = repeated
    mappings = {name: value for name, value in keys.items() if isinstance(value.plain, dict)}
    rises = {name: rise for name, value in mappings.items() if (rise := _read_rise(name, value, kind, notes))}
    plain = {name: value for name, value in keys.items() if name not in mappings}
    first = _read_step(Item(item.line, plain | {name: rise[0] for name, rise in rises.items()}), kind, notes)
    for number in range(times):
        risen = {
            name: float(first.values[name]) + number * by for name, (_, by) in rises.items() if name in first.values
        }
        then = first.then if number == times - 1 else None
        yield replace(first, at=first.at + number * every, values={**first.values, **risen}, then=then)


def _read_repetition(keys: Mapping[str, Item], line: int, notes: Notes) -> tuple[int, timedelta] | None:
    if "every" not in keys or "for" not in keys:
        notes.add(
            line, "`every` and `for` stand together: write how often and for how long, such as {every: 1h, for: 24h}"
        )
        return None
    every, length = read_span(keys["every"], notes), read_span(keys["for"], notes)
    if every is None or length is None:
        return None
    if not 1 <= length // every < _MOST:
        often = f"`every` ({spell(every)}) has to fit into `for` ({spell(length)}) 1 to {_MOST - 1:,} times"
        notes.add(keys["for"].line, f"{often}: write a longer or a shorter one")
        return None
    return length // every + 1, every


def _read_rise(name: str, item: Item, kind: DeviceKind, notes: Notes) -> tuple[Item, float] | None:
    """The first value of a number that rises from step to step, and by how much; None after noting what is wrong."""
    keys = as_mapping(item, ("from", "by"), notes, f"`{name}`")
    field = kind.field(name)
    if keys is None or not isinstance(field, Gauge | Counter) or "from" not in keys or "by" not in keys:
        notes.add(item.line, f"`{name}` must be one value or, for a number, such as {{from: 100, by: 0.5}}")
        return None
    by = read_number(keys["by"], field, notes)
    return None if by is None else (keys["from"], by)


def _read_step(item: Item, kind: DeviceKind, notes: Notes) -> ExampleStep:
    event_item = item.plain.get("event") if isinstance(item.plain, dict) else None
    event = read_event_name(event_item, kind, notes) if event_item else None
    known = _data_of(kind, event) if event_item else {field.name: field for field in kind.fields}
    keys = as_mapping(item, (*_OF_THE_STEP, *known), notes, "a step")
    if keys is None:
        return ExampleStep(timedelta(), item.line)
    if "at" not in keys:
        notes.add(item.line, "`at` is missing: add the time since the example began, such as {at: 10m}")
    values = _read_values(keys, known, notes)
    for key, where in (("arrives", "nothing arrives"), ("households", "the device itself sends")):
        if key in keys and keys[key].plain is not True:
            notes.add(keys[key].line, f"`{key}` can only be true: leave it out where {where}")
    return ExampleStep(
        at=(read_duration(keys["at"], notes) if "at" in keys else None) or timedelta(),
        line=item.line,
        arrives=event_item is None and bool(values or "arrives" in keys),
        values={} if event else values,
        event=event,
        data=values if event else {},
        households="households" in keys,
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
    notes.add(item.line, f"`then` cannot be {quoted(item)}{nearest(str(item.plain), phases)}")
    return None
