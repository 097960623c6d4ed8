"""Rules about hazards to people are critical: notices of no other severity come whatever a window or a digest holds."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest

from devices.device import Device
from rules.engine.engine import Engine
from rules.model.rule import OPEN_PHASES, Rule, RulePack, Severity
from rules.model.sample import Sample
from shipped_rules import SHIPPED

HAZARDS = (
    "gas_leak",
    "ebike_smoke",
    "ebike_over_temperature",
    "door_duress",
    "ev_ground_fault",
    "electricity_neutral_fault",
)


@pytest.mark.parametrize("name", HAZARDS)
def test_a_rule_about_a_hazard_to_people_is_critical(name: str):
    rule = SHIPPED.find(name)
    assert rule is not None
    assert rule.severity is Severity.CRITICAL
    assert not rule.shadow


CRITICAL = [rule for rule in SHIPPED.rules if rule.severity is Severity.CRITICAL]
START = datetime(2026, 1, 1, tzinfo=UTC)


class Danger:
    """An example of a rule, up to the step that raises its alert."""

    def __init__(self, rule: Rule, number: int) -> None:
        self._rule = rule
        self._engine = Engine(RulePack((rule,)), START, lambda _: Device(1, "c", "d", rule.kind))
        self._engine.tick(START, caught_up=True)
        example = rule.examples[number]
        before = list(takewhile(lambda step: step.then not in OPEN_PHASES, example))
        self._last = example[len(before)]
        for step in (*before, self._last):
            self._send(step.at, step.values, step.event)

    def _send(self, after: timedelta, values, event) -> None:
        sample = Sample(1, START + after, START + after, values, event)
        self._engine.evaluate(sample, self._rule.kind, sample.received_at)

    def again(self, seconds: int) -> None:
        """Send what raised the alert again, so many seconds later."""
        self._send(self._last.at + timedelta(seconds=seconds), self._last.values, self._last.event)

    def close(self, seconds: int) -> None:
        self._engine.close(self._rule.name, 1, START + self._last.at + timedelta(seconds=seconds), "李师傅")

    @property
    def alert(self) -> int | None:
        """The number of the open alert; None if there is none."""
        state = self._engine.instance(self._rule.name, 1)
        return state.sequence if state and state.phase in OPEN_PHASES else None


DANGERS = [
    pytest.param(rule, number, id=f"{rule.name}-{number}")
    for rule in CRITICAL
    for number, example in enumerate(rule.examples)
    if any(step.then in OPEN_PHASES for step in example)
]


@pytest.mark.parametrize(("rule", "number"), DANGERS)
def test_a_danger_that_lasts_is_raised_again_after_a_person_closed_its_alert(rule: Rule, number: int):
    danger = Danger(rule, number)
    assert danger.alert == 1
    danger.close(20)
    assert danger.alert is None
    danger.again(60)
    assert danger.alert == 2
    danger.close(80)
    danger.again(120)
    assert danger.alert == 3


def test_each_critical_rule_has_such_an_example():
    assert {param.values[0].name for param in DANGERS} == {rule.name for rule in CRITICAL}
