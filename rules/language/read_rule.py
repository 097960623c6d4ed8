"""Reads one rule as its file defines it, and says everything that is wrong with it."""

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import TypeVar

from devices.gateway import GATEWAY
from devices.kind import DeviceKind
from rules.derived.balance import Balance
from rules.derived.naming import usual_gap
from rules.language.consistency import contradictions
from rules.language.read_condition import read_condition
from rules.language.read_derived import Subject
from rules.language.read_example import read_example
from rules.language.read_value import read_duration
from rules.language.yaml_document import Item, Notes, as_list, as_mapping, describe, nearest, quoted
from rules.model.calendar import ALWAYS, Calendar
from rules.model.condition import Condition, NoData, fields_of, repeat_conditions_of
from rules.model.duration import spell
from rules.model.rule import ExampleStep, OnClose, Rule, Scope, Severity, Unknown
from rules.model.template import allowed_placeholders, placeholders

_KEYS = (
    "name",
    "kind",
    "scope",
    "severity",
    "when",
    "until",
    "on_delay",
    "off_delay",
    "gap",
    "unknown",
    "latch",
    "schedule",
    "on_close",
    "explains_children",
    "explains_silence",
    "shadow",
    "title",
    "message",
    "advice",
    "examples",
)
_REQUIRED = ("name", "kind", "severity", "when", "title", "message", "advice", "examples")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

Word = TypeVar("Word", bound=StrEnum)


def read_rule(item: Item, kind: DeviceKind, calendars: Mapping[str, Calendar], notes: Notes) -> Rule | None:
    """Reads one rule of the kind; None after noting all that is wrong with it."""
    before = len(notes.problems)
    keys = as_mapping(item, _KEYS, notes, "a rule")
    if keys is None:
        return None
    missing = [f"`{key}`" for key in _REQUIRED if key not in keys]
    if missing:
        one = len(missing) == 1
        notes.add(
            item.line,
            f"{', '.join(missing)} {'is' if one else 'are'} missing: add {'it' if one else 'them'} to the rule",
        )
    _read_kind(keys, kind, notes)
    gap = _read_delay(keys, "gap", usual_gap(kind.reporting_period), notes)
    subject = Subject(kind, gap, _read_word(keys, "scope", Scope.DEVICE, notes))
    when = read_condition(keys["when"], subject, notes) if "when" in keys else None
    read = partial(
        Rule,
        name=_read_name(keys, notes),
        kind=kind.name,
        scope=subject.scope,
        severity=_read_word(keys, "severity", Severity.WARNING, notes),
        until=read_condition(keys["until"], subject, notes) if "until" in keys else None,
        on_delay=_read_delay(keys, "on_delay", timedelta(), notes),
        off_delay=_read_delay(keys, "off_delay", timedelta(), notes),
        allowed_gap=subject.gap,
        unknown=_read_word(keys, "unknown", Unknown.HOLD, notes),
        latch=_read_flag(keys, "latch", notes),
        explains_children=_read_explains(keys, kind, notes),
        explains_silence=_read_flag(keys, "explains_silence", notes),
        shadow=_read_flag(keys, "shadow", notes),
        schedule=_read_schedule(keys, calendars, notes),
        on_close=_read_word(keys, "on_close", OnClose.CLEAR, notes),
        title=_read_text(keys, "title", kind, when, notes),
        message=_read_text(keys, "message", kind, when, notes),
        advice=_read_text(keys, "advice", kind, when, notes),
        examples=_read_examples(keys, kind, notes),
        source=f"{notes.file}:{item.line}",
    )
    if when is None or len(notes.problems) > before:
        return None
    rule = read(when=when)
    _check_scope(rule, keys, notes)
    _check_timing(rule, kind, keys, notes)
    for key, contradiction in contradictions(rule.when, rule.until, kind):
        notes.add(keys[key].line, contradiction)
    return rule if len(notes.problems) == before else None


def _read_name(keys: Mapping[str, Item], notes: Notes) -> str:
    item = keys.get("name")
    if item is None:
        return ""
    if not isinstance(item.plain, str) or not _NAME.fullmatch(item.plain):
        notes.add(item.line, f"`name` is lower-case letters, digits and _, such as voltage_high, not {describe(item)}")
    return str(item.plain)


def _read_kind(keys: Mapping[str, Item], kind: DeviceKind, notes: Notes) -> None:
    named = keys.get("kind")
    if named and named.plain != kind.name:
        notes.add(named.line, f"`kind` must be `{kind.name}` as the file is named, not {quoted(named)}: change either")


def _read_word(keys: Mapping[str, Item], key: str, default: Word, notes: Notes) -> Word:
    item = keys.get(key)
    if item is None:
        return default
    words = {word.value: word for word in type(default)}
    if isinstance(item.plain, str) and item.plain in words:
        return words[item.plain]
    notes.add(item.line, f"`{key}` cannot be {quoted(item)}{nearest(str(item.plain), words)}")
    return default


def _read_delay(keys: Mapping[str, Item], key: str, default: timedelta, notes: Notes) -> timedelta:
    delay = read_duration(keys[key], notes) if key in keys else None
    return default if delay is None else delay


def _read_flag(keys: Mapping[str, Item], key: str, notes: Notes) -> bool:
    item = keys.get(key)
    if item and not isinstance(item.plain, bool):
        notes.add(item.line, f"`{key}` is true or false, not {describe(item)}")
    return bool(item and item.plain)


def _read_explains(keys: Mapping[str, Item], kind: DeviceKind, notes: Notes) -> bool:
    if "explains_children" in keys and kind is not GATEWAY:
        notes.add(
            keys["explains_children"].line, f"only a rule of a `{GATEWAY.name}` can have `explains_children`: drop it"
        )
    return _read_flag(keys, "explains_children", notes)


def _read_schedule(keys: Mapping[str, Item], calendars: Mapping[str, Calendar], notes: Notes) -> Calendar | None:
    item = keys.get("schedule")
    name = item.plain if item else ALWAYS
    if name == ALWAYS:
        if "on_close" in keys:
            notes.add(
                keys["on_close"].line, "`on_close` is for a rule that has a `schedule`, this one always holds: drop it"
            )
        return None
    if item and not (isinstance(name, str) and name in calendars):
        notes.add(item.line, f"there is no calendar {quoted(item)}{nearest(str(name), (ALWAYS, *calendars))}")
    return calendars.get(str(name))


def _read_text(keys: Mapping[str, Item], key: str, kind: DeviceKind, when: Condition | None, notes: Notes) -> str:
    item = keys.get(key)
    if item is None:
        return ""
    if not isinstance(item.plain, str) or not item.plain.strip():
        notes.add(item.line, f"`{key}` must be a text for people, in quotes, not {describe(item)}")
        return ""
    try:
        names = placeholders(item.plain)
    except ValueError as error:
        notes.add(item.line, f"`{key}` has braces that cannot be read ({error}): write a placeholder as {{device}}")
        return ""
    if when is not None:
        allowed = allowed_placeholders(kind, when)
        for name in dict.fromkeys(name for name in names if name not in allowed):
            notes.add(item.line, f"`{key}` cannot quote {{{name}}}{nearest(name, allowed)}")
    return item.plain


def _read_examples(keys: Mapping[str, Item], kind: DeviceKind, notes: Notes) -> tuple[tuple[ExampleStep, ...], ...]:
    if "examples" not in keys:
        return ()
    return tuple(read_example(item, kind, notes) for item in as_list(keys["examples"], notes, "`examples`"))


def _check_scope(rule: Rule, keys: Mapping[str, Item], notes: Notes) -> None:
    balances = any(isinstance(derived, Balance) for derived in rule.derived_values.values())
    if rule.scope is Scope.HOUSEHOLD and balances:
        notes.add(keys["scope"].line, "a household meter has no households below it: leave `scope` out")
    elif rule.scope in {Scope.BUILDING, Scope.COMMUNITY} and not balances:
        wanted = "compare a field with `households`, or leave `scope` out"
        notes.add(keys["scope"].line, f"`scope: {rule.scope}` is about master meters: {wanted}")


def _check_timing(rule: Rule, kind: DeviceKind, keys: Mapping[str, Item], notes: Notes) -> None:
    if rule.until and (rule.no_data or isinstance(rule.until, NoData)):
        notes.add(keys["until"].line, "only `when` can be `silent`, and it ends with the next sample: drop `until`")
    if rule.no_data and rule.explains_silence:
        notes.add(keys["explains_silence"].line, "a silence does not explain itself: drop `explains_silence`")
    if rule.until and repeat_conditions_of(rule.until):
        notes.add(keys["until"].line, "`repeats` of an event cannot end an alert: name one event, or a field")
    if rule.is_instantaneous and rule.on_delay:
        notes.add(keys["on_delay"].line, "an event is over at once and outlasts no `on_delay`: add `until`")
    elif rule.is_instantaneous and not rule.off_delay and not rule.latch:
        notes.add(keys["when"].line, "an event is over at once: add `until`, `off_delay` or `latch: true`")
    if not fields_of(rule.when) and not (rule.until and fields_of(rule.until)):
        for key in ("gap", "unknown"):
            if key in keys:
                notes.add(keys[key].line, f"`{key}` is about measured values and this rule has none: drop it")
    if rule.allowed_gap < kind.reporting_period:
        period = spell(kind.reporting_period)
        notes.add(
            keys["gap"].line,
            f"`gap` must be at least the reporting period, {period}: with a shorter one nothing could last",
        )
