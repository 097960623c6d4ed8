"""Rules with a calendar: openings, closings, and inputs in between."""

from dataclasses import replace
from datetime import time, timedelta

import pytest

from rules.engine.state_machine import Reason
from rules.model.calendar import Calendar
from rules.model.condition import Any
from rules.model.rule import OnClose, Scope
from rules.model.submeters import SubMeters
from tests.unit.rules_fixtures.world import (
    COVER,
    HIGH,
    LOST,
    RESTORED,
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

DAY = 24 * 60
# The world begins at midnight of its zone. Open from 01:00 to 03:00, that is from minute 60 to minute 180.
EARLY = Calendar("early", "凌晨", "UTC", times=(time(1), time(3)))


def scheduled(**changed):
    return rule(**({"schedule": EARLY, "off_delay": timedelta(), "allowed_gap": minutes(15)} | changed))


def steady(world, value, first, last, step=5):
    for minute in range(first, last + 1, step):
        world.tick(minute)
        world.evaluate(volts(minute, value))


def test_while_the_calendar_is_closed_nothing_is_raised():
    world = World(scheduled())
    steady(world, 245, 0, 40)
    steady(world, 245, 200, 300)
    assert world.transitions == []


@pytest.mark.parametrize("seen_by", ["tick", "sample"])
def test_a_condition_that_was_true_before_the_opening_starts_its_delay_at_the_opening(seen_by):
    world = World(scheduled())
    steady(world, 245, 0, 55)
    world.tick(60) if seen_by == "tick" else world.evaluate(volts(61, 245))
    (pending,) = world.transitions
    assert (path([pending]), pending.at, pending.reason) == ("normal pending", at(60), Reason.SCHEDULE)
    assert pending.inputs["values"] == {"voltage_v": 245}
    assert (pending.inputs["ts"], pending.inputs["schedule"]) == (
        at(55).isoformat(),
        {"name": "early", "label": "凌晨"},
    )
    world.evaluate(volts(65, 245))
    assert world.tick(70)[0].at == at(70)
    assert world.phase() == "active"


def test_a_device_that_reports_only_changes_is_evaluated_at_the_opening_too():
    world = World(event_rule(when=LOST, until=RESTORED, on_delay=minutes(5), schedule=EARLY))
    world.evaluate(event(10, "power_lost"))
    world.tick(60)
    (pending, active) = [*world.transitions, *world.tick(65)]
    assert (pending.at, active.at, pending.inputs["ts"]) == (at(60), at(65), at(10).isoformat())


@pytest.mark.parametrize("seen_by", ["tick", "sample", "restart"])
def test_a_rule_about_households_is_not_opened_on_a_master_meter(seen_by):
    world = World(scheduled(scope=Scope.HOUSEHOLD), scheduled(name="any"), submeters=SubMeters("building", (8,)))
    steady(world, 245, 0, 55)
    if seen_by == "restart":
        world.restart(minute=58)
    world.evaluate(volts(61, 245)) if seen_by == "sample" else world.tick(60)
    assert (world.phase(), world.phase("any")) == ("normal", "pending")


def test_data_older_than_the_gap_start_nothing_at_an_opening():
    world = World(scheduled())
    world.evaluate(volts(40, 245))
    assert world.tick(60) == []
    world.evaluate(volts(62, 245))
    assert world.transitions[0].at == at(62)


def test_a_timer_from_data_before_the_opening_needs_another_sample_to_run_out():
    world = World(scheduled())
    steady(world, 245, 0, 50)
    assert path(world.tick(60)) == "normal pending"
    assert world.tick(120) == []


def test_closing_ends_the_alert_and_drops_what_was_pending():
    active, pending = scheduled(), scheduled(name="patient", on_delay=minutes(110))
    world = World(active, pending)
    steady(world, 245, 80, 175)
    assert (world.phase(), world.phase("patient")) == ("active", "pending")
    ended = world.tick(180)
    assert [(transition.to_phase, transition.at, transition.reason) for transition in ended] == [
        ("normal", at(180), Reason.SCHEDULE)
    ] * 2
    steady(world, 245, 185, 300)
    assert (world.phase(), world.phase("patient")) == ("normal", "normal")


def test_closing_holds_the_alert_where_the_rule_says_so():
    world = World(scheduled(on_close=OnClose.HOLD))
    steady(world, 245, 80, 175)
    steady(world, 230, 180, DAY + 55)
    assert world.phase() == "active"
    (ended,) = world.tick(DAY + 60)
    assert (ended.to_phase, ended.at, ended.reason) == ("normal", at(DAY + 60), Reason.SCHEDULE)


def test_a_timer_that_would_run_out_with_the_closing_does_not():
    world = World(scheduled())
    steady(world, 245, 170, 175)
    assert path(world.tick(180)) == "pending normal"


def test_a_timer_that_ran_out_before_the_closing_counts_even_if_both_are_seen_together():
    world = World(scheduled(allowed_gap=minutes(60)))
    world.evaluate(volts(165, 245))
    assert path(world.tick(200)) == "pending active normal"
    assert [transition.at for transition in world.transitions[1:]] == [at(175), at(180)]


def test_a_latched_alert_outlasts_the_closing():
    world = World(scheduled(latch=True))
    steady(world, 245, 80, 175)
    world.tick(180)
    assert world.phase() == "latched"


def test_what_a_person_closed_stays_muted_at_the_next_opening():
    world = World(scheduled())
    steady(world, 245, 80, 175)
    world.close(176)
    steady(world, 245, 180, DAY + 100)
    assert world.phase() == "muted"


def test_the_same_condition_is_another_alert_on_another_night():
    world = World(scheduled())
    steady(world, 245, 0, 2 * DAY)
    raised = [transition for transition in world.transitions if transition.to_phase == "active"]
    assert [(transition.at, transition.sequence) for transition in raised] == [(at(70), 1), (at(DAY + 70), 2)]


def test_an_opening_that_came_while_we_were_away_is_made_up_for():
    world = World(scheduled())
    steady(world, 245, 0, 55)
    world.restart(minute=58)
    assert world.tick(62, caught_up=False) == []
    world.tick(64)
    assert world.transitions[0].at == at(60)


def test_a_closing_that_came_while_we_were_away_is_made_up_for():
    world = World(scheduled())
    steady(world, 245, 80, 175)
    world.restart(minute=400)
    (ended,) = world.tick(400)
    assert (ended.to_phase, ended.at) == ("normal", at(180))


def test_an_event_out_of_hours_raises_nothing():
    world = World(event_rule(when=COVER, latch=True, schedule=EARLY))
    world.evaluate(event(30, "cover_opened"))
    assert world.tick(60) == []
    world.evaluate(event(90, "cover_opened"))
    assert world.phase("power_lost") == "latched"


def test_a_no_data_alert_is_raised_when_the_calendar_opens_and_ends_when_it_closes():
    world = World(no_data_rule(schedule=EARLY))
    world.tick(0)
    world.evaluate(volts(0, 230))
    assert world.tick(55) == []
    (raised,) = world.tick(61)
    assert (raised.to_phase, raised.at) == ("active", at(60))
    (ended,) = world.tick(181)
    assert (ended.to_phase, ended.at, ended.reason) == ("normal", at(180), Reason.SCHEDULE)
    assert world.tick(DAY) == []
    assert world.tick(DAY + 61)[0].at == at(DAY + 60)


def test_a_pending_no_data_alert_is_dropped_at_the_closing_and_waits_anew():
    world = World(no_data_rule(schedule=EARLY, on_delay=minutes(100)))
    world.tick(0)
    world.evaluate(volts(100, 230))
    world.tick(150)
    assert path(world.tick(181)) == "pending normal"
    assert world.tick(DAY) == []
    world.tick(DAY + 61)
    assert world.tick(DAY + 160)[0].at == at(DAY + 160)


def test_a_device_that_sends_while_the_calendar_is_closed_has_data_at_the_opening():
    world = World(no_data_rule(schedule=EARLY))
    world.tick(0)
    world.evaluate(volts(0, 230))
    world.tick(52)
    world.evaluate(volts(55, 230))
    assert world.tick(61) == []
    assert world.tick(106)[0].at == at(105)


def test_another_calendar_is_another_logic():
    late = replace(EARLY, times=(time(2), time(3)))
    assert scheduled().version != scheduled(schedule=late).version
    assert scheduled().version == scheduled(schedule=replace(EARLY, label="夜")).version
    assert scheduled().version != rule(off_delay=timedelta(), allowed_gap=minutes(15)).version


def test_a_calendar_that_opens_proves_nothing_that_no_sample_has_proved_since_we_were_away():
    world = World(
        rule(
            on_delay=minutes(0),
            allowed_gap=minutes(60),
            schedule=Calendar("some", "某时", "UTC", times=(time(0, 20), time(0, 5))),
            on_close=OnClose.HOLD,
        )
    )
    world.evaluate(volts(0, 245), volts(1, 230))
    world.restart(minute=30)
    assert world.tick(30) == world.tick(31) == []
    assert path(world.evaluate(volts(32, 230))) == "recovering normal"


def test_an_event_at_the_moment_of_opening_is_what_holds_the_alert_whenever_the_clock_comes_to_it():
    world = World(scheduled(when=Any((LOST, HIGH)), until=None, on_delay=minutes(0)))
    world.evaluate(volts(59, 245), event(60, "power_lost"))
    world.tick(61)
    assert path(world.transitions) == "normal active"
    assert world.engine.instance("voltage_high", 7).inputs["event"] == "power_lost"
