"""Unchanged values, and repeated events and conditions."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import decode, encode

from devices.kind import Choice, Counter
from devices.water_meter import WATER_METER
from rules.derived.repeats import EVENT, RepeatedCondition, RepeatedEvents
from rules.derived.unchanged import Unchanged
from rules.model.condition import Any, Compare, Happens
from rules.model.duration import microseconds
from tests.unit.rules_fixtures.derived import Following
from tests.unit.rules_fixtures.world import COVER, LOST, World, event, event_rule, minutes, path, rule, volts

VALVE = Choice("valve_state", {"open": "开", "closed": "关"}, "阀门", "valve")
ENERGY = Counter("energy_kwh", "kWh", 1_000_000, "电能", "energy", per_hour=100)
MINUTE = microseconds(minutes(1))
SAG = Compare("voltage_v", "below", 198.0)


def values_of(derived, *course):
    """The derived value after each (minute, values), stored and restored in between."""
    observe, state, result = derived.observer(), None, []
    for minute, values in course:
        state, value = observe(state, minute * MINUTE, values)
        state = decode(encode(state))
        result.append(value)
    return result


def stays(length, gap=2):
    return Unchanged(VALVE, minutes(length), minutes(1), minutes(gap))


def valve(*states):
    return [(minute, {"valve_state": state}) for minute, state in states]


def test_a_value_has_stayed_once_it_was_seen_so_long():
    course = valve((0, "open"), (1, "open"), (2, "open"), (3, "open"))
    assert values_of(stays(3), *course) == [None, None, None, True]


def test_a_value_that_has_changed_has_not_stayed():
    course = valve((0, "open"), (1, "closed"), (2, "closed"), (3, "closed"), (4, "closed"), (5, "open"))
    assert values_of(stays(3), *course) == [None, False, False, False, True, False]


def test_over_a_gap_it_is_unknown_whether_a_value_has_stayed():
    course = valve((0, "open"), (1, "closed"), (4, "closed"), (5, "closed"), (6, "closed"), (7, "closed"))
    assert values_of(stays(3), *course) == [None, False, None, None, None, True]


def standstill(length, course):
    """Whether the register of a water meter has stood still after each (minute, register)."""
    following = Following(Unchanged(WATER_METER.field("volume_m3"), minutes(length), minutes(1), minutes(2)))
    return [following.show(minute, {"volume_m3": register}) for minute, register in course]


@pytest.mark.parametrize(
    ("course", "result"),
    [
        ([(0, 100), (9, 100)], [None, True]),
        ([(0, 100), (1, 100), (9, 100)], [None, None, True]),
        ([(0, 100), (9, 100.1), (10, 100.1)], [None, False, False]),
        ([(0, 100), (9, 100.1), (13, 100.1)], [None, False, True]),
        ([(0, 100), (1, 0), (2, 0), (9, 100)], [None, None, None, True]),
        ([(0, 100), (1, 0), (2, 0), (3, 0), (4, 0), (9, 100)], [None, None, None, None, None, None]),
        ([(0, 100), (1, 99.95), (4, 99.95)], [None, False, True]),
    ],
    ids=["a gap", "a longer one", "used in it", "and then no more", "false readings", "a reset", "backwards"],
)
def test_a_counter_that_stands_still_across_a_gap_was_not_used_in_it(course, result):
    assert standstill(3, course) == result


@given(st.lists(st.tuples(st.integers(1, 30), st.sampled_from([0, 0, 0, 0.1])), min_size=1, max_size=30))
def test_a_register_stands_still_for_the_time_since_its_last_rise_whatever_the_gaps(steps):
    minute, register, course = 0, 100.0, [(0, 100.0)]
    for gap, rise in steps:
        minute, register = minute + gap, register + rise
        course.append((minute, register))
    still = [value == register for _, value in course]
    since = course[len(still) - still[::-1].index(False) if False in still else 0][0]
    known = False in still or minute - since >= 10
    expected = minute - since >= 10 if known else None
    assert standstill(10, course)[-1] == expected


def test_a_sample_without_the_field_neither_keeps_nor_ends_what_stays():
    assert values_of(stays(2), *valve((0, "open")), (1, {}), *valve((2, "open"))) == [None, None, True]


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from(["open", "closed"])), min_size=1, max_size=30))
def test_what_has_stayed_was_the_same_at_every_reading_of_the_time_and_no_reading_was_missing(steps):
    minute, course = 0, []
    for gap, state in steps:
        minute += gap
        course.append((minute, state))
    for count, result in enumerate(values_of(stays(5), *valve(*course)), 1):
        if result:
            last = course[count - 1][0]
            first = max(minute for minute, _ in course[:count] if minute <= last - 5)
            inside = [entry for entry in course[:count] if entry[0] >= first]
            assert len({state for _, state in inside}) == 1
            assert all(later[0] - earlier[0] <= 2 for earlier, later in pairwise(inside))


def test_a_stuck_register_has_a_name_in_chinese():
    derived = Unchanged(ENERGY, timedelta(days=3), minutes(15), minutes(30))
    assert (derived.field.name, derived.field.zh) == ("energy_kwh_stays_3d", "电能 3 天没有变化")


def rises(times=3, within=10):
    return RepeatedCondition(SAG, times, minutes(within))


def sags(*readings):
    return [(minute, {"voltage_v": value}) for minute, value in readings]


def test_a_condition_repeats_by_becoming_true_not_by_being_true():
    assert values_of(rises(2), *sags((0, 230), (1, 190), (2, 190), (3, 190), (4, 230), (5, 190)))[-2:] == [False, True]


def test_what_was_true_from_the_first_has_not_been_seen_to_become_so():
    assert values_of(rises(2), *sags((0, 190), (1, 230), (2, 190), (3, 230), (4, 190)))[2:] == [False, False, True]


def test_repetition_is_over_when_it_has_been_too_long_ago():
    course = sags((0, 230), (1, 190), (2, 230), (3, 190), (4, 230), (11, 230), (12, 230))
    assert values_of(rises(2), *course)[3:] == [True, True, True, False]


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["a", "b", "c"])), max_size=20))
def test_events_repeat_by_distinct_times_whatever_their_order_and_however_often_they_come(course):
    derived = RepeatedEvents(("a", "b"), 3, minutes(10))
    shown = [(minute, {EVENT: name}) for minute, name in course]
    result = values_of(derived, *shown, *shown)
    for count in range(1, len(shown) + 1):
        instants = sorted({minute for minute, name in course[:count] if name in {"a", "b"}})
        enough = len(instants) >= 3 and instants[-1] - instants[-3] <= 10
        assert bool(result[count - 1]) is (enough and course[count - 1][1] != "c")


def often(**changed):
    lost = Happens(LOST.events, RepeatedEvents(LOST.events, 3, minutes(10)))
    return event_rule(**({"when": lost, "off_delay": minutes(30)} | changed))


def losses(*at):
    return [event(minute, "power_lost") for minute in at]


def test_a_rule_on_a_repeated_event_waits_until_it_has_been_often_enough():
    world = World(often())
    assert world.evaluate(*losses(0, 4)) == []
    assert path(world.evaluate(*losses(9))) == "normal active recovering"
    world.tick(40)
    assert world.phase("power_lost") == "normal"


def test_an_event_that_is_delivered_again_has_happened_once():
    world = World(often())
    assert world.evaluate(*losses(0, 0, 4, 4, 0)) == []


def test_events_that_are_too_far_apart_do_not_repeat():
    world = World(often())
    assert world.evaluate(*losses(0, 6, 12, 18)) == []


def test_an_event_that_counts_at_once_needs_no_repetition():
    world = World(often(when=Any((COVER, often().when))))
    assert world.evaluate(*losses(0)) == []
    assert path(world.evaluate(event(1, "cover_opened"))) == "normal active recovering"


def test_repetition_is_counted_across_a_restart():
    world = World(often())
    world.evaluate(*losses(0, 4))
    world.restart(minute=5)
    assert path(world.evaluate(*losses(9))) == "normal active recovering"


def test_a_voltage_that_sags_again_and_again_raises_one_alert_and_ends_by_itself():
    derived = rises(3, 20)
    world = World(rule(when=Compare(derived.field.name, "equals", True, derived), until=None, on_delay=minutes(0)))
    world.evaluate(*(volts(minute, 190 if minute % 4 == 1 else 230) for minute in range(12)))
    assert path(world.transitions) == "normal active"
    world.evaluate(*(volts(minute, 230) for minute in range(12, 40)))
    assert world.phase() == "normal"
