"""Counters: consumption, rollovers, replaced registers and glitches."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.msgpack import decode, encode

from devices.kind import Counter, Gauge, Interval
from laws import examples
from rules.derived.counter import Count, counting, replacing
from rules.derived.rate import Rate
from rules.model.duration import microseconds
from tests.unit.rules_fixtures.derived import Following

WATER = Counter("volume_m3", "m³", 100_000, "累计用水量", "volume", per_hour=10)
POWER = Gauge("power_w", "W", Interval(-100, 100_000), "功率", "power")
HOUR = timedelta(hours=1)

litres = st.integers(0, 9_000).map(lambda count: count / 1_000)
courses = st.lists(litres, min_size=1, max_size=40)
wild = st.sampled_from([0.0, 3.0, 50_000.0, 99_999.0])


def count_of(values, start=None, *, hour=0, counter=WATER):
    """The count after hourly readings."""
    count, state = counting(counter), start
    for number, value in enumerate(values, hour):
        state = count(state, number * microseconds(HOUR), value)
    return Count(*state) if state else None


def register(first, rises):
    """Readings of a register that starts at `first`, after each of these consumptions; it rolls over."""
    readings = [first]
    for rise in rises:
        readings.append(round((readings[-1] + rise) % WATER.modulus, 3))
    return readings


def near(value):
    return round(value, 6)


@given(courses)
def test_what_a_register_rises_was_consumed(rises):
    assert near(count_of(register(1_000, rises)).total) == near(sum(rises))


@given(courses, st.data())
def test_a_wild_value_now_and_then_books_nothing(rises, data):
    readings = register(1_000, rises)
    with_glitches = [
        data.draw(wild) if hour % 3 == 1 and hour < len(readings) - 1 and data.draw(st.booleans()) else value
        for hour, value in enumerate(readings)
    ]
    assert near(count_of(with_glitches).total) == near(sum(rises))


def test_a_register_that_reads_zero_once_books_nothing_and_is_in_doubt_meanwhile():
    assert count_of([5_000, 0]).suspects
    after = count_of([5_000, 0, 5_000.1])
    assert (near(after.total), after.register, after.suspects) == (0.1, 0, ())


@pytest.mark.parametrize("length", [1, 2, 3, 4, 30])
@pytest.mark.parametrize("false", [0.0, 99_999.9, 50_000.0])
def test_a_run_of_false_readings_is_quarantined_as_a_whole_however_long(false, length):
    after = count_of([812.4, *[false] * length, 812.5, 812.6])
    assert (near(after.total), after.register) == (0.2, 0)


def test_a_register_that_has_counted_is_no_run_of_false_readings():
    after = count_of([812.4, 20, 20, 20, 20.1, 812.5, 20.2])
    assert (near(after.total), after.register) == (0.2, 1)


def test_a_first_reading_of_zero_does_not_book_all_history_either():
    after = count_of([0, 5_000, 5_000.1, 5_000.3, 5_000.4])
    assert (near(after.total), after.register) == (0.4, 1)


@given(st.integers(1, 9), courses)
def test_a_rollover_loses_nothing_and_adds_nothing(before_the_end, rises):
    readings = register(WATER.modulus - before_the_end, rises)
    after = count_of(readings + [readings[-1]] * 3)
    assert (near(after.total), after.register) == (near(sum(rises)), 0)


@given(st.integers(1_000, 80_000), courses)
def test_another_register_begins_anew_and_its_difference_is_no_consumption(last, rises):
    after = count_of([last, last, *register(0, rises), 10_000.0])
    if len(rises) >= 2:
        assert after.register == 1
        assert near(after.total) == near(sum(rises))


def test_a_new_register_that_shows_more_is_no_consumption():
    after = count_of([100, 7_000, 7_001, 7_002, 7_003])
    assert (after.total, after.register) == (3, 1)


@given(st.lists(st.floats(0, WATER.modulus), min_size=1, max_size=30))
def test_whatever_a_register_shows_consumption_is_never_negative_and_never_more_than_it_can_count(readings):
    count, state = counting(WATER), None
    last_of_register: dict[int, Count] = {}
    for hour, value in enumerate(readings):
        state = Count(*count(state, hour * microseconds(HOUR), value))
        last = last_of_register.get(state.register)
        if last and last.at <= state.at:
            assert state.total >= last.total
            elapsed = (state.at - last.at) / microseconds(HOUR)
            assert state.total - last.total <= (elapsed + 1 / 12) * WATER.per_hour + 1e-6
        last_of_register[state.register] = state


@given(st.lists(st.integers(-199, 9_000).map(lambda count: count / 1_000), min_size=1, max_size=40))
def test_a_register_that_runs_backwards_by_litres_nets_out(steps):
    readings = [1_000.0]
    for step in steps:
        readings.append(round(readings[-1] + step, 3))
    after = count_of(readings, counter=replace(WATER, backward=0.2))
    assert (near(after.total), after.register) == (near(readings[-1] - 1_000), 0)


@given(st.integers(1_000, 80_000), courses, st.integers(0, 90_000), courses)
def test_a_recorded_replacement_loses_nothing_of_either_register(last, rises, first, more):
    old, new = register(last, rises), register(first, more)
    before = count_of(old[:-1])
    exchanged = replacing(WATER)(before, (len(old) - 1) * microseconds(HOUR), old[-1], new[0])
    after = count_of(new[1:], exchanged, hour=len(old)) if more else Count(*exchanged)
    assert (near(after.total), after.register) == (near(sum(rises) + sum(more)), 0)


def test_a_replacement_voids_the_readings_in_quarantine():
    after = count_of([812.4, 0.1, 0.2])
    exchanged = replacing(WATER)(after, microseconds(HOUR) // 2, 812.5, 0.0)
    assert (near(Count(*exchanged).total), Count(*exchanged).suspects) == (0.1, ())


def test_an_old_register_that_cannot_be_counts_nothing():
    exchanged = replacing(WATER)(count_of([812.4]), microseconds(HOUR), 9_000.0, 0.0)
    assert exchanged[:4] == (0.0, microseconds(HOUR), 0.0, 0)


def test_a_replacement_right_after_a_rollover_counts_both():
    exchanged = replacing(WATER)(count_of([99_999.5]), microseconds(HOUR), 0.5, 7.0)
    assert near(Count(*exchanged).total) == 1


steps = st.integers(-150, 9_000).map(lambda count: count / 1_000)
BACKWARD = replace(WATER, backward=0.2)


@examples(500)
@given(
    st.lists(wild | steps, max_size=12), st.floats(0, WATER.modulus), st.lists(steps, min_size=3, max_size=3), st.data()
)
def test_four_readings_in_a_row_that_agree_and_count_forget_all_before_them(before, first, rises, data):
    """SQL reads no further back: `counter_steps`."""
    assume(rises[-1])
    row = [round(first, 3)]
    for rise in rises:
        row.append(round(row[-1] + rise, 3))
    near = st.sampled_from([*row, row[0] - 0.1, row[0] + 5])
    before = [data.draw(near | st.just(value)) for value in before]
    whole = count_of([*before, *row], counter=BACKWARD)
    alone = count_of(row[-1:], hour=len(before) + 3, counter=BACKWARD)
    assert (whole.value, whole.at, whole.suspects, whole.previous) == (alone.value, alone.at, (), None)


def test_a_state_that_the_version_before_has_stored_goes_on():
    for stored in ([812.4, 0, 3.5, 1, None], [812.4, 0, 3.5, 1, [0.0, microseconds(HOUR), 1]]):
        after = Count(*counting(WATER)(decode(encode(stored)), 2 * microseconds(HOUR), 812.5))
        assert (near(after.total), after.register) == (3.6, 1)


@given(st.lists(wild | litres, min_size=1, max_size=20), st.lists(wild | litres, max_size=20))
def test_a_count_goes_on_from_where_it_was_stored(first, second):
    stored = decode(encode(count_of(first)))
    assert encode(count_of(second, stored)) == encode(count_of(second, count_of(first)))


def rates(rate, *samples):
    """The rate after each of these (minute, value)."""
    following, result = Following(rate), []
    for minute, value in samples:
        result.append(following.show(minute, {rate.of.name: value}))
        following.restart()
    return result


def test_a_rate_is_the_change_per_time():
    rate = Rate(WATER, HOUR, timedelta(minutes=15), timedelta(minutes=30))
    assert rates(rate, (0, 100), (15, 101), (30, 101), (60, 102)) == [None, 4, 0, 2]
    assert rates(Rate(POWER, HOUR, HOUR, 2 * HOUR), (0, 50), (60, 20), (120, 80)) == [None, -30, 60]


def test_over_a_gap_no_rate_is_known():
    rate = Rate(WATER, HOUR, timedelta(minutes=15), timedelta(minutes=30))
    assert rates(rate, (0, 100), (31, 101), (46, 102)) == [None, None, 4]
    assert rates(Rate(POWER, HOUR, HOUR, 2 * HOUR), (0, 50), (121, 50)) == [None, None]


def test_a_counter_that_stands_still_across_a_gap_has_counted_nothing():
    rate = Rate(WATER, HOUR, timedelta(minutes=15), timedelta(minutes=30))
    assert rates(rate, (0, 100), (300, 100), (315, 101)) == [None, 0, 4]


def test_while_a_register_runs_backwards_its_rate_is_unknown_and_the_next_one_is_net():
    rate = Rate(replace(WATER, backward=0.2), HOUR, HOUR, 12 * HOUR)
    assert rates(rate, (0, 100), (60, 99.9), (120, 101), (180, 102)) == [None, None, 0.5, 1]


def test_samples_close_together_are_one_for_a_rate():
    rate = Rate(WATER, HOUR, timedelta(minutes=15), timedelta(minutes=30))
    assert rates(rate, (0, 100), (15, 101), (16, 101.01), (17, 101.02), (30, 101.25)) == [None, 4, 4, 4, 1]


def test_neither_glitch_nor_reset_nor_rollover_is_a_rate():
    rate = Rate(WATER, HOUR, HOUR, 12 * HOUR)
    glitch = [(0, 5_000), (60, 0), (120, 5_001), (180, 5_002)]
    assert rates(rate, *glitch) == [None, None, 0.5, 1]
    reset = [(0, 5_000), (60, 0), (120, 1), (180, 2), (240, 4)]
    assert rates(rate, *reset) == [None, None, None, None, 2]
    rollover = [(0, 99_999), (60, 0), (120, 1), (180, 2), (240, 4)]
    assert rates(rate, *rollover) == [None, None, None, 1, 2]
