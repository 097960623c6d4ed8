"""What rule files may say in `when` and `until`: one table from the word to the function that reads it."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from devices.kind import Choice, Counter, DeviceKind, Field, Flag, Gauge
from rules.condition import COMPARISONS, All, Any, Compare, Condition, Happens, Not, Silent, Value, events_of
from rules.document import Item, Notes, as_list, as_mapping, describe, nearest
from rules.duration import parse_duration

_LEAST_JITTER = timedelta(seconds=5)


def read_condition(item: Item, kind: DeviceKind, notes: Notes) -> Condition | None:
    """Reads one condition; None after noting what is wrong with it."""
    words = (*FORMS, *COMPARISONS)
    keys = as_mapping(item, words, notes, "a condition")
    if keys is None:
        return None
    forms = [word for word in FORMS if word in keys]
    if len(forms) != 1:
        notes.add(item.line, f"a condition has exactly one of {_listed(FORMS)}, not {_listed(forms) or 'none'}")
        return None
    return FORMS[forms[0]](keys, kind, notes)


def _read_field(keys: Mapping[str, Item], kind: DeviceKind, notes: Notes) -> Condition | None:
    name = keys["field"]
    field = kind.field(name.plain) if isinstance(name.plain, str) else None
    if field is None:
        known = (one.name for one in kind.fields)
        notes.add(name.line, f"{kind.name} has no field `{name.plain}`{nearest(str(name.plain), known)}")
        return None
    hows = [how for how in COMPARISONS if how in keys]
    if len(hows) != 1:
        notes.add(name.line, f"`{field.name}` needs exactly one of {_listed(COMPARISONS)}")
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
    number = _read_number(limit, field, notes)
    return None if number is None else Compare(field.name, how, number)


def _read_outside(item: Item, field: Gauge | Counter, notes: Notes) -> Condition | None:
    if not isinstance(item.plain, list) or len(item.plain) != 2:
        notes.add(item.line, f"`outside` takes two numbers, such as [1, 2], not {describe(item)}")
        return None
    low, high = (_read_number(part, field, notes) for part in item.plain)
    if low is None or high is None:
        return None
    if low >= high:
        notes.add(item.line, f"`outside` takes the lower number first, not [{low:g}, {high:g}]")
        return None
    return Compare(field.name, "outside", (low, high))


def _read_number(item: Item, field: Gauge | Counter, notes: Notes) -> float | None:
    if isinstance(item.plain, bool) or not isinstance(item.plain, int | float):
        notes.add(item.line, f"`{field.name}` is a number in {field.unit}, not {describe(item)}")
        return None
    low, high = field.possible
    if not low <= item.plain <= high:
        bounds = f"{low:g} to {high:g} {field.unit}"
        notes.add(item.line, f"`{field.name}` can only be {bounds}: {item.plain:g} is out of its bounds")
        return None
    return float(item.plain)


def read_value(item: Item, field: Field, notes: Notes) -> Value | None:
    """Reads a value that the field can have; None after noting why it cannot."""
    match field:
        case Gauge() | Counter():
            return _read_number(item, field, notes)
        case Flag():
            if isinstance(item.plain, bool):
                return item.plain
            notes.add(item.line, f"`{field.name}` is true or false, not {describe(item)}")
        case Choice():
            if isinstance(item.plain, str) and item.plain in field.choices:
                return item.plain
            notes.add(item.line, f"`{field.name}` cannot be {describe(item)}{nearest(str(item.plain), field.choices)}")
    return None


def _read_event(keys: Mapping[str, Item], kind: DeviceKind, notes: Notes) -> Condition | None:
    _refuse_others(keys, "event", notes)
    item = keys["event"]
    names = list(as_list(item, notes, "`event`")) if isinstance(item.plain, list) else [item]
    events = tuple(name for name in (read_event_name(one, kind, notes) for one in names) if name)
    return Happens(events) if events and len(events) == len(names) else None


def read_event_name(item: Item, kind: DeviceKind, notes: Notes) -> str | None:
    """Reads the name of an event of the kind; None after noting that it has none such."""
    if isinstance(item.plain, str) and kind.event(item.plain):
        return item.plain
    known = (event.name for event in kind.events)
    notes.add(item.line, f"{kind.name} has no event `{item.plain}`{nearest(str(item.plain), known)}")
    return None


def _read_silent(keys: Mapping[str, Item], kind: DeviceKind, notes: Notes) -> Condition | None:
    _refuse_others(keys, "silent", notes)
    inner = as_mapping(keys["silent"], ("periods", "jitter"), notes, "`silent`")
    if inner is None:
        return None
    periods = inner.get("periods")
    if periods is None or isinstance(periods.plain, bool) or not isinstance(periods.plain, int) or periods.plain < 1:
        line = (periods or keys["silent"]).line
        notes.add(line, "`silent` needs `periods`, a whole number of reporting periods from 1")
        return None
    jitter: timedelta | None = max(_LEAST_JITTER, kind.reporting_period / 10)
    if "jitter" in inner:
        jitter = read_duration(inner["jitter"], notes)
    return None if jitter is None else Silent(periods.plain, kind.reporting_period, jitter)


def read_duration(item: Item, notes: Notes) -> timedelta | None:
    """Reads a duration; None after noting that it is none."""
    try:
        return parse_duration(str(item.plain))
    except ValueError as error:
        notes.add(item.line, str(error))
        return None


def _read_combination(word: str, make: type[All | Any]) -> Callable[..., Condition | None]:
    def read(keys: Mapping[str, Item], kind: DeviceKind, notes: Notes) -> Condition | None:
        _refuse_others(keys, word, notes)
        items = list(as_list(keys[word], notes, f"`{word}`"))
        parts = [_read_part(item, word, kind, notes) for item in items]
        found = tuple(part for part in parts if part is not None)
        return make(found) if found and len(found) == len(items) else None

    return read


def _read_not(keys: Mapping[str, Item], kind: DeviceKind, notes: Notes) -> Condition | None:
    _refuse_others(keys, "not", notes)
    part = _read_part(keys["not"], "not", kind, notes)
    return None if part is None else Not(part)


def _read_part(item: Item, word: str, kind: DeviceKind, notes: Notes) -> Condition | None:
    part = read_condition(item, kind, notes)
    if isinstance(part, Silent):
        notes.add(item.line, f"`silent` cannot stand inside `{word}`: write a rule of its own")
        return None
    if part is not None and word != "any" and events_of(part):
        notes.add(item.line, f"an event cannot stand inside `{word}`, it comes alone: use `any`, or a rule of its own")
        return None
    return part


def _refuse_others(keys: Mapping[str, Item], word: str, notes: Notes) -> None:
    for key in keys:
        if key in COMPARISONS:
            notes.add(keys[key].line, f"`{key}` needs a `field`, it says nothing about `{word}`")


def _listed(words: Mapping[str, object] | list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


FORMS: Mapping[str, Callable[[Mapping[str, Item], DeviceKind, Notes], Condition | None]] = {
    "field": _read_field,
    "event": _read_event,
    "silent": _read_silent,
    "all": _read_combination("all", All),
    "any": _read_combination("any", Any),
    "not": _read_not,
}
