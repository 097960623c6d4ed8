"""Status of a rule on a device: why it raised no alert, and its next step."""

import pytest

from devices.electricity_meter import ELECTRICITY_METER
from rules.analysis.instance_status import instance_status
from rules.derived.window import WindowAggregate
from rules.engine.device_state import DeviceState
from rules.model.condition import Compare
from rules.model.rule import RulePack
from shipped_rules import SHIPPED
from tests.unit.rules_fixtures.world import World, at, event, event_rule, minutes, no_data_rule, rule, volts


def words(world, minute, name="voltage_high"):
    [one_rule] = world.pack.rules
    device_state = world.device_state if world.device_state != DeviceState(world.device_state.device_id) else None
    return "\n".join(instance_status(one_rule, world.engine.instance(name, 7), device_state, at(minute)))


def after(one_rule, *samples):
    world = World(one_rule)
    world.evaluate(*samples)
    return world


def test_without_any_data_there_is_nothing_to_evaluate():
    assert "从未收到这台设备的数据" in words(World(rule()), 5)


def test_a_false_condition_is_explained_by_value_and_limit():
    sentences = words(after(rule(), volts(0, 230)), 1)
    assert "规则目前：正常，没有报警。" in sentences
    assert "报警条件按最后的数据（1月1日 08:00:00）不成立。" in sentences
    assert "电压 230 V，没有高于限值 242 V" in sentences


def test_a_field_never_reported_explains_an_unknown_verdict():
    sentences = words(after(rule(), volts(0, None)), 1)
    assert "无法判断" in sentences
    assert "设备从未上报（voltage_v）" in sentences


def test_a_window_shows_its_newest_value_or_that_it_is_not_covered():
    least = WindowAggregate(ELECTRICITY_METER.field("voltage_v"), "minimum", minutes(5), minutes(1), minutes(2))
    window = rule(when=Compare(least.field.name, "above", 242.0, least))
    short = words(after(window, volts(0, 245)), 1)
    assert "连续的数据还不够" in short
    assert "无法判断" in short
    sentences = words(after(window, *(volts(minute, 240 + minute) for minute in range(7))), 7)
    assert "5 分钟内电压最小值 241 V，没有高于限值 242 V" in sentences
    assert "报警条件按最后的数据（1月1日 08:06:00）不成立。" in sentences


def test_a_pending_rule_shows_its_deadline():
    sentences = words(after(rule(), volts(0, 245), volts(1, 245)), 2)
    assert "观察中，还没有报警（1月1日 08:00:00起）" in sentences
    assert "计时到1月1日 08:10:00，届时情况仍然如此就报警。" in sentences


def test_a_gap_in_the_data_explains_a_timer_past_its_deadline():
    sentences = words(after(rule(), volts(0, 245)), 30)
    assert "数据中断不能凑够持续时间" in sentences
    assert "10 分钟没有数据（最多允许 2 分钟）" in sentences


def test_a_deadline_that_passed_while_ingest_was_down_waits_for_the_device():
    world = after(rule(), *(volts(minute, 245) for minute in range(10)))
    world.restart(minute=30)
    world.tick(30)
    assert "要等设备再次上报" in words(world, 31)


def test_an_awaited_event_is_shown_with_its_last_time():
    assert "从未收到" in words(after(event_rule(), volts(0, 230), event(0, "power_restored")), 1, "power_lost")


def test_an_open_alert_shows_the_condition_of_its_end():
    sentences = words(after(rule(on_delay=minutes(0)), volts(0, 245), volts(1, 240)), 2)
    assert "发生中" in sentences
    assert "恢复条件按最后的数据（1月1日 08:01:00）不成立。" in sentences
    assert "电压 240 V，没有低于限值 238 V" in sentences


def test_a_reporting_device_shows_the_time_of_a_possible_alert():
    sentences = words(after(no_data_rule(), volts(0, 230)), 10, "meter_silent")
    assert "最后一次收到新数据是在1月1日 08:00:00" in sentences
    assert "1月1日 08:50:00报警" in sentences


@pytest.mark.parametrize("minute", [0, 5, 11, 100])
def test_every_built_in_rule_has_a_status_at_any_time(minute, shipped_rules):
    for each in shipped_rules.rules:
        one = World(each)
        one.evaluate(volts(0, 245), event(1, "power_lost"))
        assert instance_status(each, one.engine.instance(each.name, 7), one.device_state, at(minute))


@pytest.fixture(scope="module")
def shipped_rules():

    return RulePack(SHIPPED.of_kind("electricity_meter"))
