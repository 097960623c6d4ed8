"""Reader of one rule, which reports all its mistakes at once."""

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import TypeVar

from devices.catalogue import KIND_BY_NAME
from devices.gateway import GATEWAY
from devices.kind import DeviceKind
from rules.derived.balance import Balance
from rules.derived.naming import usual_gap
from rules.language.consistency import contradictions
from rules.language.read_condition import read_condition
from rules.language.read_derived import ConditionContext
from rules.language.read_example import read_example
from rules.language.read_value import read_duration
from rules.language.yaml_document import Diagnostics, Node, as_list, as_mapping, describe, nearest, quoted
from rules.model.calendar import ALWAYS, Calendar
from rules.model.condition import Condition, NoData, fields_of, repeat_conditions_of
from rules.model.duration import spell
from rules.model.rule import ExampleStep, OnClose, Rule, Scope, Severity, Unknown
from rules.model.template import allowed_placeholders, placeholders
from rules.model.virtual_kinds import OUTAGE, SYMPTOMS

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
    "explains",
    "merge_as",
    "shadow",
    "title",
    "message",
    "advice",
    "examples",
)
_REQUIRED = ("name", "kind", "severity", "when", "title", "message", "advice", "examples")
# YAML folds a line break into a blank, which Chinese does not have.
_FOLD = re.compile(
    r"(?<=[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef“”‘’]) (?=[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef“”‘’])"
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

Word = TypeVar("Word", bound=StrEnum)


def read_rule(node: Node, kind: DeviceKind, calendars: Mapping[str, Calendar], diagnostics: Diagnostics) -> Rule | None:
    """Read one rule of the kind; add a diagnostic for each mistake, and return None if there is one."""
    before = len(diagnostics.entries)
    keys = as_mapping(node, _KEYS, diagnostics, "a rule")
    if keys is None:
        return None
    missing = [f"`{key}`" for key in _REQUIRED if key not in keys]
    if missing:
        one = len(missing) == 1
        diagnostics.add(
            node.line,
            f"{', '.join(missing)} {'is' if one else 'are'} missing: add {'it' if one else 'them'} to the rule",
        )
    _read_kind(keys, kind, diagnostics)
    gap = _read_delay(keys, "gap", usual_gap(kind.reporting_period), diagnostics)
    context = ConditionContext(kind, gap, _read_word(keys, "scope", Scope.DEVICE, diagnostics))
    when = read_condition(keys["when"], context, diagnostics) if "when" in keys else None
    make_rule = partial(
        Rule,
        name=_read_name(keys, diagnostics),
        kind=kind.name,
        scope=context.scope,
        severity=_read_word(keys, "severity", Severity.WARNING, diagnostics),
        until=read_condition(keys["until"], context, diagnostics) if "until" in keys else None,
        on_delay=_read_delay(keys, "on_delay", timedelta(), diagnostics),
        off_delay=_read_delay(keys, "off_delay", timedelta(), diagnostics),
        allowed_gap=context.gap,
        unknown=_read_word(keys, "unknown", Unknown.HOLD, diagnostics),
        latch=_read_flag(keys, "latch", diagnostics),
        explains_children=_read_explains(keys, kind, diagnostics),
        explains_silence=_read_flag(keys, "explains_silence", diagnostics),
        explains=_read_explained(keys, diagnostics),
        merge_as=_read_symptom(keys, diagnostics),
        shadow=_read_flag(keys, "shadow", diagnostics),
        schedule=_read_schedule(keys, calendars, diagnostics),
        on_close=_read_word(keys, "on_close", OnClose.CLEAR, diagnostics),
        title=_read_text(keys, "title", kind, when, diagnostics),
        message=_read_text(keys, "message", kind, when, diagnostics),
        advice=_read_text(keys, "advice", kind, when, diagnostics),
        examples=_read_examples(keys, kind, diagnostics),
        source=f"{diagnostics.file}:{node.line}",
    )
    if when is None or len(diagnostics.entries) > before:
        return None
    rule = make_rule(when=when)
    _check_scope(rule, keys, diagnostics)
    _check_timing(rule, kind, keys, diagnostics)
    for key, contradiction in contradictions(rule.when, rule.until, kind):
        diagnostics.add(keys[key].line, contradiction)
    return rule if len(diagnostics.entries) == before else None


def _read_name(keys: Mapping[str, Node], diagnostics: Diagnostics) -> str:
    node = keys.get("name")
    if node is None:
        return ""
    if not isinstance(node.plain, str) or not _NAME.fullmatch(node.plain):
        diagnostics.add(
            node.line, f"`name` is lower-case letters, digits and _, such as voltage_high, not {describe(node)}"
        )
    return str(node.plain)


def _read_kind(keys: Mapping[str, Node], kind: DeviceKind, diagnostics: Diagnostics) -> None:
    named = keys.get("kind")
    if named and named.plain != kind.name:
        diagnostics.add(
            named.line, f"`kind` must be `{kind.name}` as the file is named, not {quoted(named)}: change either"
        )


def _read_word(keys: Mapping[str, Node], key: str, default: Word, diagnostics: Diagnostics) -> Word:
    node = keys.get(key)
    if node is None:
        return default
    words = {word.value: word for word in type(default)}
    if isinstance(node.plain, str) and node.plain in words:
        return words[node.plain]
    diagnostics.add(node.line, f"`{key}` cannot be {quoted(node)}{nearest(str(node.plain), words)}")
    return default


def _read_delay(keys: Mapping[str, Node], key: str, default: timedelta, diagnostics: Diagnostics) -> timedelta:
    delay = read_duration(keys[key], diagnostics) if key in keys else None
    return default if delay is None else delay


def _read_flag(keys: Mapping[str, Node], key: str, diagnostics: Diagnostics) -> bool:
    node = keys.get(key)
    if node and not isinstance(node.plain, bool):
        diagnostics.add(node.line, f"`{key}` is true or false, not {describe(node)}")
    return bool(node and node.plain)


def _read_explains(keys: Mapping[str, Node], kind: DeviceKind, diagnostics: Diagnostics) -> bool:
    if "explains_children" in keys and kind is not GATEWAY:
        diagnostics.add(
            keys["explains_children"].line, f"only a rule of a `{GATEWAY.name}` can have `explains_children`: drop it"
        )
    return _read_flag(keys, "explains_children", diagnostics)


def _read_explained(keys: Mapping[str, Node], diagnostics: Diagnostics) -> tuple[str, ...]:
    """Read `explains: [ev_faulted]`; `rules.language.loader` checks the names, since it knows all rules."""
    if "explains" not in keys:
        return ()
    nodes = list(as_list(keys["explains"], diagnostics, "`explains`"))
    for node in nodes:
        if not isinstance(node.plain, str):
            diagnostics.add(node.line, f"`explains` lists names of rules, such as [ev_faulted], not {describe(node)}")
    return tuple(str(node.plain) for node in nodes)


def _read_symptom(keys: Mapping[str, Node], diagnostics: Diagnostics) -> str | None:
    node = keys.get("merge_as")
    symptoms = [name for name in SYMPTOMS if name != OUTAGE]
    if node is None:
        return None
    if node.plain in symptoms:
        return str(node.plain)
    diagnostics.add(node.line, f"`merge_as` cannot be {quoted(node)}{nearest(str(node.plain), symptoms)}")
    return None


def _read_schedule(
    keys: Mapping[str, Node], calendars: Mapping[str, Calendar], diagnostics: Diagnostics
) -> Calendar | None:
    node = keys.get("schedule")
    name = node.plain if node else ALWAYS
    if name == ALWAYS:
        if "on_close" in keys:
            diagnostics.add(
                keys["on_close"].line, "`on_close` is for a rule that has a `schedule`, this one always holds: drop it"
            )
        return None
    if node and not (isinstance(name, str) and name in calendars):
        diagnostics.add(node.line, f"there is no calendar {quoted(node)}{nearest(str(name), (ALWAYS, *calendars))}")
    return calendars.get(str(name))


def _read_text(
    keys: Mapping[str, Node], key: str, kind: DeviceKind, when: Condition | None, diagnostics: Diagnostics
) -> str:
    node = keys.get(key)
    if node is None:
        return ""
    if not isinstance(node.plain, str) or not node.plain.strip():
        diagnostics.add(node.line, f"`{key}` must be a text for people, in quotes, not {describe(node)}")
        return ""
    try:
        names = placeholders(node.plain)
    except ValueError as error:
        diagnostics.add(
            node.line, f"`{key}` has braces that cannot be read ({error}): write a placeholder as {{device}}"
        )
        return ""
    if when is not None:
        allowed = allowed_placeholders(kind, when)
        for name in dict.fromkeys(name for name in names if name not in allowed):
            diagnostics.add(node.line, f"`{key}` cannot quote {{{name}}}{nearest(name, allowed)}")
    return _FOLD.sub("", node.plain)


def _read_examples(
    keys: Mapping[str, Node], kind: DeviceKind, diagnostics: Diagnostics
) -> tuple[tuple[ExampleStep, ...], ...]:
    if "examples" not in keys:
        return ()
    return tuple(read_example(node, kind, diagnostics) for node in as_list(keys["examples"], diagnostics, "`examples`"))


def _check_scope(rule: Rule, keys: Mapping[str, Node], diagnostics: Diagnostics) -> None:
    balances = any(isinstance(derived, Balance) for derived in rule.derived_values.values())
    if rule.scope is Scope.HOUSEHOLD and balances:
        diagnostics.add(keys["scope"].line, "a household meter has no households below it: leave `scope` out")
    elif rule.scope in {Scope.BUILDING, Scope.COMMUNITY} and not balances:
        wanted = "compare a field with `households`, or leave `scope` out"
        diagnostics.add(keys["scope"].line, f"`scope: {rule.scope}` is about master meters: {wanted}")


def _check_merging(rule: Rule, kind: DeviceKind, keys: Mapping[str, Node], diagnostics: Diagnostics) -> None:
    if rule.merge_as is None:
        return
    line = keys["merge_as"].line
    if kind.name not in KIND_BY_NAME:
        diagnostics.add(line, f"only alerts of devices can be merged, and a `{kind.name}` is none: drop `merge_as`")
    elif rule.no_data:
        diagnostics.add(line, f"`silent` is merged as `{OUTAGE}` in any case: drop `merge_as`")
    elif rule.severity is Severity.CRITICAL or rule.latch:
        diagnostics.add(
            line, "a `critical` or latched alert is notified for each device, never merged: drop `merge_as`"
        )


def _check_timing(rule: Rule, kind: DeviceKind, keys: Mapping[str, Node], diagnostics: Diagnostics) -> None:
    if rule.until and (rule.no_data or isinstance(rule.until, NoData)):
        diagnostics.add(
            keys["until"].line, "only `when` can be `silent`, and it ends with the next sample: drop `until`"
        )
    if rule.no_data and rule.explains_silence:
        diagnostics.add(keys["explains_silence"].line, "a silence does not explain itself: drop `explains_silence`")
    _check_merging(rule, kind, keys, diagnostics)
    if rule.until and repeat_conditions_of(rule.until):
        diagnostics.add(keys["until"].line, "`repeats` of an event cannot end an alert: name one event, or a field")
    if rule.is_instantaneous and rule.on_delay:
        diagnostics.add(keys["on_delay"].line, "an event is over at once and outlasts no `on_delay`: add `until`")
    elif rule.is_instantaneous and not rule.off_delay and not rule.latch:
        diagnostics.add(keys["when"].line, "an event is over at once: add `until`, `off_delay` or `latch: true`")
    if not fields_of(rule.when) and not (rule.until and fields_of(rule.until)):
        for key in ("gap", "unknown"):
            if key in keys:
                diagnostics.add(keys[key].line, f"`{key}` is about measured values and this rule has none: drop it")
    if rule.allowed_gap < kind.reporting_period:
        period = spell(kind.reporting_period)
        diagnostics.add(
            keys["gap"].line,
            f"`gap` must be at least the reporting period, {period}: with a shorter one nothing could last",
        )
