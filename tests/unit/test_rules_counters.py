"""Counters: consumption, rollovers, replaced registers and glitches."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import decode, encode

from devices.kind import Counter, Gauge, Interval
from rules.derived.counter import Count, counting
from rules.derived.rate import Rate
from rules.model.duration import microseconds
from tests.unit.rules_fixtures.derived import Following

WATER = Counter("volume_m3", "m³", 100_000, "累计用水量", "volume", per_hour=10)
POWER = Gauge("power_w", "W", Interval(-100, 100_000), "功率", "power")
HOUR = timedelta(hours=1)

litres = st.integers(0, 9_000).map(lambda count: count / 1_000)
courses = st.lists(litres, min_size=1, max_size=40)
wild = st.sampled_from([0.0, 3.0, 50_000.0, 99_999.0])


def count_of(values, start=None):
    """The count after hourly readings."""
    count, state = counting(WATER), start
    for hour, value in enumerate(values):
        state = count(state, hour * microseconds(HOUR), value)
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
    assert count_of([5_000, 0]).suspect is not None
    after = count_of([5_000, 0, 5_000.1])
    assert (near(after.total), after.register, after.suspect) == (0.1, 0, None)


def test_a_first_reading_of_zero_does_not_book_all_history_either():
    after = count_of([0, 5_000, 5_000.1, 5_000.3, 5_000.4])
    assert (near(after.total), after.register) == (0.1, 1)


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
        assert near(after.total) == near(sum(rises[2:]))


def test_a_new_register_that_shows_more_is_no_consumption():
    after = count_of([100, 7_000, 7_001, 7_002, 7_003])
    assert (after.total, after.register) == (1, 1)


@given(st.lists(st.floats(0, WATER.modulus), min_size=1, max_size=30))
def test_whatever_a_register_shows_consumption_is_never_negative_and_never_more_than_it_can_count(readings):
    count, state, before = counting(WATER), None, 0.0
    for hour, value in enumerate(readings):
        last, state = state, Count(*count(state, hour * microseconds(HOUR), value))
        before = last.total if last and last.register == state.register else 0.0
        assert state.total >= before
        elapsed = (state.at - last.at) / microseconds(HOUR) if last else 0
        assert state.total - before <= (elapsed + 1 / 12) * WATER.per_hour + 1e-6


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
