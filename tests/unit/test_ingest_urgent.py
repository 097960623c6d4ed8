"""Payloads that may raise a critical alert are told from all others without decoding them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.catalogue import KINDS
from devices.kind import Flag
from ingest.urgent import urgency_of
from rules.model.rule import RulePack, Severity
from shipped_rules import SHIPPED

IS_URGENT = urgency_of(SHIPPED)
RULES = [rule for rule in SHIPPED.rules if rule.severity is Severity.CRITICAL]
RAISING = sorted({name for rule in RULES for name, verdict in rule.event_verdicts.items() if verdict})


def dumped(items, spaces):
    return json.dumps(items, separators=(", ", ": ") if spaces else (",", ":")).encode()


@given(st.sampled_from(RAISING), st.integers(0, 50), st.booleans())
def test_a_critical_event_is_urgent_wherever_it_stands_in_an_array(name, others, spaces):
    items = [{"ts": 1, "event": "door_opened", "data": {"user": "王小明"}}] * others
    assert not IS_URGENT(dumped(items, spaces))
    assert IS_URGENT(dumped([*items, {"ts": 1, "event": name}], spaces))


@pytest.mark.parametrize("spaces", [True, False])
def test_smoke_in_a_reading_is_urgent_and_its_absence_is_not(spaces):
    assert IS_URGENT(dumped({"ts": 1, "values": {"smoke": True}}, spaces))
    assert not IS_URGENT(dumped({"ts": 1, "values": {"smoke": False}}, spaces))


@pytest.mark.parametrize(
    "payload",
    [
        b"[" + b"1," * 8000 + b"1]",
        b"",
        b"\xff\xfe",
        b'{"ts":1,"values":{"volume_m3":12.5,"pressure_mpa":0.31}}',
        b'{"ts":1,"event":"battery_low"}',
        b'{"ts":1,"event":"gas_leak_cleared"}',
    ],
)
def test_everything_else_waits(payload):
    assert not IS_URGENT(payload)


def test_each_critical_rule_of_an_event_or_a_flag_is_seen():
    """Those of numbers and of absence are not: a number has to be compared."""
    flags = {field.name for kind in KINDS for field in kind.fields if isinstance(field, Flag)}
    seen = [{"event": name} for name in RAISING]
    seen += [{"values": {name: True}} for rule in RULES for name in rule.compared_fields & flags]
    assert [each for each in seen if not IS_URGENT(dumped(each, spaces=False))] == []


def test_without_critical_rules_nothing_is_urgent():
    assert not urgency_of(RulePack(()))(b'"gas_leak"')
