"""Why a rule did not fire: what it waits for, in words."""

import pytest

from app.rule_files import rules_folder
from devices.electricity_meter import ELECTRICITY_METER
from rules.analysis.instance_status import instance_status
from rules.derived.window import WindowAggregate
from rules.engine.device_state import DeviceState
from rules.language.loader import load_rules
from rules.model.condition import Compare
from rules.model.rule import RulePack
from tests.unit.rules_fixtures.world import World, at, event, event_rule, minutes, no_data_rule, rule, volts


def words(world, minute, name="voltage_high"):
    [one_rule] = world.pack.rules
    memory = world.memory if world.memory != DeviceState(world.memory.device_id) else None
    return "\n".join(instance_status(one_rule, world.engine.instance(name, 7), memory, at(minute)))


def after(one_rule, *samples):
    world = World(one_rule)
    world.evaluate(*samples)
    return world


def test_a_device_that_was_never_heard_gives_nothing_to_judge():
    assert "从未收到这台设备的数据" in words(World(rule()), 5)


def test_a_condition_that_does_not_hold_is_told_with_its_value_and_its_limit():
    told = words(after(rule(), volts(0, 230)), 1)
    assert "规则目前：正常，没有报警。" in told
    assert "报警条件按最后的数据（1月1日 08:00:00）不成立。" in told
    assert "电压 230 V，没有高于限值 242 V" in told


def test_a_field_that_never_came_is_the_reason_why_nothing_can_be_said():
    told = words(after(rule(), volts(0, None)), 1)
    assert "无法判断" in told
    assert "设备从未上报（voltage_v）" in told


def test_a_window_is_told_by_its_newest_value_or_as_not_covered_yet():
    least = WindowAggregate(ELECTRICITY_METER.field("voltage_v"), "minimum", minutes(5), minutes(1), minutes(2))
    window = rule(when=Compare(least.field.name, "above", 242.0, least))
    short = words(after(window, volts(0, 245)), 1)
    assert "连续的数据还不够" in short
    assert "无法判断" in short
    told = words(after(window, *(volts(minute, 240 + minute) for minute in range(7))), 7)
    assert "5 分钟内电压最小值 241 V，没有高于限值 242 V" in told
    assert "报警条件按最后的数据（1月1日 08:06:00）不成立。" in told


def test_what_is_pending_tells_until_when():
    told = words(after(rule(), volts(0, 245), volts(1, 245)), 2)
    assert "观察中，还没有报警（1月1日 08:00:00起）" in told
    assert "计时到1月1日 08:10:00，届时情况仍然如此就报警。" in told


def test_a_gap_in_the_data_is_told_as_what_holds_a_timer_up():
    told = words(after(rule(), volts(0, 245)), 30)
    assert "数据中断不能凑够持续时间" in told
    assert "10 分钟没有数据（最多允许 2 分钟）" in told


def test_a_deadline_that_passed_while_nothing_ran_waits_for_the_device():
    world = after(rule(), *(volts(minute, 245) for minute in range(10)))
    world.restart(minute=30)
    world.tick(30)
    assert "要等设备再次上报" in words(world, 31)


def test_an_event_that_is_waited_for_is_named_with_its_last_time():
    assert "从未收到" in words(after(event_rule(), volts(0, 230), event(0, "power_restored")), 1, "power_lost")


def test_an_open_alert_tells_what_would_end_it():
    told = words(after(rule(on_delay=minutes(0)), volts(0, 245), volts(1, 240)), 2)
    assert "发生中" in told
    assert "恢复条件按最后的数据（1月1日 08:01:00）不成立。" in told
    assert "电压 240 V，没有低于限值 238 V" in told


def test_a_device_that_reports_in_time_tells_when_it_would_be_missed():
    told = words(after(no_data_rule(), volts(0, 230)), 10, "meter_silent")
    assert "最后一次收到新数据是在1月1日 08:00:00" in told
    assert "1月1日 08:50:00报警" in told


@pytest.mark.parametrize("minute", [0, 5, 11, 100])
def test_every_rule_that_comes_with_anju_has_words_for_any_moment(minute, shipped_rules):
    for each in shipped_rules.rules:
        one = World(each)
        one.evaluate(volts(0, 245), event(1, "power_lost"))
        assert instance_status(each, one.engine.instance(each.name, 7), one.memory, at(minute))


@pytest.fixture(scope="module")
def shipped_rules():

    return RulePack(load_rules(rules_folder(None)).of_kind("electricity_meter"))
