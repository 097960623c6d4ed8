"""Windows of event time: covered or unknown, and true to the samples in them."""

from datetime import timedelta
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.kind import Counter, Gauge, Interval
from rules.derived.window import AGGREGATES, SLOTS, WindowAggregate
from tests.unit.rules_fixtures.derived import Following

FLOW = Gauge("flow_m3_h", "m³/h", Interval(-10, 10), "瞬时流量", "flow")
VOLUME = Counter("volume_m3", "m³", 100_000, "累计用水量", "volume", per_hour=1_000)
DAY, HOUR = timedelta(hours=24), timedelta(hours=1)

gaps = st.sampled_from([1, 20, 55, 60, 60, 60, 65, 90, 120, 121, 400])
samples = st.lists(st.tuples(gaps, st.integers(-50, 50)), min_size=1, max_size=80)
ORACLE = {
    "minimum": min,
    "maximum": max,
    "sum": sum,
    "count": len,
    "mean": mean,
    "range": lambda values: max(values) - min(values),
    "increase": lambda values: values[-1] - values[0],
}


def over(how, length=DAY, gap=2 * HOUR):
    return WindowAggregate(VOLUME if how == "increase" else FLOW, how, length, HOUR, gap)


def values_of(window, course, restart=()):
    """The window after each sample (minute, value), stopped and restored before those in `restart`."""
    following, result = Following(window), []
    for number, (minute, value) in enumerate(course):
        if number in restart:
            following.restart()
        result.append(following.show(minute, {window.of.name: value}))
    return result


def in_time(steps):
    minute, course = 7, []
    for gap, value in steps:
        minute += gap
        course.append((minute, value))
    return course


def covered(course, gap=120, length=24 * 60):
    """Those of the course that the last sample's window must hold, or None where it is not covered."""
    end = course[-1][0]
    since = end
    for (earlier, _), (later, _) in zip(course[-2::-1], course[:0:-1], strict=False):
        if later - earlier > gap:
            break
        since = earlier
    if end - since < length:
        return None
    width = length // SLOTS
    return [value for minute, value in course if minute >= since and minute // width >= end // width - SLOTS]


@pytest.mark.parametrize("how", [how for how in AGGREGATES if how != "count"])
@given(steps=samples)
def test_a_window_is_what_its_samples_make_or_unknown_where_it_is_not_covered(how, steps):
    course = in_time(steps)
    if how == "increase":
        rising = 1_000
        course = [(minute, rising := rising + abs(value)) for minute, value in course]
    for count, result in enumerate(values_of(over(how), course), 1):
        held = covered(course[:count])
        assert result == (None if held is None else pytest.approx(ORACLE[how](held)))


@given(samples)
def test_a_gap_leaves_a_count_known_once_the_device_has_been_known_so_long(steps):
    course = in_time(steps)
    for count, result in enumerate(values_of(over("count"), course), 1):
        assert result == (
            None if course[count - 1][0] - course[0][0] < 24 * 60 else len(covered(course[:count], 10**9))
        )


@pytest.mark.parametrize("how", AGGREGATES)
@given(steps=samples, restart=st.sets(st.integers(0, 80)))
def test_a_window_goes_on_from_where_it_was_stored(how, steps, restart):
    course = in_time(steps)
    assert values_of(over(how), course, restart) == values_of(over(how), course)


def test_a_leak_of_a_day_is_seen_after_a_day_and_one_zero_ends_it():
    hourly = [(hour * 60, 0.03) for hour in range(30)]
    assert values_of(over("minimum"), hourly) == [None] * 24 + [0.03] * 6
    assert values_of(over("minimum"), [*hourly[:29], (29 * 60, 0)])[-1] == 0


def test_a_gap_never_covers_a_window():
    one_gap = [(hour * 60, 0.03) for hour in range(60) if hour not in {30, 31}]
    result = values_of(over("minimum"), one_gap)
    assert result[30 : 30 + 24] == [None] * 24


def test_a_sample_without_the_field_says_nothing_of_the_window():
    observe = over("maximum").observer()
    state, _ = observe(None, 0, {"flow_m3_h": 1})
    assert observe(state, 5, {"pressure_mpa": 1}) == (state, None)


def test_a_register_that_reads_the_same_after_a_gap_covers_it():
    window, day = over("increase", gap=2 * HOUR), 24 * 60
    course = [(hour * 60, 100 + hour) for hour in range(25)]
    same = [(day + 600, 124), (day + 660, 125)]
    assert values_of(window, [*course, *same])[-2:] == [14, 14]
    assert values_of(window, [*course, (day + 600, 124.5), (day + 660, 125)])[-2:] == [None, None]
    assert values_of(window, [*course, (day + 6000, 124)])[-1] == 0


def test_what_a_counter_shows_is_not_in_its_increase_unless_it_was_consumed():
    hourly = [(hour * 60, 5_000 + hour) for hour in range(40)]
    with_zero = [*hourly[:30], (30 * 60, 0), *hourly[31:]]
    assert values_of(over("increase"), with_zero)[30:33] == [None, 24, 24]
    replaced = [*hourly, *((hour * 60, hour - 40) for hour in range(40, 70))]
    result = values_of(over("increase"), replaced)
    assert result[40:66] == [None] * 26
    assert result[66:] == [24] * 4


@pytest.mark.parametrize(
    ("window", "name", "unit", "possible"),
    [
        (over("minimum"), "flow_m3_h_minimum_1d", "m³/h", (-10, 10)),
        (over("range", HOUR), "flow_m3_h_range_1h", "m³/h", (0, 20)),
        (over("count", gap=3 * HOUR), "flow_m3_h_count_1d_gap_3h", "1", (0, 1e12)),
        (over("sum"), "flow_m3_h_sum_1d", "m³/h", (-1e12, 1e12)),
        (over("increase"), "volume_m3_increase_1d", "m³", (0, 24_000)),
        (WindowAggregate(VOLUME, "count", DAY, HOUR, 2 * HOUR), "volume_m3_count_1d", "1", (0, 1e12)),
    ],
)
def test_a_window_is_described_like_a_field(window, name, unit, possible):
    assert (window.field.name, window.field.unit, window.field.possible) == (name, unit, possible)
