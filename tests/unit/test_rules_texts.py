"""Texts of rules as a person reads them: what an alert quotes has decided it."""

import re

import pytest

from devices.device import Device
from rules.engine.engine import Engine
from rules.model.rule import RulePack
from rules.model.sample import Sample
from shipped_rules import SHIPPED
from tests.unit.rules_fixtures.world import START, at

CHINESE = r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef“”]"


def raised(rule_name, *samples, ticks=()):
    """Return the message of the first alert of a built-in rule on a device of its kind."""
    (rule,) = (rule for rule in SHIPPED.rules if rule.name == rule_name)
    device = Device(1, "c", "d-1", rule.kind, community_name="林荫小区", building="1", room="101")
    engine = Engine(RulePack((rule,)), START, lambda _: device)
    engine.tick(START, caught_up=True)
    transitions = [each for sample in samples for each in engine.evaluate(sample, rule.kind, sample.received_at)]
    transitions += [each for now in ticks for each in engine.tick(now, caught_up=True)]
    return next(each.message for each in transitions if each.raises)


def reading(minute, **values):
    return Sample(1, at(minute), at(minute), values)


def event(minute, name, **data):
    return Sample(1, at(minute), at(minute), {}, name, data)


@pytest.mark.parametrize(
    ("rule", "before", "name"),
    [
        ("water_leak", {"flow_m3_h": 0.0}, "leak_detected"),
        ("water_reverse_flow", {"flow_m3_h": 0.2}, "reverse_flow"),
        ("water_frozen", {"water_temperature_c": 8.0}, "frozen"),
        ("water_battery_low", {"battery_v": 3.6}, "battery_low"),
        ("heat_battery_low", {"battery_v": 3.6}, "battery_low"),
        ("gas_battery_low", {"battery_v": 3.6}, "battery_low"),
        ("ebike_over_temperature", {"battery_temperature_c": 30.0}, "over_temperature"),
        ("ebike_port_fault", {"ports_faulted": 0.0}, "short_circuit"),
    ],
)
def test_an_alert_of_an_event_quotes_no_reading_from_before_it(rule, before, name):
    message = raised(rule, reading(0, **before), event(5, name))
    assert "（" not in message
    assert "未知" not in message
    assert not any(f"{value:g}" in message for value in before.values() if value)


def test_an_alert_of_a_reading_quotes_that_reading():
    assert "（最近水温 0.4 ℃）" in raised("water_frozen", reading(0, water_temperature_c=0.4))


def test_the_data_of_the_event_itself_are_quoted():
    assert "（3 号）" in raised("ebike_port_fault", event(0, "short_circuit", port=3.0))


@pytest.mark.parametrize(
    ("offset", "words"), [(-200.05, "时钟慢 200 秒"), (12.3, "时钟快 12 秒"), (3600.0, "时钟快 3600 秒")]
)
def test_a_wrong_clock_is_told_as_slow_or_fast(offset, words):
    readings = [reading(minute, clock_offset_s=offset) for minute in range(12)]
    assert words in raised("camera_clock_wrong", *readings)


def test_the_absence_of_data_is_told_by_the_time_of_the_last_arrival():
    message = raised("camera_silent", reading(0, video_ok=True), ticks=[at(minute) for minute in range(10)])
    assert "自1月1日 08:00 起没有上报数据" in message


@pytest.mark.parametrize("rule", SHIPPED.rules, ids=lambda rule: rule.name)
def test_a_chinese_text_has_no_blank_of_a_folded_line(rule):
    for text in (rule.title, rule.message, rule.advice):
        assert not re.search(f"{CHINESE} {CHINESE}", re.sub(r"\{place\} ", "", text)), text
        assert text == text.strip()


@pytest.mark.parametrize("rule", SHIPPED.rules, ids=lambda rule: rule.name)
def test_no_text_repeats_its_place_or_tells_an_age_that_freezes(rule):
    assert "{silent_for}" not in rule.message + rule.advice
    assert (rule.message + rule.advice).count("{place}") <= 1
