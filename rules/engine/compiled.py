"""What the rules of one device kind want to see, compiled once so that judging a message is a few calls."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from devices.kind import Value
from rules.derived.pipeline import BalanceInputs, Observer, balances_of, observers_of, pack_names
from rules.model.condition import Condition, NoData, Test, Verdict, compile_test, fields_of, needed_fields, negate
from rules.model.rule import Rule, Scope
from rules.model.virtual_kinds import RULE_KINDS


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule and its tests on telemetry; a test is None where telemetry has nothing to say.

    `when` opens from normal, `pending` sustains the wait for `on_delay`, and `holding` is asked while an occurrence is
    open or muted. Where only events end it (`ends` is false), telemetry can confirm the condition but not end it.
    """

    rule: Rule
    when: Test | None
    pending: Test | None
    holding: Test | None
    ends: bool


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """The rules of one kind, by what they wait for.

    `scheduled` are those with a calendar that look at more than silence. `freshness` is the oldest a sample may be to
    count as arrival. `kept` are the fields whose last values are remembered: those that some text quotes although what
    decides may lack them, and those that are judged again when a calendar opens.
    `observers` is what is made of many samples, each once for all rules, and `packed_names` stands before their states
    where these are stored; `balances` are those among them that compare devices with each other. `of_masters` is the
    plan for master meters, where it is another one: without the rules about households.
    """

    telemetry: tuple[tuple[str, Test | None, CompiledRule], ...]
    events: Mapping[str, tuple[Rule, ...]]
    no_data_rules: tuple[tuple[Rule, NoData], ...]
    scheduled: tuple[CompiledRule, ...]
    freshness: timedelta
    kept: tuple[str, ...]
    observers: tuple[Observer, ...]
    packed_names: bytes
    balances: tuple[BalanceInputs, ...]
    of_masters: "CompiledRules | None" = None


def compile_rules(rules: Iterable[Rule]) -> CompiledRules:
    """Sorts the rules of one kind by what they wait for, in their order."""
    rules = tuple(rules)
    compiled_rules = tuple(_compile(rule) for rule in rules)
    scheduled = tuple(compiled for compiled in compiled_rules if compiled.rule.schedule and not compiled.rule.no_data)
    kept = {name for rule in rules for name in _kept(rule)} | {
        name for one in scheduled for name in one.rule.compared_fields
    }
    events = dict.fromkeys(event for rule in rules for event in rule.event_verdicts)
    no_data_rules = tuple((rule, rule.no_data) for rule in rules if rule.no_data)
    observers = observers_of(derived for rule in rules for derived in rule.derived_values.values())
    whole = CompiledRules(
        telemetry=tuple((each.rule.name, each.when, each) for each in compiled_rules if each.rule.compared_fields),
        events={event: tuple(rule for rule in rules if event in rule.event_verdicts) for event in events},
        no_data_rules=no_data_rules,
        scheduled=scheduled,
        freshness=max((no_data.after for _, no_data in no_data_rules), default=timedelta()),
        kept=tuple(sorted(name for name in kept if any(RULE_KINDS[rule.kind].field(name) for rule in rules))),
        observers=observers,
        packed_names=pack_names(observers),
        balances=balances_of(observers),
    )
    return replace(whole, of_masters=_of_masters(whole, rules))


def _of_masters(whole: CompiledRules, rules: tuple[Rule, ...]) -> CompiledRules | None:
    """The plan for master meters. It makes the same observers: only the rules about households are left out."""
    if all(rule.scope is not Scope.HOUSEHOLD for rule in rules):
        return None
    return replace(
        whole,
        telemetry=tuple(entry for entry in whole.telemetry if entry[2].rule.scope is not Scope.HOUSEHOLD),
        scheduled=tuple(compiled for compiled in whole.scheduled if compiled.rule.scope is not Scope.HOUSEHOLD),
        events={
            event: tuple(rule for rule in concerned if rule.scope is not Scope.HOUSEHOLD)
            for event, concerned in whole.events.items()
        },
    )


def _kept(rule: Rule) -> frozenset[str]:
    """What the texts quote, without what every sample has that makes the condition hold."""
    if rule.no_data or rule.event_verdicts or rule.schedule:
        return rule.placeholders
    needed = needed_fields(rule.when)
    return rule.placeholders - (needed & needed_fields(rule.until, verdict=False) if rule.until else needed)


def _compile(rule: Rule) -> CompiledRule:
    when = _on_telemetry(rule.when)
    until = _on_telemetry(rule.until) if rule.until else None
    unended = until and _negated(until)
    if rule.until is None:
        holding = when
    elif when and unended:
        holding = _either(when, unended)
    else:
        holding = when or unended
    return CompiledRule(rule, when, when or unended, holding, ends=rule.until is None or until is not None)


def _on_telemetry(condition: Condition) -> Test | None:
    return compile_test(condition) if fields_of(condition) else None


def _negated(test: Test) -> Test:
    return lambda values: negate(test(values))


def _either(when: Test, unended: Test) -> Test:
    """TRUE while `when` itself is: an end that an author drew too wide must not make an alert flap."""

    def test(values: Mapping[str, Value]) -> Verdict:
        return True if when(values) else unended(values)

    return test
