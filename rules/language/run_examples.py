"""Runner of a rule's examples, on the engine that runs the rule live."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from devices.device import Device
from devices.kind import Value
from rules.derived.pipeline import newest_values
from rules.engine.engine import Engine
from rules.language.yaml_document import Diagnostic
from rules.model.condition import Verdict, compile_test, fields_of
from rules.model.duration import spell
from rules.model.rule import ExampleStep, Phase, Rule, RulePack, Scope
from rules.model.sample import Sample
from rules.model.submeters import SubMeters

_START = datetime(2026, 1, 1, tzinfo=UTC)
_DEVICE = 1
_HOUSEHOLDS = (2, 3, 4)


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step of an example with its results.

    `phase` is the phase after the step; it ends at `due`, a time since the start of the example. `derived` holds the
    derived values after the step, None while unknown. `verdicts` holds the results of `when` and `until`, and is empty
    if the device itself sent nothing.
    """

    step: ExampleStep
    phase: Phase
    due: timedelta | None
    derived: Mapping[str, Value | None]
    verdicts: Mapping[str, Verdict]

    @property
    def holds(self) -> bool:
        """Whether the rule is in the expected phase, or the step expects none."""
        return self.step.then in {None, self.phase}


def run_examples(rule: Rule) -> list[Diagnostic]:
    """Run every example; return a diagnostic with file and line for each unexpected phase.

    Together the examples must also raise the alert, and end or latch it.
    """
    file, line = rule.source.rsplit(":", 1)
    diagnostics: list[Diagnostic] = []
    visited: list[Phase] = []
    for example in rule.examples:
        for step, phases in _play(rule, example, _engine(rule)):
            visited += phases
            if step.then and step.then is not phases[-1]:
                message = f"expected {step.then} at {spell(step.at)}, but the rule is {phases[-1]}"
                diagnostics.append(Diagnostic(file, step.line, f"example of {rule.name}: {message}"))
    end = {Phase.LATCHED} if rule.latch else {Phase.RECOVERING, Phase.NORMAL}
    if Phase.ACTIVE not in visited:
        diagnostics.append(Diagnostic(file, int(line), f"no example raises {rule.name}: add one that reaches `active`"))
    elif not end & set(visited[visited.index(Phase.ACTIVE) :]):
        wanted = "`latched`" if rule.latch else "`normal`"
        diagnostics.append(
            Diagnostic(file, int(line), f"no example ends {rule.name}: add one that goes on to {wanted}")
        )
    return diagnostics


def trace_example(rule: Rule, example: Iterable[ExampleStep]) -> Iterator[StepResult]:
    """Run one example and yield the result of each step."""
    conditions = {"when": rule.when, "until": rule.until}
    tests = {name: compile_test(one) for name, one in conditions.items() if one and fields_of(one)}
    engine, derived = _engine(rule), dict[str, Value | None]()
    for step, phases in _play(rule, example, engine):
        for device in engine.drain_device_states():
            if device.device_id == _DEVICE:
                newest = newest_values(device.derived)
                derived = {name: newest.get(name) for name in rule.derived_values}
        reports = step.arrives and not step.households
        values = {**step.values, **{name: value for name, value in derived.items() if value is not None}}
        state = engine.instance(rule.name, _DEVICE)
        due = state.deadline - _start(rule) if state and state.deadline else None
        verdicts = {name: test(values) for name, test in tests.items()} if reports else {}
        yield StepResult(step, phases[-1], due, derived, verdicts)


def _start(rule: Rule) -> datetime:
    """Return the start of an example: an instant at which the calendar of the rule is open."""
    return rule.schedule.opened(_START) if rule.schedule else _START


def _engine(rule: Rule) -> Engine:
    device = Device(_DEVICE, "example", "example", rule.kind)
    submeters = SubMeters(Scope.BUILDING if rule.scope is Scope.BUILDING else Scope.COMMUNITY, _HOUSEHOLDS)
    masters = {} if rule.scope is Scope.HOUSEHOLD else {_DEVICE: submeters}
    return Engine(RulePack((rule,)), _start(rule), lambda _: device, masters.get)


def _play(rule: Rule, example: Iterable[ExampleStep], engine: Engine) -> Iterator[tuple[ExampleStep, list[Phase]]]:
    """Yield each step with the phases it passed through; the last one is the phase after the step."""
    start = _start(rule)
    for step in example:
        now = start + step.at
        changes = engine.tick(now, caught_up=True)
        if step.arrives or step.event:
            for number in _HOUSEHOLDS if step.households else (_DEVICE,):
                sample = Sample(number, now, now, step.values, step.event, step.data)
                changes += engine.evaluate(sample, rule.kind, now)
        state = engine.instance(rule.name, _DEVICE)
        yield step, [*(change.to_phase for change in changes), state.phase if state else Phase.NORMAL]
