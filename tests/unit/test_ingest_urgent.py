"""Payloads that may raise a critical alert are told from all others without decoding them."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from devices.catalogue import KIND_BY_NAME
from devices.kind import Choice, Counter, Flag, Gauge
from ingest.urgent import urgency_of
from rules.model.condition import All, Any, Compare, Not, compile_test
from rules.model.rule import RulePack, Severity
from shipped_rules import SHIPPED
from tests.unit.rules_fixtures.world import rule

IS_URGENT = urgency_of(SHIPPED)
RULES = [each for each in SHIPPED.rules if each.severity is Severity.CRITICAL]
RAISING = sorted({name for each in RULES for name, verdict in each.event_verdicts.items() if verdict})
COMPARED = [(each, name) for each in RULES for name in sorted(each.compared_fields)]


def dumped(items, spaces):
    return json.dumps(items, separators=(", ", ": ") if spaces else (",", ":")).encode()


def values_of(field):
    match field:
        case Gauge() | Counter():
            return st.floats(*field.possible) | st.integers(*map(int, field.possible))
        case Flag():
            return st.booleans()
        case Choice():
            return st.sampled_from(sorted(field.choices))


@given(st.sampled_from(RAISING), st.integers(0, 50), st.booleans())
def test_a_critical_event_is_urgent_wherever_it_stands_in_an_array(name, others, spaces):
    items = [{"ts": 1, "event": "door_opened", "data": {"user": "王小明"}}] * others
    assert not IS_URGENT(dumped(items, spaces))
    assert IS_URGENT(dumped([*items, {"ts": 1, "event": name}], spaces))


@pytest.mark.parametrize("spaces", [True, False])
def test_smoke_in_a_reading_is_urgent_and_its_absence_is_not(spaces):
    assert IS_URGENT(dumped({"ts": 1, "values": {"smoke": True}}, spaces))
    assert not IS_URGENT(dumped({"ts": 1, "values": {"smoke": False}}, spaces))


@given(st.sampled_from(COMPARED), st.data(), st.integers(0, 50), st.booleans())
def test_every_value_that_raises_a_critical_alert_is_urgent_wherever_it_stands(compared, data, others, spaces):
    critical, name = compared
    values = {name: data.draw(values_of(KIND_BY_NAME[critical.kind].field(name)))}
    items = [{"ts": 1, "values": {"signal_dbm": -71}}] * others + [{"ts": 1, "values": {"note": "}", **values}}]
    raises = any(compile_test(each.when)(values) for each in RULES)
    assert IS_URGENT(dumped(items, spaces)) is raises


@pytest.mark.parametrize(
    "payload",
    [
        b"[" + b"1," * 8000 + b"1]",
        b"",
        b"\xff\xfe",
        b'{"ts":1,"values":{"volume_m3":12.5,"pressure_mpa":0.31}}',
        b'{"ts":1,"values":{"voltage_v":231.4,"battery_temperature_c":null}}',
        b'{"ts":1,"values":{"voltage_v":"300","smoke":"true"}}',
        b'{"ts":1,"values":{"voltage_v":',
        b'{"ts":1,"event":"battery_low"}',
        b'{"ts":1,"event":"gas_leak_cleared"}',
    ],
)
def test_everything_else_waits(payload):
    assert not IS_URGENT(payload)


HOT, DOWN, OFF = Compare("a", "above", 5.0), Compare("b", "equals", "down"), Compare("c", "equals", limit=False)
CONDITIONS = (
    All((HOT, DOWN)),
    Any((HOT, Not(DOWN))),
    Not(Any((HOT, DOWN))),
    Not(All((HOT, Not(OFF)))),
    Compare("a", "outside", (0.0, 5.0)),
)


@given(
    st.sampled_from(CONDITIONS),
    st.fixed_dictionaries(
        {}, optional={"a": st.integers(-9, 9), "b": st.sampled_from(["up", "down"]), "c": st.booleans()}
    ),
)
def test_whatever_makes_a_condition_true_is_urgent(when, values):
    assume(compile_test(when)(values))
    critical = rule(when=when, severity=Severity.CRITICAL)
    assert urgency_of(RulePack((critical,)))(dumped({"ts": 1, "values": values}, spaces=True))


def test_without_critical_rules_nothing_is_urgent():
    assert not urgency_of(RulePack(()))(b'"gas_leak"')
