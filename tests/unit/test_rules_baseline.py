"""A device against its own baseline, by the hour of the week."""

from datetime import UTC, datetime, timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import decode, encode

from devices.kind import Gauge, Interval
from laws import examples
from rules.derived.baseline import LEAST_WEEKS, WEEKS, Baseline
from rules.model.duration import microseconds, microseconds_since_1970

POWER = Gauge("power_w", "W", Interval(-30_000, 30_000), "功率", "power")
QUARTER, HOUR, WEEK = timedelta(minutes=15), timedelta(hours=1), timedelta(weeks=1)
MONDAY = datetime(2026, 1, 4, 16, tzinfo=UTC)  # midnight in the city
HABIT = Baseline(POWER, QUARTER, 2 * QUARTER)


def deviations(*hours, habit=HABIT):
    """The last deviation after each of these stretches: (when it begins after Monday, power of its four readings)."""
    observe, state, result = habit.observer(), None, []
    for begin, power in hours:
        value = None
        for reading in range(4):
            at = microseconds_since_1970(MONDAY + begin) + reading * microseconds(QUARTER)
            state, value = observe(state, at, {"power_w": power})
        result.append(value)
    return result


def hour_of_weeks(powers, hour=19):
    """The hour before, the hour, and the hour after it, in as many weeks; the deviation of the hour in each."""
    course = [
        (week * WEEK + (hour + offset) * HOUR, power if offset == 0 else 100)
        for week, power in enumerate(powers)
        for offset in (-1, 0, 1)
    ]
    return deviations(*course)[2::3]


def test_a_baseline_is_unknown_before_enough_weeks():
    result = hour_of_weeks([1_000] * 6)
    assert result[:LEAST_WEEKS] == [None] * LEAST_WEEKS
    assert result[LEAST_WEEKS:] == [pytest.approx(0, abs=0.1)] * 2


def test_an_hour_is_compared_with_the_same_hour_of_other_weeks():
    evening = hour_of_weeks([1_000, 1_100, 900, 1_050, 5_000])[-1]
    usual = [1_000, 1_100, 900, 1_050]
    spread = 1.4826 * median(abs(each - median(usual)) for each in usual)
    assert evening == pytest.approx((5_000 - median(usual)) / spread, rel=0.02)


def test_one_odd_week_moves_neither_the_median_nor_the_alert_of_the_next():
    assert hour_of_weeks([1_000, 1_000, 20_000, 1_000, 1_000, 1_000, 5_000])[-1] > 6


def test_a_steady_device_may_deviate_a_little():
    assert abs(hour_of_weeks([1_000] * 5 + [1_020])[-1]) < 1


def test_an_hour_with_a_gap_is_neither_evaluated_nor_retained():
    observe, state = HABIT.observer(), None
    for week in range(8):
        for minute in (0, 15, 59, 74):  # 44 minutes without a reading
            at = microseconds_since_1970(MONDAY + week * WEEK + timedelta(minutes=minute))
            state, value = observe(state, at, {"power_w": 1_000})
            assert value is None


def test_a_deviation_holds_for_one_hour():
    course = [(week * WEEK + offset * HOUR, 1_000) for week in range(6) for offset in (0, 1, 2)]
    assert deviations(*course)[-1] is not None
    assert deviations(*course, (5 * WEEK + 9 * HOUR, 1_000))[-1] is None


@examples(25)
@given(st.lists(st.integers(-20_000, 20_000), min_size=LEAST_WEEKS + 1, max_size=12))
def test_a_deviation_follows_from_the_last_weeks(powers):
    *_, (*before, last) = (powers[max(0, end - WEEKS - 1) : end] for end in range(1, len(powers) + 1))
    usual = median(before)
    spread = max(1.4826 * median(abs(each - usual) for each in before), 0.01 * abs(usual), 60)
    assert hour_of_weeks(powers)[-1] == pytest.approx((last - usual) / spread, rel=0.1, abs=1)


def test_a_habit_goes_on_from_where_it_was_stored():
    observe, state = HABIT.observer(), None
    for hour in range(5 * 168):
        at = microseconds_since_1970(MONDAY) + hour * microseconds(HOUR)
        state, _ = observe(state, at, {"power_w": 100 + hour % 7})
        stored = decode(encode(state))
        assert stored[-1] == state[-1]
        state = stored


def test_a_baseline_takes_two_thousand_bytes():
    state, _ = HABIT.observer()(None, 0, {"power_w": 1})
    assert len(state[-1]) == 168 * WEEKS * 2
