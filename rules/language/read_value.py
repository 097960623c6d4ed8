"""Reads limits, values and durations, and says what to write where they do not fit their field."""

import re
from collections.abc import Mapping
from datetime import timedelta

from devices.kind import Choice, Counter, Field, Flag, Gauge, Value
from rules.language.yaml_document import Item, Notes, describe, nearest, quoted
from rules.model.condition import COMPARISONS, ComparableValue, Compare
from rules.model.duration import parse_duration

_QUANTITY = re.compile(r"([-+]?[0-9]+(?:\.[0-9]+)?)\s*(\S+)")
_PREFIXES = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}


def read_limit(keys: Mapping[str, Item], line: int, field: Field, notes: Notes) -> Compare | None:
    """Reads the one comparison that a field stands in; None after noting what is wrong with it."""
    hows = [how for how in COMPARISONS if how in keys]
    if len(hows) != 1:
        words = ", ".join(f"`{how}`" for how in COMPARISONS)
        notes.add(line, f"`{field.name}` needs exactly one of {words}")
        return None
    how, limit = hows[0], keys[hows[0]]
    if how == "equals":
        value = read_value(limit, field, notes)
        return None if value is None else Compare(field.name, how, value)
    if not isinstance(field, Gauge | Counter):
        notes.add(limit.line, f"`{field.name}` is no number: write `equals` instead of `{how}`")
        return None
    if how == "outside":
        return _read_outside(limit, field, notes)
    number = read_number(limit, field, notes)
    return None if number is None else Compare(field.name, how, number)


def read_derived_limit(keys: Mapping[str, Item], line: int, derived: ComparableValue, notes: Notes) -> Compare | None:
    """Reads the one comparison that the value of a track stands in."""
    compare = read_limit(keys, line, derived.field, notes)
    return compare and Compare(compare.field, compare.how, compare.limit, derived)


def _read_outside(item: Item, field: Gauge | Counter, notes: Notes) -> Compare | None:
    if not isinstance(item.plain, list) or len(item.plain) != 2:
        notes.add(item.line, f"`outside` takes two numbers, such as [1, 2], not {describe(item)}")
        return None
    low, high = (read_number(part, field, notes) for part in item.plain)
    if low is None or high is None:
        return None
    if low >= high:
        notes.add(item.line, f"`outside` takes the lower number first, not [{low:g}, {high:g}]")
        return None
    return Compare(field.name, "outside", (low, high))


def read_number(item: Item, field: Gauge | Counter, notes: Notes) -> float | None:
    """Reads a number that the field can have, in its unit; None after noting why it cannot."""
    if isinstance(item.plain, bool) or not isinstance(item.plain, int | float):
        unit = "without a unit" if field.unit == "1" else f"in {field.unit}"
        instead = _converted(item.plain, field)
        notes.add(item.line, f"`{field.name}` is a number {unit}, not {describe(item)}{instead}")
        return None
    low, high = field.possible
    if not low <= item.plain <= high:
        bounds = f"{low:g} to {high:g}" if field.unit == "1" else f"{low:g} to {high:g} {field.unit}"
        notes.add(item.line, f"`{field.name}` can only be {bounds}: {item.plain:g} is out of its bounds")
        return None
    return float(item.plain)


def _converted(plain: object, field: Gauge | Counter) -> str:
    """The end of a sentence about what is no number: the one to write instead, or which there are."""
    match, unit = _QUANTITY.fullmatch(plain.strip()) if isinstance(plain, str) else None, field.unit
    if match is None:
        low, high = field.possible
        return f": write one from {low:g} to {high:g}"
    number, given = float(match[1]), match[2].replace("m3", "m³")
    for base in (unit, *(unit.removeprefix(prefix) for prefix in _PREFIXES if prefix and unit.startswith(prefix))):
        for prefix, factor in _PREFIXES.items():
            if base and given == prefix + base:
                scale = next(_PREFIXES[p] for p in _PREFIXES if unit == p + base)
                return f": write {number * factor / scale:.12g}"
    return ": write the number alone"


def read_value(item: Item, field: Field, notes: Notes) -> Value | None:
    """Reads a value that the field can have; None after noting why it cannot."""
    match field:
        case Gauge() | Counter():
            return read_number(item, field, notes)
        case Flag():
            if isinstance(item.plain, bool):
                return item.plain
            notes.add(item.line, f"`{field.name}` is true or false, not {describe(item)}")
        case Choice():
            if isinstance(item.plain, str) and item.plain in field.choices:
                return item.plain
            notes.add(item.line, f"`{field.name}` cannot be {quoted(item)}{nearest(str(item.plain), field.choices)}")
    return None


def read_duration(item: Item, notes: Notes) -> timedelta | None:
    """Reads a duration; None after noting that it is none."""
    try:
        return parse_duration(str(item.plain))
    except ValueError as error:
        notes.add(item.line, str(error))
        return None


def read_span(item: Item, notes: Notes) -> timedelta | None:
    """Reads a duration that is longer than nothing."""
    span = read_duration(item, notes)
    if span == timedelta():
        notes.add(item.line, f"`{item.plain}` is no time at all: write a longer duration")
        return None
    return span
