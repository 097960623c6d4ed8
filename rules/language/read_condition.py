"""What rule files may say in `when` and `until`: one table from the word to the function that reads it."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple

from devices.kind import DeviceKind
from rules.derived.baseline import DEVIATIONS
from rules.derived.compared import HOWS
from rules.derived.repeats import RepeatedCondition, RepeatedEvents
from rules.derived.window import AGGREGATES
from rules.language.read_derived import (
    Subject,
    read_compared,
    read_field_name,
    read_over,
    read_rate,
    read_stays,
    read_times,
)
from rules.language.read_value import read_duration, read_limit
from rules.language.yaml_document import Item, Notes, as_list, as_mapping, nearest
from rules.model.condition import (
    COMPARISONS,
    All,
    Any,
    Compare,
    Condition,
    Happens,
    NoData,
    Not,
    derived_values_of,
    events_of,
)

_FORMULA = re.compile(r"(\w+) *([<>=])=? *(\S+)")
_SIGNS = {">": "above", "<": "below", "=": "equals"}
_LEAST_JITTER = timedelta(seconds=5)


def read_condition(item: Item, subject: Subject, notes: Notes) -> Condition | None:
    """Reads one condition; None after noting what is wrong with it."""
    before = len(notes.problems)
    if isinstance(item.plain, str) and (formula := _FORMULA.fullmatch(item.plain)):
        name, sign, limit = formula.groups()
        notes.add(item.line, f"a condition is no formula: write {{field: {name}, {_SIGNS[sign]}: {limit}}}")
        return None
    keys = as_mapping(item, _WORDS, notes, "a condition")
    if keys is None:
        return None
    forms = [word for word in FORMS if word in keys and not _BESIDE.get(word, {""}) <= set(keys)]
    if len(forms) != 1:
        found = _listed(forms) if forms else "none"
        several = ": write each as a condition of its own, in `all` or `any`" if forms else ""
        notes.add(item.line, f"a condition has exactly one of {_listed(FORMS)}, not {found}{several}")
        return None
    if len(notes.problems) == before:
        _refuse_others(keys, forms[0], notes)
    return FORMS[forms[0]].read(keys, subject, notes)


def _read_field(keys: Mapping[str, Item], subject: Subject, notes: Notes) -> Condition | None:
    name = keys["field"]
    field = read_field_name(name, subject.kind, notes)
    if field is None:
        return None
    if "compared_with" in keys:
        return read_compared(keys, field, subject, notes)
    return read_stays(keys, field, subject, notes) if "stays" in keys else read_limit(keys, name.line, field, notes)


def _read_repeats(keys: Mapping[str, Item], subject: Subject, notes: Notes) -> Condition | None:
    often = read_times(keys, notes)
    if often is None:
        return None
    times, within = often
    if "of" in keys:
        part = _read_part(keys["of"], "of", subject, notes)
        if part is not None and derived_values_of(part):
            notes.add(keys["of"].line, "`of` is about one sample at a time: name a field, or fields in `all` and `any`")
            return None
        if part is None:
            return None
        rises = RepeatedCondition(part, times, within)
        return Compare(rises.field.name, "equals", limit=True, derived=rises)
    happens = _read_event(keys, subject, notes)
    return happens and Happens(happens.events, RepeatedEvents(happens.events, times, within))


def _read_event(keys: Mapping[str, Item], subject: Subject, notes: Notes) -> Happens | None:
    item = keys["event"]
    names = list(as_list(item, notes, "`event`")) if isinstance(item.plain, list) else [item]
    events = tuple(name for name in (read_event_name(one, subject.kind, notes) for one in names) if name)
    return Happens(events) if events and len(events) == len(names) else None


def read_event_name(item: Item, kind: DeviceKind, notes: Notes) -> str | None:
    """Reads the name of an event of the kind; None after noting that it has none such."""
    if isinstance(item.plain, str) and kind.event(item.plain):
        return item.plain
    if isinstance(item.plain, str) and kind.field(item.plain):
        notes.add(item.line, f"`{item.plain}` is a field, and no event: write {{field: {item.plain}, ...}}")
        return None
    known = (event.name for event in kind.events)
    notes.add(item.line, f"{kind.name} has no event `{item.plain}`{nearest(str(item.plain), known)}")
    return None


def _read_silent(keys: Mapping[str, Item], subject: Subject, notes: Notes) -> Condition | None:
    inner = as_mapping(keys["silent"], ("periods", "jitter"), notes, "`silent`")
    if inner is None:
        return None
    periods = inner.get("periods")
    if periods is None or isinstance(periods.plain, bool) or not isinstance(periods.plain, int) or periods.plain < 1:
        line = (periods or keys["silent"]).line
        notes.add(
            line, "`silent` needs `periods`, a whole number of reporting periods from 1, such as `silent: {periods: 4}`"
        )
        return None
    jitter: timedelta | None = max(_LEAST_JITTER, subject.kind.reporting_period / 10)
    if "jitter" in inner:
        jitter = read_duration(inner["jitter"], notes)
    return None if jitter is None else NoData(periods.plain, subject.kind.reporting_period, jitter)


def _read_combination(word: str, make: type[All | Any]) -> Callable[..., Condition | None]:
    def read(keys: Mapping[str, Item], subject: Subject, notes: Notes) -> Condition | None:
        items = list(as_list(keys[word], notes, f"`{word}`"))
        parts = [_read_part(item, word, subject, notes) for item in items]
        found = tuple(part for part in parts if part is not None)
        return make(found) if found and len(found) == len(items) else None

    return read


def _read_not(keys: Mapping[str, Item], subject: Subject, notes: Notes) -> Condition | None:
    part = _read_part(keys["not"], "not", subject, notes)
    return None if part is None else Not(part)


def _read_part(item: Item, word: str, subject: Subject, notes: Notes) -> Condition | None:
    part = read_condition(item, subject, notes)
    if isinstance(part, NoData):
        notes.add(item.line, f"`silent` cannot stand inside `{word}`: write a rule of its own")
        return None
    if part is not None and word != "any" and events_of(part):
        notes.add(item.line, f"an event cannot stand inside `{word}`, it comes alone: use `any`, or a rule of its own")
        return None
    return part


def _refuse_others(keys: Mapping[str, Item], form: str, notes: Notes) -> None:
    for key, item in keys.items():
        if key != form and key not in FORMS[form].words:
            owners = [word for word, (_, words) in FORMS.items() if key in words]
            belongs = f"`{key}` belongs to {_listed(owners, ' or ')}, and says nothing about `{form}`"
            notes.add(item.line, f"{belongs}: drop it, or write a condition with {_listed(owners, ' or ')}")


def _listed(words: Iterable[str], last: str = ", ") -> str:
    *most, end = (f"`{word}`" for word in words)
    return f"{', '.join(most)}{last}{end}" if most else end


class _Form(NamedTuple):
    """A word that makes a condition, with the function that reads it, and the words that may stand beside it."""

    read: Callable[[Mapping[str, Item], Subject, Notes], Condition | None]
    words: tuple[str, ...] = ()


FORMS: Mapping[str, _Form] = {
    "field": _Form(_read_field, (*COMPARISONS, "stays", "compared_with", *HOWS, DEVIATIONS, "over", "settle")),
    "rate": _Form(read_rate, ("per", *COMPARISONS)),
    "over": _Form(read_over, (*AGGREGATES, *COMPARISONS, "compared_with", *HOWS)),
    "repeats": _Form(_read_repeats, ("within", "event", "of")),
    "event": _Form(_read_event),
    "silent": _Form(_read_silent),
    "all": _Form(_read_combination("all", All)),
    "any": _Form(_read_combination("any", Any)),
    "not": _Form(_read_not),
}
_BESIDE = {
    "event": {"repeats"},
    "over": {"field", "compared_with"},
}  # make no condition of their own beside all of these
_WORDS = tuple(dict.fromkeys(word for form, (_, words) in FORMS.items() for word in (form, *words)))
