"""Known failures of other systems, each as a test of ours. The names are those of their issues."""

import time as clock
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from devices.device import Device
from devices.electricity_meter import ELECTRICITY_METER
from devices.water_meter import WATER_METER
from notify.plan import MAX_IN_WINDOW, plan
from rules.engine.engine import Engine
from rules.engine.state_machine import InstanceState
from rules.language.read_calendars import read_calendars
from rules.language.yaml_document import Diagnostics
from rules.model.rule import Phase, RulePack
from rules.model.sample import Sample
from shipped_rules import SHIPPED
from tests.unit.rules_fixtures.world import (
    COVER,
    DEVICE,
    LOST,
    RESTORED,
    START,
    World,
    at,
    event,
    event_rule,
    minutes,
    no_data_rule,
    path,
    rule,
    volts,
)
from tests.unit.test_notify_plan import NOON, PERSON, PROGRAM, ids, notice
from tests.unit.test_rules_device_groups import Town, staggered

AT_ONCE = rule(on_delay=timedelta(), off_delay=timedelta())


def shipped(name):
    return RulePack(tuple(one for one in SHIPPED.rules if one.name == name))


def water(*readings, rules):
    """The transitions of water rules over readings of a register, as (hour, m³)."""
    device = Device(1, "c1", "w1", WATER_METER.name)
    engine, result = Engine(rules, START, lambda _: device), []
    for hour, volume in readings:
        now = START + timedelta(hours=hour)
        result += engine.evaluate(Sample(1, now, now, {"volume_m3": volume}), WATER_METER.name, now)
    return result


def test_prometheus_15175_a_restart_forgets_neither_what_is_pending_nor_what_is_firing():
    world = World(rule(), replace(AT_ONCE, name="firing"))
    world.evaluate(*(volts(minute, 245) for minute in range(9)))
    world.restart(minute=9)
    world.evaluate(volts(9, 245), volts(10, 245), volts(11, 245))
    assert (
        path([transition for transition in world.transitions if transition.rule == "voltage_high"])
        == "normal pending active"
    )
    assert path([transition for transition in world.transitions if transition.rule == "firing"]) == "normal active"


def test_home_assistant_56642_a_reload_of_other_rules_keeps_the_time_that_is_pending():
    world = World(rule(), replace(AT_ONCE, name="other"))
    world.tick(0)
    world.evaluate(*(volts(minute, 245) for minute in range(9)))
    changed = replace(AT_ONCE, name="other", on_delay=minutes(1))
    world.restart(rule(), changed, minute=9, clock=world.engine.clock)
    world.evaluate(volts(9, 245))
    (raised,) = [transition for transition in world.tick(10) if transition.rule == "voltage_high"]
    assert (raised.to_phase, raised.at) == (Phase.ACTIVE, at(10))


def test_victoriametrics_865_data_that_come_late_or_not_at_all_end_no_live_alert():
    world = World(AT_ONCE)
    world.evaluate(volts(60, 245))
    world.evaluate(*(volts(minute, 230, delay=61 - minute) for minute in range(50, 60)))
    world.evaluate(volts(62, None))
    world.tick(10_000)
    assert world.phase() == "active"


def test_thingsboard_gateway_1014_a_gateway_that_fails_is_one_notice():
    town = Town(200, gateway="g1")
    staggered(town)
    town.tick(*range(15, 120))
    assert len(town.notices()) == 1


def test_thingsboard_15583_two_messages_a_millisecond_apart_raise_one_alert():
    world = World(AT_ONCE)
    world.evaluate(volts(0, 245), volts(1 / 60_000, 246))
    assert path(world.transitions) == "normal active"


def test_thingsboard_7909_an_offline_alert_ends_with_the_next_fresh_sample():
    world = World(no_data_rule())
    world.tick(0)
    world.evaluate(volts(0, 230))
    world.tick(60)
    world.restart(minute=61)
    world.evaluate(volts(62, 230))
    assert path(world.transitions) == "normal active normal"


def test_thingsboard_14210_a_gap_never_satisfies_a_duration():
    world = World(rule())
    world.evaluate(volts(0, 245))
    world.tick(60)
    world.evaluate(volts(61, 245))
    assert path(world.transitions) == "normal pending"


def test_kapacitor_815_a_late_backfill_ends_no_absence():
    world = World(no_data_rule())
    world.tick(0)
    world.evaluate(volts(0, 230))
    world.tick(120)
    world.evaluate(*(volts(minute, 230, delay=125 - minute) for minute in (15, 30, 45, 60)))
    assert world.phase("meter_silent") == "active"


@pytest.mark.parametrize("glitch", [0.0, 0.001, 99_999.0])
def test_home_assistant_182493_and_evcc_30592_a_register_that_reads_zero_once_books_nothing(glitch):
    rules = shipped("water_use_high")
    steady = [(hour, 4_000 + 0.01 * hour) for hour in range(60)]
    with_glitch = [(hour, glitch if hour == 40 else volume) for hour, volume in steady]
    assert water(*with_glitch, rules=rules) == []
    assert water((0, 0.0), *((hour + 1, volume) for hour, volume in steady), rules=rules) == []


def test_thingsboard_alarm_rule_state_what_is_delivered_again_is_not_counted_again():
    device = Device(1, "c1", "e1", ELECTRICITY_METER.name)
    engine = Engine(shipped("electricity_power_unstable"), START, lambda _: device)
    twice = [Sample(1, at(minute), at(minute), {}, "power_lost") for minute in (1, 1, 10, 10, 1, 10)]
    result = [transition for sample in twice for transition in engine.evaluate(sample, device.kind, at(20))]
    assert result == []
    third = Sample(1, at(30), at(30), {}, "power_lost")
    assert [transition.to_phase for transition in engine.evaluate(third, device.kind, at(30))][:1] == [Phase.ACTIVE]


def test_thingsboard_16118_a_schedule_that_opens_on_a_condition_long_true_fires(tmp_path):
    calendar = read_calendars(tmp_path, Diagnostics(""))[
        "daytime"
    ]  # from 06:00 to 22:00 in Shanghai; the world begins at 8
    late = 14 * 60
    world = World(rule(schedule=calendar, off_delay=timedelta()))
    opening = late + 8 * 60
    world.tick(late)
    for minute in range(late + 1, opening):
        world.evaluate(volts(minute, 245))
        world.tick(minute)
    assert world.transitions == []
    world.tick(opening)
    world.evaluate(*(volts(opening + minute, 245) for minute in range(12)))
    assert [(transition.to_phase, transition.at) for transition in world.transitions] == [
        (Phase.PENDING, at(opening)), (Phase.ACTIVE, at(opening + 10)),
    ]  # fmt: skip


def test_grafana_oncall_3261_a_change_of_the_server_s_zone_moves_no_shift(tmp_path, monkeypatch):
    def opens():
        calendar = read_calendars(tmp_path, Diagnostics(""))["working_hours"]
        return [calendar.opened(START + timedelta(days=day)) for day in range(0, 365, 30)]

    before = opens()
    monkeypatch.setenv("TZ", "America/New_York")
    clock.tzset()
    try:
        assert opens() == before
    finally:
        monkeypatch.undo()
        clock.tzset()


def test_alertmanager_3932_a_storm_is_told_in_a_few_messages_and_none_is_lost():
    storm = [notice(n, rule=f"rule-{n % 300}", community=f"c{n % 50}") for n in range(1, 50_001)]
    began = clock.process_time()
    transition, programs = plan(storm, PERSON, [], set(), NOON), plan(storm, PROGRAM, [], set(), NOON)
    assert clock.process_time() - began < 20
    assert len(transition.messages) <= MAX_IN_WINDOW
    assert Counter(ids(programs.messages)) == Counter(each.id for each in storm)
    assert Counter(ids(transition.messages) + ids(transition.postponements)) == Counter(each.id for each in storm)


def test_a_deadline_that_passed_while_ingest_was_away_waits_until_the_backlog_has_been_evaluated():
    world = World(rule())
    world.evaluate(volts(0, 245), volts(2, 245))
    world.restart(minute=30)
    assert world.tick(30, caught_up=False) == []
    world.evaluate(*(volts(minute, 230, delay=30 - minute) for minute in (4, 6, 8)))
    world.tick(31)
    assert path(world.transitions) == "normal pending normal"


def test_a_deadline_that_passed_while_we_were_away_needs_a_fresh_sample():
    world = World(rule())
    world.evaluate(volts(0, 245), volts(2, 245))
    world.restart(minute=30)
    assert world.tick(30) == world.tick(31) == []
    assert world.evaluate(volts(32, 245)) == []
    assert world.engine.instance("voltage_high", DEVICE.id).deadline == at(42)


@pytest.mark.parametrize("away", ["restarted", "standing still"])
@pytest.mark.parametrize(
    ("on_delay", "volts_until_away", "waiting", "brought_to_light"),
    [
        (10, [245] * 10, "pending", "pending active recovering"),
        (0, [245] * 5 + [230] * 5, "recovering", "recovering normal"),
    ],
    ids=["opening", "ending"],
)
def test_even_a_wait_that_was_all_but_over_needs_a_fresh_sample_after_catching_up(
    on_delay, volts_until_away, waiting, brought_to_light, away
):
    world = World(rule(on_delay=minutes(on_delay)))
    world.evaluate(*(volts(minute, value) for minute, value in enumerate(volts_until_away)))
    if away == "restarted":
        world.restart(minute=30)
    else:
        world.tick(9.5, caught_up=False)
    assert [world.tick(minute) for minute in (30, 31, 60)] == [[], [], []]
    assert world.phase() == waiting
    came = world.evaluate(volts(61, 230))
    assert (path(came), came[0].at) == (brought_to_light, at(10))


def test_the_timer_of_an_event_runs_out_as_soon_as_ingest_has_caught_up():
    world = World(event_rule(until=RESTORED, on_delay=minutes(10)))
    world.evaluate(event(0, "power_lost"))
    world.restart(minute=30)
    assert world.tick(30, caught_up=False) == []
    (raised,) = world.tick(31)
    assert (raised.to_phase, raised.at) == ("active", at(10))


def test_a_restart_neither_loses_an_event_nor_repeats_it():
    world = World(event_rule(when=COVER, latch=True), event_rule(name="lost", when=LOST, latch=True))
    world.evaluate(event(0, "cover_opened"))
    world.restart(minute=1)
    world.evaluate(event(0, "cover_opened"), event(2, "power_lost"))
    assert Counter(transition.rule for transition in world.transitions if transition.raises) == {
        "power_lost": 1,
        "lost": 1,
    }
    assert isinstance(world.engine.instance("lost", DEVICE.id), InstanceState)
