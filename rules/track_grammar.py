"""What rule files may say about more than one sample: one function a word, named in the table of `rules.grammar`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from devices.kind import Choice, Counter, DeviceKind, Field, Flag, Gauge
from rules.condition import Condition
from rules.document import Item, Notes, nearest
from rules.duration import spell
from rules.limits import read_span, read_track_limit
from rules.tracks.rate import Rate
from rules.tracks.window import AGGREGATES, Over

_LONGEST = timedelta(days=31)


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
    if not subject.kind.reporting_period <= length <= _LONGEST:
        period, longest = spell(subject.kind.reporting_period), spell(_LONGEST)
        notes.add(item.line, f"a window is from {period} (one reading) to {longest} long, not {spell(length)}")
        return None
    return read_track_limit(
        keys, item.line, Over(field, hows[0], length, subject.kind.reporting_period, subject.gap), notes
    )


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
