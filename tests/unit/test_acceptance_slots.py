"""Slots that messages fill: a maximum matching, in which a message fills one slot at most."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brute_force import most_filled_slots
from store.telemetry.slots import filled_slots, longest_gap

HOUR, MINUTE = 3600, 60


def filled_hours(times, hours):
    """Return the filled hours, with a tolerance of six minutes."""
    return filled_slots(sorted(times), period=HOUR, tolerance=6 * MINUTE, slots=hours)


@pytest.mark.parametrize(
    ("first", "second"),
    [(-15, 15), (0, 30), (-30, 0), (-1, 29), (60, 90), (-90, -60), (-360, 359)],
    ids=lambda seconds: f"{seconds} s",
)
def test_two_readings_at_one_edge_fill_one_hour(first, second):
    edges = range(HOUR, 168 * HOUR, 2 * HOUR)
    assert filled_hours([edge + offset for edge in edges for offset in (first, second)], 168) == 84


@pytest.mark.parametrize("jitter", [(-2, 1), (-300, 300), (300, -300), (0, 0)])
def test_one_reading_at_each_edge_fills_every_hour(jitter):
    assert filled_hours([hour * HOUR + jitter[hour % 2] for hour in range(168)], 168) == 168


def test_readings_inside_two_hours_fill_both_however_close_they_are():
    assert filled_hours([HOUR - 7 * MINUTE, HOUR + 7 * MINUTE], 2) == 2


def test_a_reading_at_an_edge_fills_the_hour_that_has_no_other():
    assert filled_hours([30 * MINUTE, HOUR - 1], 2) == 2
    assert filled_hours([HOUR - 1, HOUR + 30 * MINUTE], 2) == 2


def test_a_reading_at_the_end_of_the_window_fills_its_last_hour_or_none():
    assert filled_hours([2 * HOUR + 1], 2) == 1
    assert filled_hours([2 * HOUR - 30 * MINUTE, 2 * HOUR + 1], 2) == 1
    assert filled_hours([2 * HOUR + 6 * MINUTE], 2) == 0


grids = st.tuples(st.integers(3, 12), st.integers(1, 6)).flatmap(
    lambda grid: st.fixed_dictionaries(
        {"period": st.just(grid[0]), "tolerance": st.integers(0, (grid[0] - 1) // 2), "slots": st.just(grid[1])}
    )
)
all_times = st.lists(st.integers(-12, 84), max_size=10)


@given(all_times, grids)
def test_no_assignment_fills_more_slots(times, grid):
    assert filled_slots(sorted(times), **grid) == most_filled_slots(times, **grid)


@given(all_times, grids, st.integers(-12, 84))
def test_one_more_reading_fills_at_most_one_more_slot(times, grid, another):
    before, after = filled_slots(sorted(times), **grid), filled_slots(sorted([*times, another]), **grid)
    assert before <= after <= before + 1


@given(st.lists(st.integers(0, 100), min_size=1))
def test_the_longest_gap_is_the_first_of_the_longest(times):
    times = sorted(times)
    start, end = longest_gap(times, 100)
    gaps = list(pairwise([0, *times, 100]))
    assert (start, end) == next(gap for gap in gaps if gap[1] - gap[0] == max(b - a for a, b in gaps))
