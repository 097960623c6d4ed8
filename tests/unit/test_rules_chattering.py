"""Chattering: an instance with three alerts within a minute takes longer to recover, and is notified once more."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from rules.engine.chattering import CALM, Chatter, count_alert, extended_off_delay
from rules.engine.engine import Engine
from rules.model.rule import RulePack, Severity
from rules.model.sample import Sample
from shipped_rules import SHIPPED
from tests.unit.rules_fixtures.world import DEVICE, START, World, at, rule, volts

SECONDS = timedelta(seconds=1)


def flickering(**changed):
    return rule(**({"on_delay": timedelta(), "off_delay": timedelta(), "until": None} | changed))


def flicker(world, first, times, every=0.25):
    """Raises and clears an alert, so many times, `every` so many minutes."""
    for number in range(times):
        minute = first + number * every
        world.evaluate(volts(minute, 245), volts(minute + every / 2, 230))


def raised(world):
    return [transition for transition in world.transitions if transition.raises]


def test_the_third_alert_within_a_minute_is_marked_and_notified():
    world = World(flickering())
    flicker(world, 0, 3)
    assert [transition.chattering for transition in raised(world)] == [False, False, True]
    assert all(not transition.suppressed for transition in raised(world))
    assert raised(world)[-1].inputs["chattering"] == {"raised": 3, "within": "1m"}


def test_from_the_third_on_the_alert_outlasts_the_flicker():
    world = World(flickering())
    flicker(world, 0, 20)
    assert len(raised(world)) == 3
    assert world.phase() == "recovering"
    assert raised(world)[-1].inputs["off_delay"] == "30s"
    assert world.tick(10)[0].at == at(4.875 + 0.5)


def test_an_alert_within_ten_minutes_of_it_is_suppressed_as_chattering():
    world = World(flickering())
    flicker(world, 0, 3)
    flicker(world, 5, 1)
    (cause, until, detail) = raised(world)[-1].suppressed[0]
    assert (cause, until) == ("chattering", at(5) + CALM)
    assert "频繁抖动" in detail


def test_a_chattering_alert_that_can_hurt_people_is_notified_each_time():
    world = World(flickering(severity=Severity.CRITICAL))
    flicker(world, 0, 3)
    flicker(world, 5, 1)
    assert [(each.chattering, each.suppressed) for each in raised(world)[2:]] == [(True, ()), (True, ())]


def test_a_calm_of_ten_minutes_ends_it():
    world = World(flickering())
    flicker(world, 0, 3)
    world.tick(5)
    flicker(world, 11, 1)
    transition = raised(world)[-1]
    assert (transition.chattering, transition.suppressed, transition.inputs["off_delay"]) == (False, (), "0s")


def test_three_alerts_in_more_than_a_minute_are_no_chattering():
    world = World(flickering())
    flicker(world, 0, 6, every=0.75)
    assert not any(transition.chattering for transition in raised(world))


def test_a_condition_that_returns_while_it_recovers_is_the_same_alert_and_no_chattering():
    world = World(flickering(off_delay=5 * 60 * SECONDS))
    flicker(world, 0, 10)
    assert [transition.chattering for transition in raised(world)] == [False]


def test_a_restart_forgets_no_chattering():
    world = World(flickering())
    flicker(world, 0, 2)
    world.restart(minute=0.5)
    flicker(world, 0.5, 1)
    world.restart(minute=1)
    flicker(world, 5, 1)
    assert [transition.chattering for transition in raised(world)] == [False, False, True, True]
    assert raised(world)[-1].suppressed


times = st.lists(st.integers(0, 900).map(lambda seconds: seconds * SECONDS), max_size=60)


@given(times, st.integers(0, 3_600).map(lambda seconds: seconds * SECONDS))
def test_the_time_to_recover_is_never_shorter_than_the_rule_says_and_never_beyond_a_quarter_hour(waits, off_delay):
    chatter, at_, before = Chatter(), START, off_delay
    for wait in waits:
        at_ += wait
        chatter = count_alert(chatter, at_)
        delay = extended_off_delay(off_delay, chatter)
        assert off_delay <= delay <= max(off_delay, timedelta(minutes=15))
        assert delay in {off_delay, before} or delay <= 2 * max(before, 15 * SECONDS)
        before = delay


def test_a_camera_that_comes_and_goes_fifteen_times_is_one_chattering_alert_with_two_steps():
    (flapping,) = (one for one in SHIPPED.rules if one.name == "camera_flapping")
    engine = Engine(RulePack((flapping,)), START, lambda id_: replace(DEVICE, id=id_, kind="camera"))
    transitions = []
    for number in range(15):
        for name, after_s in (("video_lost", 0), ("video_restored", 22)):
            ts = START + timedelta(seconds=44 * number + after_s)
            transitions += engine.evaluate(Sample(7, ts, ts, {}, name), "camera", ts)
    last_lost = START + timedelta(seconds=44 * 14)
    transitions += engine.tick(last_lost + flapping.off_delay, caught_up=True)
    assert [each.to_phase for each in transitions] == ["active", "recovering", "normal"]
    assert [each.chattering for each in transitions if each.raises] == [True]
    assert transitions[-1].at == last_lost + flapping.off_delay
