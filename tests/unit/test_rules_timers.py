"""The state machine: pending, active, recovering, latched and muted, by samples and time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rules.engine.state_machine import InstanceState, NewVerdict, Reason, step
from rules.model.rule import Phase, Severity, Unknown
from tests.unit.rules_fixtures.world import (
    DEVICE,
    MISSING,
    World,
    at,
    minutes,
    outcome,
    path,
    rule,
    volts,
)


def every_minute(first, last, value):
    return [volts(minute, value) for minute in range(first, last + 1)]


def an_active_world(**changed):
    world = World(rule(**({"on_delay": timedelta()} | changed)))
    world.evaluate(volts(0, 245))
    assert world.phase() == "active"
    return world


def test_a_condition_must_hold_for_the_on_delay():
    world = World(rule())
    world.evaluate(*every_minute(0, 9, 245))
    assert world.phase() == "pending"
    (activated,) = world.evaluate(volts(10, 245))
    assert (activated.to_phase, activated.at, activated.reason) == (Phase.ACTIVE, at(10), Reason.TIMER)


def test_without_a_delay_the_first_sample_activates():
    world = World(rule(on_delay=timedelta()))
    (activated,) = world.evaluate(volts(0, 245))
    assert (path([activated]), activated.reason) == ("normal active", Reason.CONDITION)


def test_a_short_spike_raises_nothing():
    world = World(rule())
    world.evaluate(volts(0, 245), volts(1, 230))
    world.tick(60)
    assert path(world.transitions) == "normal pending normal"


def test_a_timer_ripens_at_its_deadline_whichever_input_shows_it():
    by_tick, by_sample = World(rule()), World(rule())
    for world in (by_tick, by_sample):
        world.evaluate(*every_minute(0, 9, 245))
    by_tick.tick(11)
    by_sample.evaluate(volts(11, 230))
    assert outcome(by_tick.transitions) == outcome(by_sample.transitions)[:2]
    assert by_tick.transitions[-1].at == by_sample.transitions[1].at == at(10)


def test_a_gap_never_satisfies_a_duration():
    world = World(rule())
    world.evaluate(volts(0, 245))
    world.tick(30)
    assert world.phase() == "pending"
    world.evaluate(volts(31, 245))
    world.tick(33)
    assert world.phase() == "pending"


def test_after_a_gap_the_wait_begins_anew():
    world = World(rule())
    world.evaluate(*every_minute(0, 5, 245), *every_minute(9, 19, 245))
    assert path(world.transitions) == "normal pending active"
    assert world.transitions[-1].at == at(19)


def test_a_gap_just_as_long_as_allowed_is_no_gap():
    world = World(rule())
    world.evaluate(*(volts(minute, 245) for minute in range(0, 12, 2)))
    assert world.transitions[-1].at == at(10)


def test_an_unfulfilled_deadline_is_looked_at_again_when_a_late_sample_fulfils_it():
    world = World(rule())
    world.evaluate(*every_minute(0, 7, 245), volts(8, MISSING))
    world.tick(10)
    assert world.phase() == "pending"
    world.evaluate(volts(9, 245, delay=2))
    (activated,) = world.tick(12)
    assert activated.at == at(10)


def test_inside_the_deadband_an_alert_stays_active():
    world = an_active_world()
    world.evaluate(*every_minute(1, 30, 240))
    assert world.phase() == "active"


def test_without_until_the_alert_ends_as_soon_as_when_does():
    world = an_active_world(until=None, off_delay=timedelta())
    world.evaluate(volts(1, 241))
    assert path(world.transitions) == "normal active normal"


def test_an_end_must_hold_for_the_off_delay():
    world = an_active_world()
    world.evaluate(*every_minute(1, 5, 230))
    assert world.phase() == "recovering"
    (ended,) = world.evaluate(volts(6, 230))
    assert (ended.to_phase, ended.at) == (Phase.NORMAL, at(6))


def test_a_gap_never_satisfies_the_end_either():
    world = an_active_world()
    world.evaluate(volts(1, 230))
    world.tick(60)
    assert world.phase() == "recovering"
    world.evaluate(*every_minute(61, 65, 230))
    assert world.phase() == "recovering"
    world.evaluate(volts(66, 230))
    assert world.phase() == "normal"


def test_recovering_that_turns_true_is_the_same_alert():
    world = an_active_world()
    world.evaluate(volts(1, 230), volts(2, 245))
    assert path(world.transitions) == "normal active recovering active"
    assert len({transition.alert_id for transition in world.transitions}) == 1


def test_a_second_activation_is_another_alert():
    world = an_active_world(off_delay=timedelta())
    world.evaluate(volts(1, 230), volts(2, 245))
    assert [transition.sequence for transition in world.transitions] == [1, 1, 2]
    assert len({transition.alert_id for transition in world.transitions}) == 2


def test_unknown_never_ends_an_alert():
    world = an_active_world()
    world.evaluate(*every_minute(1, 30, MISSING))
    world.tick(60)
    assert world.phase() == "active"


def test_held_unknown_lets_the_timer_run_but_only_a_true_sample_ripens_it():
    world = World(rule())
    world.evaluate(*every_minute(0, 9, 245), volts(9.5, MISSING))
    world.tick(10.5)
    assert world.phase() == "pending"
    (activated,) = world.evaluate(volts(11, 245))
    assert (activated.at, activated.reason) == (at(11), Reason.CONDITION)


def test_held_unknown_followed_by_false_raises_nothing():
    world = World(rule())
    world.evaluate(*every_minute(0, 9, 245), volts(9.5, MISSING), volts(11, 230))
    assert path(world.transitions) == "normal pending normal"


def test_paused_time_does_not_count():
    world = World(rule(unknown=Unknown.PAUSE))
    world.evaluate(*every_minute(0, 5, 245), volts(6, MISSING), *every_minute(7, 11, 245))
    assert world.phase() == "pending"
    world.evaluate(volts(12, 245))
    assert world.transitions[-1].at == at(12)


def test_reset_takes_a_pending_instance_back_but_never_an_active_one():
    world = World(rule(unknown=Unknown.RESET))
    world.evaluate(volts(0, 245), volts(1, MISSING))
    assert world.phase() == "normal"
    world = an_active_world(unknown=Unknown.RESET)
    world.evaluate(volts(1, MISSING))
    assert world.phase() == "active"


def test_a_held_unknown_while_recovering_needs_another_false_sample():
    world = an_active_world()
    world.evaluate(*every_minute(1, 5, 230), volts(5.5, MISSING))
    world.tick(6.5)
    assert world.phase() == "recovering"
    (ended,) = world.evaluate(volts(7, 230))
    assert ended.at == at(7)


def test_a_latched_alert_stays_until_a_person_resolves_it():
    world = an_active_world(latch=True)
    world.evaluate(*every_minute(1, 60, 230))
    assert world.phase() == "latched"
    (resolved,) = world.close(61)
    assert (path([resolved]), resolved.reason) == ("latched normal", Reason.RESOLVED)


def test_a_latched_alert_whose_cause_comes_back_is_active_again_in_the_same_alert():
    world = an_active_world(latch=True, off_delay=timedelta())
    world.evaluate(volts(1, 230), volts(2, 245))
    assert path(world.transitions) == "normal active latched active"
    assert len({transition.alert_id for transition in world.transitions}) == 1


def test_closing_by_hand_mutes_until_a_false_sample_has_been_seen():
    world = an_active_world(off_delay=timedelta())
    world.close(1)
    world.evaluate(volts(2, 245), volts(3, MISSING))
    assert world.phase() == "muted"
    world.evaluate(volts(4, 230))
    assert world.phase() == "normal"
    world.evaluate(volts(5, 245))
    assert [transition.sequence for transition in world.transitions] == [1, 1, 1, 2]


@pytest.mark.parametrize("more", [{}, {"latch": True}, {"on_delay": minutes(10)}])
def test_closing_mutes_no_critical_alert(more):
    world = World(rule(severity=Severity.CRITICAL, allowed_gap=minutes(20), **{"on_delay": timedelta(), **more}))
    world.evaluate(volts(0, 245), volts(10, 245))
    assert world.phase() == "active"
    (resolved,) = world.close(11)
    assert path([resolved]) == "active normal"
    world.evaluate(volts(12, MISSING), volts(13, 240))  # unknown, and inside the deadband
    assert world.phase() == "normal"
    world.evaluate(volts(14, 245), volts(24, 245))
    assert world.phase() == "active"
    assert world.transitions[-1].sequence == 2


def test_a_reading_from_before_the_closing_of_a_critical_alert_that_nobody_had_seen_raises_it_again():
    world = World(rule(severity=Severity.CRITICAL, on_delay=timedelta()))
    world.evaluate(volts(0, 245))
    world.close(2)
    world.evaluate(volts(1.9, 246, delay=0.2))
    assert world.phase() == "active"


def test_an_instance_that_was_muted_before_its_rule_became_critical_is_muted_no_longer():
    world = an_active_world(off_delay=timedelta())
    world.close(1)
    world.restart(replace(world.pack.rules[0], severity=Severity.CRITICAL), minute=2)
    assert world.phase() == "normal"
    world.evaluate(volts(3, 245), volts(4, 245))
    assert world.transitions[-1].sequence == 2


def test_closing_while_recovering_ends_the_alert():
    world = an_active_world()
    world.evaluate(volts(1, 230))
    (resolved,) = world.close(2)
    assert path([resolved]) == "recovering normal"
    assert resolved.inputs["resolved_by"] == "li"


@pytest.mark.parametrize("samples", [[], [volts(0, 245)]], ids=["normal", "pending"])
def test_where_nothing_is_open_there_is_nothing_to_close(samples):
    world = World(rule())
    world.evaluate(*samples)
    assert world.close(1) == []
    assert world.engine.close("no_such_rule", DEVICE.id, at(1), "li") == []


def test_a_false_sample_that_was_late_for_the_timer_revokes_its_alert():
    world = World(rule())
    world.evaluate(*every_minute(0, 9, 245))
    world.tick(10)
    (revoked, ended) = world.evaluate(volts(9.5, 230, delay=1))
    assert (revoked.from_phase, revoked.to_phase, revoked.reason) == ("active", "normal", Reason.REVOKED)
    assert (ended.from_phase, ended.to_phase, ended.at) == ("pending", "normal", at(9.5))


def test_a_timer_phase_without_a_timer_is_refused():
    broken = InstanceState("voltage_high", rule().version, 1, Phase.PENDING, since=at(0), last_ts=at(0))
    with pytest.raises(ValueError, match="without a timer"):
        step(rule(), broken, NewVerdict(at(1), True, Reason.CONDITION, {}))


def test_a_transition_between_normal_and_pending_belongs_to_no_alert():
    world = World(rule(off_delay=minutes(0)))
    world.evaluate(volts(0, 245), volts(1, 230), *every_minute(2, 12, 245), volts(13, 230), volts(14, 245))
    assert path(world.transitions) == "normal pending normal pending active normal pending"
    named = [transition.alert_id is not None for transition in world.transitions]
    assert named == [False, False, False, True, True, False]


def test_a_sample_at_the_deadline_is_evaluated_in_the_phase_after_the_timer():
    world = World(rule())
    world.evaluate(*every_minute(0, 9, 245), volts(10, 240))
    assert world.phase() == "active"
