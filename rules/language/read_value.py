"""Readers of limits, values and durations, with a remedy for each mistake."""

import re
from collections.abc import Mapping
from datetime import timedelta

from devices.kind import Choice, Counter, Field, Flag, Gauge, Value
from rules.language.yaml_document import Diagnostics, Node, describe, nearest, quoted
from rules.model.condition import COMPARISONS, Compare
from rules.model.derived_value import ComparableValue
from rules.model.duration import parse_duration

_QUANTITY = re.compile(r"([-+]?[0-9]+(?:\.[0-9]+)?)\s*(\S+)")
_PREFIXES = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}


def read_limit(keys: Mapping[str, Node], line: int, field: Field, diagnostics: Diagnostics) -> Compare | None:
    """Read the one comparison of a field; on a mistake add a diagnostic and return None."""
    hows = [how for how in COMPARISONS if how in keys]
    if len(hows) != 1:
        words = ", ".join(f"`{how}`" for how in COMPARISONS)
        diagnostics.add(line, f"`{field.name}` needs exactly one of {words}")
        return None
    how, limit = hows[0], keys[hows[0]]
    if how == "equals":
        value = read_value(limit, field, diagnostics)
        return None if value is None else Compare(field.name, how, value)
    if not isinstance(field, Gauge | Counter):
        diagnostics.add(limit.line, f"`{field.name}` is no number: write `equals` instead of `{how}`")
        return None
    if how == "outside":
        return _read_outside(limit, field, diagnostics)
    number = read_number(limit, field, diagnostics)
    return None if number is None else Compare(field.name, how, number)


def read_derived_limit(
    keys: Mapping[str, Node], line: int, derived: ComparableValue, diagnostics: Diagnostics
) -> Compare | None:
    """Read the one comparison of a derived value; on a mistake add a diagnostic and return None."""
    compare = read_limit(keys, line, derived.field, diagnostics)
    return compare and Compare(compare.field, compare.how, compare.limit, derived)


def _read_outside(node: Node, field: Gauge | Counter, diagnostics: Diagnostics) -> Compare | None:
    if not isinstance(node.plain, list) or len(node.plain) != 2:
        diagnostics.add(node.line, f"`outside` takes two numbers, such as [1, 2], not {describe(node)}")
        return None
    low, high = (read_number(part, field, diagnostics) for part in node.plain)
    if low is None or high is None:
        return None
    if low >= high:
        diagnostics.add(node.line, f"`outside` takes the lower number first, not [{low:g}, {high:g}]")
        return None
    return Compare(field.name, "outside", (low, high))


def read_number(node: Node, field: Gauge | Counter, diagnostics: Diagnostics) -> float | None:
    """Read a number within the possible range of the field, in its unit; otherwise add a diagnostic and return None."""
    if isinstance(node.plain, bool) or not isinstance(node.plain, int | float):
        unit = "without a unit" if field.unit == "1" else f"in {field.unit}"
        instead = _number_remedy(node.plain, field)
        diagnostics.add(node.line, f"`{field.name}` is a number {unit}, not {describe(node)}{instead}")
        return None
    low, high = field.possible
    if not low <= node.plain <= high:
        bounds = f"{low:g} to {high:g}" if field.unit == "1" else f"{low:g} to {high:g} {field.unit}"
        diagnostics.add(node.line, f"`{field.name}` can only be {bounds}: {node.plain:g} is out of its bounds")
        return None
    return float(node.plain)


def _number_remedy(plain: object, field: Gauge | Counter) -> str:
    """Return the end of a message about an invalid number: the converted quantity, or the possible range."""
    match, unit = _QUANTITY.fullmatch(plain.strip()) if isinstance(plain, str) else None, field.unit
    if match is None:
        low, high = field.possible
        return f": write one from {low:g} to {high:g}"
    number, written = float(match[1]), match[2].replace("m3", "m³")
    for base in (unit, *(unit.removeprefix(prefix) for prefix in _PREFIXES if prefix and unit.startswith(prefix))):
        for prefix, factor in _PREFIXES.items():
            if base and written == prefix + base:
                scale = next(_PREFIXES[p] for p in _PREFIXES if unit == p + base)
                return f": write {number * factor / scale:.12g}"
    return ": write the number alone"


def read_value(node: Node, field: Field, diagnostics: Diagnostics) -> Value | None:
    """Read a possible value of the field; otherwise add a diagnostic and return None."""
    match field:
        case Gauge() | Counter():
            return read_number(node, field, diagnostics)
        case Flag():
            if isinstance(node.plain, bool):
                return node.plain
            diagnostics.add(node.line, f"`{field.name}` is true or false, not {describe(node)}")
        case Choice():
            if isinstance(node.plain, str) and node.plain in field.choices:
                return node.plain
            diagnostics.add(
                node.line, f"`{field.name}` cannot be {quoted(node)}{nearest(str(node.plain), field.choices)}"
            )
    return None


def read_duration(node: Node, diagnostics: Diagnostics) -> timedelta | None:
    """Read a duration; otherwise add a diagnostic and return None."""
    try:
        return parse_duration(str(node.plain))
    except ValueError as error:
        diagnostics.add(node.line, str(error))
        return None


def read_span(node: Node, diagnostics: Diagnostics) -> timedelta | None:
    """Read a duration longer than zero; otherwise add a diagnostic and return None."""
    span = read_duration(node, diagnostics)
    if span == timedelta():
        diagnostics.add(node.line, f"`{node.plain}` is no time at all: write a longer duration")
        return None
    return span
