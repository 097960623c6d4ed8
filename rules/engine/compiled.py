"""The rules of one device kind, compiled once: evaluating a message takes a few calls of Python functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from devices.kind import Value
from rules.derived.pipeline import BalanceInputs, Observers, balances_of, observers_of, pack_names
from rules.model.condition import (
    Condition,
    NoData,
    Test,
    Verdict,
    compile_test,
    fields_of,
    needed_fields,
    negate,
)
from rules.model.rule import Rule, Scope
from rules.model.virtual_kinds import RULE_KINDS

_SCOPES = (None, Scope.BUILDING.value, Scope.COMMUNITY.value)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its tests on telemetry; None for a test without a part on telemetry.

    Attributes:
        rule: The rule.
        when: Raises from normal.
        while_pending: Sustains the wait for `on_delay`.
        while_open: Sustains an open or muted alert.
        telemetry_ends: Whether telemetry can end the alert. Where only events end it, telemetry can confirm the
            condition, no more.
    """

    rule: Rule
    when: Test | None
    while_pending: Test | None
    while_open: Test | None
    telemetry_ends: bool


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """The rules of one kind, sorted by their inputs.

    Attributes:
        telemetry: Name, test from normal, and rule, of each rule that compares fields.
        events: The rules that each event concerns.
        raising_events: The events that make a condition TRUE.
        no_data_rules: The rules about absence.
        scheduled: The rules with a calendar, without those about absence.
        freshness: The highest age of a sample that still counts as an arrival; zero for a kind without rules about
            absence.
        retained_fields: The fields of which the engine retains the last value: some text quotes them although the
            deciding sample may lack them, or a rule compares them when its calendar opens.
        observers: The observers of the derived values, each once for all rules.
        packed_names: The names of the derived values, in front of their stored states.
        balances: The derived values that compare a master meter with its sub-meters.
        of_scope: The rules that concern the master meters of a `building` or of a `community`, and under None all other
            devices; empty where all rules of the kind concern all of them.
    """

    telemetry: tuple[tuple[str, Test | None, CompiledRule], ...]
    events: Mapping[str, tuple[Rule, ...]]
    raising_events: frozenset[str]
    no_data_rules: tuple[tuple[Rule, NoData], ...]
    scheduled: tuple[CompiledRule, ...]
    freshness: timedelta
    retained_fields: tuple[str, ...]
    observers: Observers
    packed_names: bytes
    balances: tuple[BalanceInputs, ...]
    of_scope: "Mapping[str | None, CompiledRules]" = field(default_factory=dict)


def compile_rules(rules: Iterable[Rule]) -> CompiledRules:
    """Compile the rules of one kind and sort them by their inputs, in the order given."""
    rules = tuple(rules)
    compiled = tuple(map(_compile, rules))
    scheduled = tuple(each for each in compiled if each.rule.schedule and not each.rule.no_data)
    events = dict.fromkeys(event for rule in rules for event in rule.event_verdicts)
    no_data_rules = tuple((rule, rule.no_data) for rule in rules if rule.no_data)
    retained = {name for rule in rules for name in _retained_placeholders(rule)}
    retained |= {name for each in scheduled for name in each.rule.compared_fields}
    observers = observers_of(derived for rule in rules for derived in rule.derived_values.values())
    compiled_rules = CompiledRules(
        telemetry=tuple((each.rule.name, each.when, each) for each in compiled if each.rule.compared_fields),
        events={event: tuple(rule for rule in rules if event in rule.event_verdicts) for event in events},
        raising_events=frozenset(name for rule in rules for name, verdict in rule.event_verdicts.items() if verdict),
        no_data_rules=no_data_rules,
        scheduled=scheduled,
        freshness=max((no_data.after for _, no_data in no_data_rules), default=timedelta()),
        retained_fields=tuple(
            sorted(name for name in retained if any(RULE_KINDS[rule.kind].field(name) for rule in rules))
        ),
        observers=observers,
        packed_names=pack_names(observers.all),
        balances=balances_of(observers.all),
    )
    if all(rule.scope is Scope.DEVICE for rule in rules):
        return compiled_rules
    return replace(compiled_rules, of_scope={scope: _of_scope(compiled_rules, scope) for scope in _SCOPES})


def _of_scope(compiled_rules: CompiledRules, scope: str | None) -> CompiledRules:
    """Return the rules that concern devices of a scope; derived values, names of events and `freshness` stay."""

    def concerns(rule: Rule) -> bool:
        return rule.scope is Scope.DEVICE or rule.scope == scope or (rule.scope is Scope.HOUSEHOLD and scope is None)

    return replace(
        compiled_rules,
        telemetry=tuple(entry for entry in compiled_rules.telemetry if concerns(entry[2].rule)),
        no_data_rules=tuple(entry for entry in compiled_rules.no_data_rules if concerns(entry[0])),
        scheduled=tuple(each for each in compiled_rules.scheduled if concerns(each.rule)),
        events={event: tuple(filter(concerns, concerned)) for event, concerned in compiled_rules.events.items()},
    )


def _retained_placeholders(rule: Rule) -> frozenset[str]:
    """Return the placeholders of the texts, except fields of every sample that makes the condition hold."""
    if rule.no_data or rule.event_verdicts or rule.schedule:
        return rule.placeholders
    needed = needed_fields(rule.when)
    return rule.placeholders - (needed & needed_fields(rule.until, verdict=False) if rule.until else needed)


def _compile(rule: Rule) -> CompiledRule:
    when = _telemetry_test(rule.when)
    until = _telemetry_test(rule.until) if rule.until else None
    not_until = until and _negated(until)
    if rule.until is None:
        while_open = when
    elif when and not_until:
        while_open = _either(when, not_until)
    else:
        while_open = when or not_until
    return CompiledRule(
        rule, when, when or not_until, while_open, telemetry_ends=rule.until is None or until is not None
    )


def _telemetry_test(condition: Condition) -> Test | None:
    return compile_test(condition) if fields_of(condition) else None


def _negated(test: Test) -> Test:
    return lambda values: negate(test(values))


def _either(when: Test, not_until: Test) -> Test:
    """Make a test that is TRUE while `when` is: an `until` that overlaps `when` must not make an alert flap."""

    def test(values: Mapping[str, Value]) -> Verdict:
        return True if when(values) else not_until(values)

    return test
