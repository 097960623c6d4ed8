"""What rule files may say about more than one sample: one function a word, named in the table of `rules.grammar`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from devices.kind import Choice, Counter, DeviceKind, Field, Flag, Gauge
from rules.condition import COMPARISONS, Compare, Condition
from rules.document import Item, Notes, as_mapping, describe, nearest
from rules.duration import spell
from rules.limits import read_span, read_track_limit
from rules.tracks.compared import HOWS, Compared
from rules.tracks.rate import Rate
from rules.tracks.unchanged import Unchanged
from rules.tracks.window import AGGREGATES, Over

_LONGEST = timedelta(days=31)
_MOST_TIMES = 50


class Subject(NamedTuple):
    """What conditions speak of: a kind of device, and the longest gap between its samples that a rule allows."""

    kind: DeviceKind
    gap: timedelta


def read_field_name(item: Item, kind: DeviceKind, notes: Notes) -> Field | None:
    """Reads the name of a field of the kind; None after noting that it has none such."""
    field = kind.field(item.plain) if isinstance(item.plain, str) else None
    if field is None:
        known = (one.name for one in kind.fields)
        notes.add(item.line, f"{kind.name} has no field `{item.plain}`{nearest(str(item.plain), known)}")
    return field


def read_rate(keys: Mapping[str, Item], subject: Subject, notes: Notes) -> Condition | None:
    """Reads `{rate: energy_kwh, per: 1h, above: 20}`."""
    item, per = keys["rate"], keys.get("per")
    field = read_field_name(item, subject.kind, notes)
    if isinstance(field, Flag | Choice):
        notes.add(item.line, f"`{field.name}` is no number and has no `rate`: write {{field: {field.name}, stays: 1d}}")
        return None
    if per is None:
        notes.add(item.line, "`rate` needs `per`, the time that the change is told for, such as `per: 1h`")
        return None
    span = read_span(per, notes)
    if field is None or span is None:
        return None
    return read_track_limit(keys, item.line, Rate(field, span, subject.kind.reporting_period, subject.gap), notes)


def read_over(keys: Mapping[str, Item], subject: Subject, notes: Notes) -> Condition | None:
    """Reads `{over: 24h, minimum: flow_m3_h, above: 0.01}`."""
    item = keys["over"]
    length = read_span(item, notes)
    hows = [how for how in AGGREGATES if how in keys]
    if len(hows) != 1:
        notes.add(item.line, f"`over` needs exactly one of {', '.join(f'`{how}`' for how in AGGREGATES)}")
        return None
    field = _read_aggregated(keys[hows[0]], hows[0], subject.kind, notes)
    if length is None or field is None:
        return None
    if _is_out_of_range(length, subject.kind, item, notes):
        return None
    return read_track_limit(
        keys, item.line, Over(field, hows[0], length, subject.kind.reporting_period, subject.gap), notes
    )


def _is_out_of_range(length: timedelta, kind: DeviceKind, item: Item, notes: Notes) -> bool:
    if kind.reporting_period <= length <= _LONGEST:
        return False
    period, longest = spell(kind.reporting_period), spell(_LONGEST)
    notes.add(item.line, f"a window is from {period} (one reading) to {longest} long, not {spell(length)}")
    return True


def read_stays(keys: Mapping[str, Item], field: Field, subject: Subject, notes: Notes) -> Compare | None:
    """Reads `{field: valve_state, stays: 3d}`."""
    item = keys["stays"]
    for how in COMPARISONS:
        if how in keys:
            notes.add(keys[how].line, f"`{how}` cannot stand beside `stays`: write both conditions in `all`")
    length = read_span(item, notes)
    if length is None or _is_out_of_range(length, subject.kind, item, notes):
        return None
    track = Unchanged(field, length, subject.kind.reporting_period, subject.gap)
    return Compare(track.field.name, "equals", limit=True, track=track)


def read_compared(keys: Mapping[str, Item], field: Field, subject: Subject, notes: Notes) -> Compare | None:
    """Reads `{field: current_a, compared_with: current_limit_a, ratio: {above: 0.9}}`."""
    item = keys["compared_with"]
    other = read_field_name(item, subject.kind, notes)
    hows = [how for how in HOWS if how in keys]
    for how in COMPARISONS:
        if how in keys:
            notes.add(keys[how].line, f"write `{how}` inside `difference` or `ratio`: {{difference: {{{how}: ...}}}}")
    if len(hows) != 1:
        notes.add(item.line, "`compared_with` needs either `difference` or `ratio`, such as `difference: {above: 5}`")
        return None
    if other is None:
        return None
    for one in (field, other):
        if not isinstance(one, Gauge | Counter):
            notes.add(item.line, f"`{one.name}` is no number and cannot be compared with another field")
    if not isinstance(field, Gauge | Counter) or not isinstance(other, Gauge | Counter):
        return None
    if field.name == other.name or (hows[0] == "difference" and field.unit != other.unit):
        reason = "is the same field" if field.name == other.name else f"is in {other.unit}, not in {field.unit}"
        notes.add(item.line, f"`{other.name}` {reason}: compare `{field.name}` with another field of its unit")
        return None
    limits = as_mapping(keys[hows[0]], COMPARISONS, notes, f"`{hows[0]}`")
    if limits is None:
        return None
    return read_track_limit(limits, keys[hows[0]].line, Compared(field, other, hows[0]), notes)


def read_times(keys: Mapping[str, Item], notes: Notes) -> tuple[int, timedelta] | None:
    """Reads the numbers of `{repeats: 3, within: 10m, ...}`; None after noting what is wrong with them."""
    item, within = keys["repeats"], keys.get("within")
    if ("event" in keys) == ("of" in keys):
        notes.add(item.line, "`repeats` needs either `event`, the events, or `of`, a condition on fields")
        return None
    if isinstance(item.plain, bool) or not isinstance(item.plain, int) or not 2 <= item.plain <= _MOST_TIMES:
        notes.add(item.line, f"`repeats` is a whole number from 2 to {_MOST_TIMES}, not {describe(item)}")
        return None
    if within is None:
        notes.add(item.line, "`repeats` needs `within`, the time in which it happens so often, such as `within: 10m`")
        return None
    span = read_span(within, notes)
    return None if span is None else (item.plain, span)


def _read_aggregated(item: Item, how: str, kind: DeviceKind, notes: Notes) -> Field | None:
    field = read_field_name(item, kind, notes)
    if field is None or how == "count":
        return field
    if how == "increase" and not isinstance(field, Counter):
        notes.add(item.line, f"`{field.name}` is no counter and has no `increase`: use `range`, or a counter")
        return None
    if how != "increase" and isinstance(field, Counter):
        notes.add(item.line, f"`{field.name}` is a counter, which only grows: ask for its `increase`, not its `{how}`")
        return None
    if how != "increase" and not isinstance(field, Gauge):
        notes.add(item.line, f"`{field.name}` is no number and has no `{how}`: ask for its `count`")
        return None
    return field
