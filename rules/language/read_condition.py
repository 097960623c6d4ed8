"""Reader of `when` and `until`, with one table from each word of the language to its reader."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple

from devices.kind import DeviceKind
from rules.derived.balance import MISSING
from rules.derived.baseline import DEVIATIONS
from rules.derived.compared import HOWS
from rules.derived.repeats import RepeatedCondition, RepeatedEvents
from rules.derived.window import AGGREGATES
from rules.language.read_derived import (
    ConditionContext,
    read_compared,
    read_field_name,
    read_over,
    read_rate,
    read_stays,
    read_times,
)
from rules.language.read_value import read_duration, read_limit
from rules.language.yaml_document import Diagnostics, Node, as_list, as_mapping, nearest
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


def read_condition(node: Node, context: ConditionContext, diagnostics: Diagnostics) -> Condition | None:
    """Read one condition; on a mistake add a diagnostic and return None."""
    before = len(diagnostics.entries)
    if isinstance(node.plain, str) and (formula := _FORMULA.fullmatch(node.plain)):
        name, sign, limit = formula.groups()
        diagnostics.add(node.line, f"a condition is no formula: write {{field: {name}, {_SIGNS[sign]}: {limit}}}")
        return None
    keys = as_mapping(node, _WORDS, diagnostics, "a condition")
    if keys is None:
        return None
    forms = [word for word in FORMS if word in keys and not _BESIDE.get(word, {""}) <= set(keys)]
    if len(forms) != 1:
        present = _listed(forms) if forms else "none"
        several = ": write each as a condition of its own, in `all` or `any`" if forms else ""
        diagnostics.add(node.line, f"a condition has exactly one of {_listed(FORMS)}, not {present}{several}")
        return None
    if len(diagnostics.entries) == before:
        _refuse_others(keys, forms[0], diagnostics)
    return FORMS[forms[0]].read(keys, context, diagnostics)


def _read_field(keys: Mapping[str, Node], context: ConditionContext, diagnostics: Diagnostics) -> Condition | None:
    name = keys["field"]
    field = read_field_name(name, context.kind, diagnostics)
    if field is None:
        return None
    if "compared_with" in keys:
        return read_compared(keys, field, context, diagnostics)
    return (
        read_stays(keys, field, context, diagnostics)
        if "stays" in keys
        else read_limit(keys, name.line, field, diagnostics)
    )


def _read_repeats(keys: Mapping[str, Node], context: ConditionContext, diagnostics: Diagnostics) -> Condition | None:
    often = read_times(keys, diagnostics)
    if often is None:
        return None
    times, within = often
    if "of" in keys:
        part = _read_part(keys["of"], "of", context, diagnostics)
        if part is not None and derived_values_of(part):
            diagnostics.add(
                keys["of"].line, "`of` is about one sample at a time: name a field, or fields in `all` and `any`"
            )
            return None
        if part is None:
            return None
        rises = RepeatedCondition(part, times, within)
        return Compare(rises.field.name, "equals", limit=True, derived=rises)
    happens = _read_event(keys, context, diagnostics)
    return happens and Happens(happens.events, RepeatedEvents(happens.events, times, within))


def _read_event(keys: Mapping[str, Node], context: ConditionContext, diagnostics: Diagnostics) -> Happens | None:
    node = keys["event"]
    names = list(as_list(node, diagnostics, "`event`")) if isinstance(node.plain, list) else [node]
    events = tuple(name for name in (read_event_name(one, context.kind, diagnostics) for one in names) if name)
    return Happens(events) if events and len(events) == len(names) else None


def read_event_name(node: Node, kind: DeviceKind, diagnostics: Diagnostics) -> str | None:
    """Read the name of an event of the kind; add a diagnostic and return None for an unknown name."""
    if isinstance(node.plain, str) and kind.event(node.plain):
        return node.plain
    if isinstance(node.plain, str) and kind.field(node.plain):
        diagnostics.add(node.line, f"`{node.plain}` is a field, and no event: write {{field: {node.plain}, ...}}")
        return None
    known = (event.name for event in kind.events)
    diagnostics.add(node.line, f"{kind.name} has no event `{node.plain}`{nearest(str(node.plain), known)}")
    return None


def _read_silent(keys: Mapping[str, Node], context: ConditionContext, diagnostics: Diagnostics) -> Condition | None:
    inner = as_mapping(keys["silent"], ("periods", "jitter"), diagnostics, "`silent`")
    if inner is None:
        return None
    periods = inner.get("periods")
    if periods is None or isinstance(periods.plain, bool) or not isinstance(periods.plain, int) or periods.plain < 1:
        line = (periods or keys["silent"]).line
        diagnostics.add(
            line, "`silent` needs `periods`, a whole number of reporting periods from 1, such as `silent: {periods: 4}`"
        )
        return None
    jitter: timedelta | None = max(_LEAST_JITTER, context.kind.reporting_period / 10)
    if "jitter" in inner:
        jitter = read_duration(inner["jitter"], diagnostics)
    return None if jitter is None else NoData(periods.plain, context.kind.reporting_period, jitter)


def _read_combination(word: str, make: type[All | Any]) -> Callable[..., Condition | None]:
    def read(keys: Mapping[str, Node], context: ConditionContext, diagnostics: Diagnostics) -> Condition | None:
        nodes = list(as_list(keys[word], diagnostics, f"`{word}`"))
        parts = [_read_part(node, word, context, diagnostics) for node in nodes]
        readable = tuple(part for part in parts if part is not None)
        return make(readable) if readable and len(readable) == len(nodes) else None

    return read


def _read_not(keys: Mapping[str, Node], context: ConditionContext, diagnostics: Diagnostics) -> Condition | None:
    part = _read_part(keys["not"], "not", context, diagnostics)
    return None if part is None else Not(part)


def _read_part(node: Node, word: str, context: ConditionContext, diagnostics: Diagnostics) -> Condition | None:
    part = read_condition(node, context, diagnostics)
    if isinstance(part, NoData):
        diagnostics.add(node.line, f"`silent` cannot stand inside `{word}`: write a rule of its own")
        return None
    if part is not None and word != "any" and events_of(part):
        diagnostics.add(
            node.line, f"an event cannot stand inside `{word}`, it comes alone: use `any`, or a rule of its own"
        )
        return None
    return part


def _refuse_others(keys: Mapping[str, Node], form: str, diagnostics: Diagnostics) -> None:
    for key, node in keys.items():
        if key != form and key not in FORMS[form].words:
            owners = [word for word, (_, words) in FORMS.items() if key in words]
            belongs = f"`{key}` belongs to {_listed(owners, ' or ')}, and says nothing about `{form}`"
            diagnostics.add(node.line, f"{belongs}: drop it, or write a condition with {_listed(owners, ' or ')}")


def _listed(words: Iterable[str], last: str = ", ") -> str:
    *most, end = (f"`{word}`" for word in words)
    return f"{', '.join(most)}{last}{end}" if most else end


class _Form(NamedTuple):
    """A word that makes a condition, its reader, and the words allowed beside it."""

    read: Callable[[Mapping[str, Node], ConditionContext, Diagnostics], Condition | None]
    words: tuple[str, ...] = ()


FORMS: Mapping[str, _Form] = {
    "field": _Form(_read_field, (*COMPARISONS, "stays", "compared_with", *HOWS, MISSING, DEVIATIONS, "over", "settle")),
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
}  # beside all of these words, the key is an argument and not a condition of its own
_WORDS = tuple(dict.fromkeys(word for form, (_, words) in FORMS.items() for word in (form, *words)))
