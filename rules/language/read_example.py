"""Reader of the examples of a rule: arriving samples and the phase expected after each.

A step with `every` and `for` stands for many steps. A number in it may rise `from` a value `by` an amount each time:
`{at: 0s, every: 1h, for: 24h, volume_m3: {from: 100, by: 0.02}, then: active}`. Each of the three household meters
below the master meter of the example sends a step with `households: true`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from devices.kind import Choice, Counter, DeviceKind, EventField, Flag, Gauge, Personal, Value
from rules.language.read_condition import read_event_name
from rules.language.read_value import read_duration, read_number, read_span, read_value
from rules.language.yaml_document import Diagnostics, Node, as_list, as_mapping, describe, nearest, quoted
from rules.model.duration import spell
from rules.model.rule import ExampleStep, Phase

_STEP_KEYS = ("at", "every", "for", "then", "event", "arrives", "households")
_MOST_STEPS = 10_000


def read_example(node: Node, kind: DeviceKind, diagnostics: Diagnostics) -> tuple[ExampleStep, ...]:
    """Read one example, a list of steps in chronological order."""
    before = len(diagnostics.entries)
    groups = [list(_read_steps(each, kind, diagnostics)) for each in as_list(node, diagnostics, "an example")]
    for earlier, later in pairwise(steps[0] for steps in groups if steps):
        if later.at < earlier.at:
            diagnostics.add(later.line, "the steps of an example stand in the order of time: sort them by `at`")
    steps = sorted((step for each in groups for step in each), key=lambda step: step.at)
    if len(diagnostics.entries) == before and not any(step.then for step in steps):
        diagnostics.add(node.line, "an example that expects nothing shows nothing: add `then` to a step")
    return tuple(steps)


def _read_steps(node: Node, kind: DeviceKind, diagnostics: Diagnostics) -> Iterator[ExampleStep]:
    """Yield a step, or all steps of a repetition; only the last of these carries the expected phase."""
    keys, times, every = node.plain, 1, timedelta()
    if not isinstance(keys, dict) or not keys:
        yield _read_step(node, kind, diagnostics)
        return
    if "every" in keys or "for" in keys:
        repeated = _read_repetition(keys, node.line, diagnostics)
        if repeated is None:
            return
        times, every = repeated
    mappings = {name: value for name, value in keys.items() if isinstance(value.plain, dict)}
    rises = {name: rise for name, value in mappings.items() if (rise := _read_rise(name, value, kind, diagnostics))}
    plain = {name: value for name, value in keys.items() if name not in mappings}
    first = _read_step(Node(node.line, plain | {name: rise[0] for name, rise in rises.items()}), kind, diagnostics)
    for number in range(times):
        rising_values = {
            name: float(first.values[name]) + number * by for name, (_, by) in rises.items() if name in first.values
        }
        then = first.then if number == times - 1 else None
        yield replace(first, at=first.at + number * every, values={**first.values, **rising_values}, then=then)


def _read_repetition(keys: Mapping[str, Node], line: int, diagnostics: Diagnostics) -> tuple[int, timedelta] | None:
    if "every" not in keys or "for" not in keys:
        diagnostics.add(
            line, "`every` and `for` stand together: write how often and for how long, such as {every: 1h, for: 24h}"
        )
        return None
    every, length = read_span(keys["every"], diagnostics), read_span(keys["for"], diagnostics)
    if every is None or length is None:
        return None
    if not 1 <= length // every < _MOST_STEPS:
        often = f"`every` ({spell(every)}) has to fit into `for` ({spell(length)}) 1 to {_MOST_STEPS - 1:,} times"
        diagnostics.add(keys["for"].line, f"{often}: write a longer or a shorter one")
        return None
    return length // every + 1, every


def _read_rise(name: str, node: Node, kind: DeviceKind, diagnostics: Diagnostics) -> tuple[Node, float] | None:
    """Return first value and increment of a rising number; on a mistake add a diagnostic and return None."""
    keys = as_mapping(node, ("from", "by"), diagnostics, f"`{name}`")
    field = kind.field(name)
    if keys is None or not isinstance(field, Gauge | Counter) or "from" not in keys or "by" not in keys:
        diagnostics.add(node.line, f"`{name}` must be one value or, for a number, such as {{from: 100, by: 0.5}}")
        return None
    by = read_number(keys["by"], field, diagnostics)
    return None if by is None else (keys["from"], by)


def _read_step(node: Node, kind: DeviceKind, diagnostics: Diagnostics) -> ExampleStep:
    event_node = node.plain.get("event") if isinstance(node.plain, dict) else None
    event = read_event_name(event_node, kind, diagnostics) if event_node else None
    known = _data_of(kind, event) if event_node else {field.name: field for field in kind.fields}
    keys = as_mapping(node, (*_STEP_KEYS, *known), diagnostics, "a step")
    if keys is None:
        return ExampleStep(timedelta(), node.line)
    if "at" not in keys:
        diagnostics.add(node.line, "`at` is missing: add the time since the example began, such as {at: 10m}")
    values = _read_values(keys, known, diagnostics)
    for key, where in (("arrives", "nothing arrives"), ("households", "the device itself sends")):
        if key in keys and keys[key].plain is not True:
            diagnostics.add(keys[key].line, f"`{key}` can only be true: leave it out where {where}")
    return ExampleStep(
        at=(read_duration(keys["at"], diagnostics) if "at" in keys else None) or timedelta(),
        line=node.line,
        arrives=event_node is None and bool(values or "arrives" in keys),
        values={} if event else values,
        event=event,
        data=values if event else {},
        households="households" in keys,
        then=_read_phase(keys["then"], diagnostics) if "then" in keys else None,
    )


def _data_of(kind: DeviceKind, name: str | None) -> dict[str, EventField]:
    event = kind.event(name) if name else None
    return {
        f"{field.name}_masked" if isinstance(field, Personal) else field.name: field
        for field in (event.data if event else ())
    }


def _read_values(
    keys: Mapping[str, Node], known: Mapping[str, EventField], diagnostics: Diagnostics
) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, field in known.items():
        if name not in keys:
            continue
        node = keys[name]
        if isinstance(field, Gauge | Counter | Flag | Choice):
            value = read_value(node, field, diagnostics)
            if value is not None:
                values[name] = value
        elif isinstance(node.plain, str):
            values[name] = node.plain
        else:
            diagnostics.add(node.line, f"`{name}` must be a text, not {describe(node)}")
    return values


def _read_phase(node: Node, diagnostics: Diagnostics) -> Phase | None:
    phases = [phase.value for phase in Phase if phase is not Phase.MUTED]
    if node.plain in phases:
        return Phase(str(node.plain))
    diagnostics.add(node.line, f"`then` cannot be {quoted(node)}{nearest(str(node.plain), phases)}")
    return None
