"""Rules about events: raising, ending, order, and events mixed with telemetry."""

from datetime import timedelta

from rules.engine.state_machine import Reason
from rules.model.condition import Any, Compare
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
    path,
    telemetry,
    volts,
)


def test_an_event_stays_true_until_the_event_that_ends_it():
    world = World(event_rule(until=RESTORED))
    world.evaluate(event(0, "power_lost"), volts(1, 230), event(2, "cover_opened"))
    assert world.phase("power_lost") == "active"
    (ended,) = world.evaluate(event(600, "power_restored"))
    assert (path([ended]), ended.reason, ended.at) == ("active normal", Reason.EVENT, at(600))


def test_an_event_outlasts_its_delay_without_any_sample():
    world = World(event_rule(until=RESTORED, on_delay=minutes(5)))
    world.evaluate(event(0, "power_lost"))
    (activated,) = world.tick(5)
    assert (path(world.transitions), activated.at) == ("normal pending active", at(5))


def test_an_event_that_ended_before_the_delay_raises_nothing():
    world = World(event_rule(until=RESTORED, on_delay=minutes(5)))
    world.evaluate(event(0, "power_lost"), event(4, "power_restored"))
    world.tick(60)
    assert path(world.transitions) == "normal pending normal"


def test_an_event_that_returns_within_the_off_delay_is_the_same_alert():
    world = World(event_rule(until=RESTORED, off_delay=minutes(5)))
    world.evaluate(event(0, "power_lost"), event(1, "power_restored"), event(2, "power_lost"))
    world.tick(60)
    assert path(world.transitions) == "normal active recovering active"


def test_a_momentary_event_recovers_at_once_and_ends_after_its_off_delay():
    world = World(event_rule(when=COVER, off_delay=minutes(10)))
    world.evaluate(event(0, "cover_opened"), volts(1, 230), event(6, "cover_opened"))
    assert world.tick(15) == []
    (ended,) = world.tick(16)
    assert path(world.transitions) == "normal active recovering normal"
    assert (ended.at, ended.reason) == (at(16), Reason.TIMER)


def test_a_momentary_event_with_a_latch_waits_for_a_person():
    world = World(event_rule(when=COVER, latch=True))
    world.evaluate(event(0, "cover_opened"))
    assert world.phase("power_lost") == "latched"
    world.evaluate(event(5, "cover_opened"))
    assert path(world.transitions) == "normal active latched active latched"
    assert len({transition.alert_id for transition in world.transitions}) == 1


def test_an_event_that_arrives_after_its_own_end_takes_its_place_before_it():
    world = World(event_rule(until=RESTORED))
    world.evaluate(event(5, "power_restored"), event(3, "power_lost"))
    assert path(world.transitions) == "normal active normal"
    assert [transition.at for transition in world.transitions] == [at(3), at(5)]


def test_an_event_older_than_an_unrelated_one_still_counts():
    world = World(event_rule(until=RESTORED))
    world.evaluate(event(5, "cover_opened"), volts(6, 230), event(3, "power_lost"))
    assert world.phase("power_lost") == "active"


def test_the_same_event_twice_counts_once():
    world = World(event_rule(when=COVER, off_delay=minutes(10)))
    world.evaluate(event(0, "cover_opened"))
    assert world.evaluate(event(0, "cover_opened")) == []


def test_a_measured_value_can_end_what_an_event_began():
    world = World(event_rule(until=Compare("relay_closed", "equals", True), off_delay=minutes(2)))
    world.evaluate(event(0, "power_lost"), telemetry(1, relay_closed=False), telemetry(2, relay_closed=True))
    assert world.phase("power_lost") == "recovering"
    world.evaluate(telemetry(3, relay_closed=True), telemetry(4, relay_closed=True))
    assert path(world.transitions) == "normal active recovering normal"


def test_a_measurement_from_before_an_event_does_not_end_it():
    world = World(event_rule(until=Compare("relay_closed", "equals", True)))
    world.evaluate(event(5, "power_lost"), telemetry(4, relay_closed=True))
    assert world.phase("power_lost") == "active"


def test_the_data_of_an_event_stay_while_telemetry_merely_confirms_it():
    world = World(event_rule(until=Compare("relay_closed", "equals", True), off_delay=minutes(2)))
    world.evaluate(event(0, "power_lost"), telemetry(1, relay_closed=False), telemetry(2, relay_closed=True))
    inputs = world.transitions[-1].inputs
    assert inputs["event"] == "power_lost"
    assert inputs["cleared"]["values"] == {"relay_closed": True}


def test_only_an_event_can_end_what_a_value_began_where_the_rule_says_so():
    world = World(event_rule(when=HIGH, until=RESTORED, off_delay=minutes(5)))
    world.evaluate(volts(0, 245), volts(1, 230))
    assert world.phase("power_lost") == "active"
    world.evaluate(event(2, "power_restored"), volts(3, 230))
    world.tick(7)
    assert path(world.transitions) == "normal active recovering normal"


def test_any_of_an_event_and_a_value_opens_by_either():
    either = event_rule(when=Any((LOST, HIGH)))
    by_event, by_value = World(either), World(either)
    by_event.evaluate(event(0, "power_lost"))
    by_value.evaluate(volts(0, 245))
    assert by_event.phase("power_lost") == by_value.phase("power_lost") == "active"
    by_event.evaluate(volts(1, 230))
    assert by_event.phase("power_lost") == "normal"


def test_an_event_that_arrives_after_newer_telemetry_takes_its_place_before_it():
    world = World(event_rule(when=Any((LOST, HIGH)), until=Compare("voltage_v", "below", 238.0)))
    world.evaluate(volts(0, 230), volts(10, 230), event(9, "power_lost"))
    assert path(world.transitions) == "normal active normal"
    assert [transition.at for transition in world.transitions] == [at(9), at(10)]


def test_when_holding_outweighs_an_end_that_was_drawn_too_wide():
    world = World(event_rule(when=Any((HIGH, LOST)), until=Compare("current_a", "below", 5.0)))
    world.evaluate(telemetry(0, voltage_v=245, current_a=1), telemetry(1, voltage_v=245, current_a=1))
    assert path(world.transitions) == "normal active"
    world.evaluate(telemetry(2, voltage_v=230, current_a=1))
    assert world.phase("power_lost") == "normal"


def test_an_event_needs_no_time_at_all_to_activate():
    world = World(event_rule(until=RESTORED, on_delay=timedelta()))
    (activated,) = world.evaluate(event(0, "power_lost"))
    assert (path([activated]), activated.at) == ("normal active", at(0))


def test_an_event_that_comes_after_a_deadline_finds_the_phase_behind_it():
    world = World(event_rule(until=RESTORED, on_delay=minutes(5), off_delay=minutes(5)))
    world.evaluate(event(0, "power_lost"), event(7, "power_restored"), event(20, "power_lost"))
    assert path(world.transitions) == "normal pending active recovering normal pending"
    assert [transition.at for transition in world.transitions] == [at(0), at(5), at(7), at(12), at(20)]


def test_an_event_from_earlier_makes_no_gap_where_there_was_none():
    world = World(event_rule(when=Any((LOST, HIGH)), on_delay=minutes(10)))
    world.evaluate(*(volts(minute, 245) for minute in range(10)), event(1, "power_lost"))
    (activated,) = world.tick(10)
    assert activated.at == at(10)


def test_an_event_that_happens_again_after_a_person_closed_the_alert_is_a_new_alert():
    world = World(event_rule(until=RESTORED))
    world.evaluate(event(0, "power_lost"))
    world.close(1, "power_lost")
    assert world.phase("power_lost") == "muted"
    world.evaluate(event(600, "power_lost"))
    assert path(world.transitions) == "normal active muted active"
    assert [transition.sequence for transition in world.transitions] == [1, 1, 2]
