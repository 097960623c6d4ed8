"""Runs the examples of a rule: the tests that its author wrote with it, on the engine that runs it live."""

from collections.abc import Iterable
from datetime import UTC, datetime

from devices.device import Device
from devices.kind import DeviceKind
from rules.document import Problem
from rules.duration import spell
from rules.engine import Engine
from rules.masters import Below
from rules.rule import Phase, Rule, RulePack, Scope, Step
from rules.sample import Sample

_START = datetime(2026, 1, 1, tzinfo=UTC)


def run_examples(rule: Rule, kind: DeviceKind) -> list[Problem]:
    """Plays every example and says, with its file and line, what did not come out as written.

    Together the examples must also show the rule at work: the alert is raised, and it ends or is latched.
    """
    file, line = rule.source.rsplit(":", 1)
    problems: list[Problem] = []
    visited: list[Phase] = []
    for example in rule.examples:
        for step, phases in _play(rule, kind, example):
            visited += phases
            if step.then and step.then is not phases[-1]:
                found = f"expected {step.then} at {spell(step.at)}, but the rule is {phases[-1]}"
                problems.append(Problem(file, step.line, f"example of {rule.name}: {found}"))
    end = {Phase.LATCHED} if rule.latch else {Phase.RECOVERING, Phase.NORMAL}
    if Phase.ACTIVE not in visited:
        problems.append(Problem(file, int(line), f"no example raises {rule.name}: add one that reaches `active`"))
    elif not end & set(visited[visited.index(Phase.ACTIVE) :]):
        wanted = "`latched`" if rule.latch else "`normal`"
        problems.append(Problem(file, int(line), f"no example ends {rule.name}: add one that goes on to {wanted}"))
    return problems


def _play(rule: Rule, kind: DeviceKind, example: Iterable[Step]) -> Iterable[tuple[Step, list[Phase]]]:
    """Each step with the phases it went through, the last of which is the one it left the rule in.

    An example begins when the calendar of the rule is open; it may go on until it has closed.
    """
    device = Device(1, "example", "example", kind.name)
    below = Below(Scope.BUILDING if rule.scope is Scope.BUILDING else Scope.COMMUNITY, (2, 3, 4))
    masters = {} if rule.scope is Scope.HOUSEHOLD else {device.id: below}
    start = rule.schedule.opened(_START) if rule.schedule else _START
    engine = Engine(RulePack((rule,)), start, lambda _: device, masters.get)
    for step in example:
        now = start + step.at
        moves = engine.tick(now, live=True)
        if step.arrives or step.event:
            for number in below.meters if step.households else (device.id,):
                sample = Sample(number, now, now, step.values, step.event, step.data)
                moves += engine.judge(sample, kind.name, now)
        state = engine.instance(rule.name, device.id)
        yield step, [*(move.to_phase for move in moves), state.phase if state else Phase.NORMAL]
