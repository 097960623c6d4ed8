"""No-data rules: by arrival time, and paused while ingest lags."""

from dataclasses import replace

import pytest

from rules.engine.device_state import DeviceState
from rules.engine.state_machine import Reason
from rules.model.rule import Scope
from rules.model.submeters import SubMeters
from tests.unit.rules_fixtures.world import (
    DEVICE,
    RESTORED,
    World,
    at,
    event,
    event_rule,
    minutes,
    no_data_rule,
    path,
    volts,
)

NAME = "meter_silent"
MAINS_LOST = event_rule(until=RESTORED, title="停电", explains_silence=True)


def a_heard_world(submeters=None, **changed):
    world = World(no_data_rule(**changed), submeters=submeters)
    world.tick(0)
    world.evaluate(volts(0, 230))
    return world


def test_a_device_has_no_data_after_its_periods_and_the_jitter():
    world = a_heard_world()
    assert world.tick(49) == []
    (activated,) = world.tick(50)
    assert (path([activated]), activated.at, activated.reason) == ("normal active", at(50), Reason.NO_DATA)
    assert activated.message == "3号楼2单元101室 电表（e-101） 已 50 分钟 没有数据"


def test_the_time_of_a_no_data_alert_does_not_depend_on_the_tick():
    world = a_heard_world()
    (activated,) = world.tick(300)
    assert (activated.at, activated.decided_at) == (at(50), at(300))


def test_every_arrival_puts_a_no_data_alert_off():
    world = a_heard_world()
    for minute in range(15, 300, 15):
        world.evaluate(volts(minute, 230))
        world.tick(minute + 14)
    assert world.transitions == []
    assert world.tick(285 + 50)[0].at == at(285 + 50)


def test_a_fresh_sample_ends_a_no_data_alert():
    world = a_heard_world()
    world.tick(60)
    (ended,) = world.evaluate(volts(61, 230))
    assert (path([ended]), ended.at, ended.reason) == ("active normal", at(61), Reason.ARRIVAL)
    assert world.tick(61 + 50)[0].to_phase == "active"


def test_a_late_backfill_ends_no_no_data_alert():
    world = a_heard_world()
    world.tick(120)
    assert world.evaluate(*(volts(minute, 230, delay=125 - minute) for minute in (15, 30, 45))) == []
    assert world.phase(NAME) == "active"
    world.evaluate(volts(120, 230, delay=5))
    assert world.phase(NAME) == "normal"


def test_an_older_sample_is_no_arrival():
    world = a_heard_world()
    world.evaluate(volts(10, 230))
    world.evaluate(volts(5, 230, delay=40))
    assert world.tick(60)[0].at == at(60)


def test_events_are_no_arrival_because_the_period_is_that_of_telemetry():
    world = a_heard_world()
    world.evaluate(event(40, "power_lost"))
    world.tick(50)
    assert world.phase(NAME) == "active"


def test_a_device_that_has_never_sent_has_no_no_data_alert():
    world = World(no_data_rule())
    world.tick(0)
    assert world.tick(10_000) == []


def test_before_the_first_caught_up_tick_no_data_counts_for_no_device():
    world = World(no_data_rule())
    world.evaluate(volts(0, 230))
    assert world.tick(300, caught_up=False) == []
    assert world.tick(301) == []
    assert world.tick(350) == []
    assert world.tick(351)[0].at == at(351)


def test_while_ingest_lags_no_data_counts_for_no_device():
    world = a_heard_world()
    world.tick(40, caught_up=False)
    assert world.tick(200, caught_up=False) == []


def test_after_a_pause_no_data_counts_from_the_resumption():
    world = a_heard_world()
    world.tick(40, caught_up=False)
    world.tick(200)
    assert world.tick(249) == []
    assert world.tick(250)[0].at == at(250)


def test_a_device_that_sends_after_the_resumption_counts_from_then():
    world = a_heard_world()
    world.tick(40, caught_up=False)
    world.tick(200)
    world.evaluate(volts(210, 230))
    assert world.tick(259) == []
    assert world.tick(260)[0].at == at(260)


def test_a_pause_does_not_end_an_earlier_no_data_alert():
    world = a_heard_world()
    world.tick(60)
    world.tick(70, caught_up=False)
    world.tick(200)
    assert path(world.transitions) == "normal active"


def test_a_restored_device_that_stays_away_has_no_data_after_the_resumption():
    world = a_heard_world()
    world.restart(minute=30)
    assert world.tick(60) == []
    assert world.tick(110)[0].at == at(110)


def test_a_restored_no_data_alert_is_not_raised_again_and_ends_with_an_arrival():
    world = a_heard_world()
    world.tick(60)
    world.restart(minute=70)
    stored = dict(world.stored)
    assert world.tick(71) == world.tick(400) == []
    assert world.stored == stored
    world.evaluate(volts(401, 230))
    assert path(world.transitions) == "normal active normal"


def test_a_no_data_rule_may_have_delays():
    world = a_heard_world(on_delay=minutes(10), off_delay=minutes(20))
    world.tick(50)
    assert world.phase(NAME) == "pending"
    assert world.tick(60)[0].at == at(60)
    world.evaluate(volts(70, 230))
    assert world.phase(NAME) == "recovering"
    world.tick(90)
    assert world.transitions[-1].at == at(90)
    assert world.phase(NAME) == "normal"


def test_a_device_without_data_again_while_recovering_is_still_in_the_same_alert():
    world = a_heard_world(off_delay=minutes(60))
    world.tick(50)
    world.evaluate(volts(60, 230))
    world.tick(300)
    assert path(world.transitions) == "normal active recovering active"
    assert world.transitions[-1].at == at(110)


def test_a_paused_timer_does_not_run_out_when_the_device_sends_again():
    world = a_heard_world(on_delay=minutes(10))
    world.tick(50)
    world.tick(51, caught_up=False)
    world.evaluate(volts(90, 230))
    assert path(world.transitions) == "normal pending normal"


def test_a_no_data_alert_closed_by_hand_is_muted_until_the_device_sends():
    world = a_heard_world()
    world.tick(60)
    world.close(61, NAME)
    assert world.tick(400) == []
    world.evaluate(volts(401, 230))
    assert path(world.transitions) == "normal active muted normal"
    assert world.tick(451)[0].sequence == 2


def test_two_no_data_rules_have_their_own_times():
    strict, patient = no_data_rule(), no_data_rule(name="meter_gone", when=replace(no_data_rule().when, periods=30))
    world = World(strict, patient)
    world.tick(0)
    world.evaluate(volts(0, 230))
    assert [transition.rule for transition in world.tick(500)] == [NAME, "meter_gone"]
    world.evaluate(volts(440, 230, delay=100))
    assert (world.phase(NAME), world.phase("meter_gone")) == ("active", "normal")


def test_the_state_of_a_device_holds_everything_that_the_next_engine_needs():
    world = World(no_data_rule())
    world.evaluate(volts(0, 230), volts(5, 231, delay=1), volts(6, 232, delay=120), event(7, "power_lost"))
    assert world.device_state == DeviceState(
        DEVICE.id,
        last_ts=at(6),
        last_arrival=at(6),
        event_ts={},
        values={"voltage_v": 232},
        next_checkpoint=at(15),
    )


def a_world_without_mains(*, since):
    world = World(MAINS_LOST, no_data_rule())
    world.tick(0)
    world.evaluate(volts(0, 230), event(since, "power_lost"))
    return world


def transition(world):
    """Transitions that cause a notice, in order: raised without suppression, or released."""
    return [
        (each.rule, each.at)
        for each in world.transitions
        if (each.raises and not each.suppressed) or each.reason is Reason.PARENT
    ]


def test_a_device_that_explains_its_lack_of_data_is_notified_once():
    world = a_world_without_mains(since=10)
    (silent,) = world.tick(50)
    assert (silent.suppressed[0].cause, silent.inputs["explained_by"]) == ("caused_by_parent", "停电")
    world.evaluate(event(300, "power_restored"), volts(301, 230))
    world.tick(340)
    assert transition(world) == [("power_lost", at(10))]
    assert world.phase(NAME) == "normal"


def test_a_device_still_without_data_after_its_cause_is_released_after_a_period_and_the_jitter():
    world = a_world_without_mains(since=10)
    world.tick(50)
    world.evaluate(event(300, "power_restored"))
    world.tick(301)
    world.restart(minute=305)
    world.tick(306)
    world.tick(320)
    assert transition(world) == [("power_lost", at(10))]
    world.tick(321)
    assert transition(world) == [("power_lost", at(10)), (NAME, at(321))]


def test_a_cause_that_returns_in_time_suppresses_the_no_data_alert_again():
    world = a_world_without_mains(since=10)
    world.tick(50)
    world.evaluate(event(300, "power_restored"))
    world.tick(301)
    world.evaluate(event(310, "power_lost"))
    world.tick(400)
    assert transition(world) == [("power_lost", at(10)), ("power_lost", at(310))]
    world.evaluate(event(500, "power_restored"))
    world.tick(501)
    world.tick(600)
    assert transition(world)[2:] == [(NAME, at(521))]


def test_an_alert_that_is_over_before_the_lack_of_data_explains_nothing():
    world = a_world_without_mains(since=10)
    world.evaluate(event(20, "power_restored"))
    world.tick(50)
    assert transition(world) == [("power_lost", at(10)), (NAME, at(50))]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_rule_about_households_misses_no_data_of_a_master_meter(restarted):
    world = a_heard_world(SubMeters("building", (8,)), scope=Scope.HOUSEHOLD)
    assert world.device_state.last_arrival == at(0)
    if restarted:
        world.restart(minute=1)
        world.tick(1)
    assert world.tick(200) == []
    assert a_heard_world(scope=Scope.HOUSEHOLD).tick(200) != []


def test_a_rule_on_trial_explains_nothing():
    world = World(replace(MAINS_LOST, shadow=True), no_data_rule())
    world.tick(0)
    world.evaluate(volts(0, 230), event(10, "power_lost"))
    (silent,) = world.tick(50)
    assert not silent.suppressed


def test_a_device_whose_data_wait_in_the_spool_is_not_without_data():
    world = a_heard_world()
    world.spooled.add(DEVICE.id)
    for minute in range(0, 600, 7):
        assert world.tick(minute) == []
    world.spooled.clear()
    world.evaluate(volts(590, 230, delay=5))
    assert world.tick(644) == []
    assert world.tick(645)[0].at == at(645)


def test_once_its_spool_is_worked_off_a_device_that_sent_only_history_has_no_data():
    world = a_heard_world()
    world.spooled.add(DEVICE.id)
    world.tick(200)
    world.evaluate(*(volts(minute, 230, delay=400 - minute) for minute in (15, 30, 45)))
    world.spooled.clear()
    world.tick(251)
    assert world.phase(NAME) == "active"


def test_an_alert_about_missing_data_ends_with_a_fresh_sample_out_of_the_spool():
    world = a_heard_world()
    world.tick(50)
    world.spooled.add(DEVICE.id)
    assert world.tick(60) == []
    (ended,) = world.evaluate(volts(61, 230))
    assert path([ended]) == "active normal"
