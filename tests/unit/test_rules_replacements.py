"""A recorded replacement of a meter: the rules see its consumption go on."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import decode

from devices.device import Replacement
from devices.kind import Counter
from rules.derived.balance import ClosedWindow
from rules.derived.pipeline import derive, observers_of
from rules.derived.rate import Rate
from rules.derived.unchanged import Unchanged
from rules.derived.window import WindowAggregate
from tests.unit.rules_fixtures.derived import EPOCH

VOLUME = Counter("volume_m3", "m³", 100_000, "累计用水量", "volume", per_hour=10)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LONG_GAP = 6 * HOUR


def values_of(derived, readings, *replacements):
    """The derived value after each of these (hours, register), with (hours, old register, new register) on record."""
    observers, states, result = observers_of([derived]), b"", []
    recorded = tuple(Replacement("volume_m3", EPOCH + hours * HOUR, old, new) for hours, old, new in replacements)
    for hours, register in readings:
        states, seen = derive(observers, states, EPOCH + hours * HOUR, {"volume_m3": register}, recorded)
        result.append(seen.get(derived.field.name))
    return result


def hourly(first, *registers):
    return [(first + number, register) for number, register in enumerate(registers)]


def test_a_window_goes_on_across_a_replacement():
    increase = WindowAggregate(VOLUME, "increase", 6 * HOUR, HOUR, 2 * HOUR)
    old, new = hourly(0, 100, 101, 102, 103), hourly(4, 0.5, 1.5, 2.5)
    assert values_of(increase, old + new, (3.5, 103.5, 0))[-1] == 6
    assert values_of(increase, old + new)[-1] is None


def test_the_rate_is_known_at_the_first_reading_of_the_new_meter():
    rate = Rate(VOLUME, HOUR, HOUR, LONG_GAP)
    assert values_of(rate, hourly(0, 100, 101, 0.5), (1.5, 101.5, 0))[-1] == 1
    assert values_of(rate, hourly(0, 100, 101, 0.5))[-1] is None


def test_a_flat_stands_empty_across_a_replacement():
    unused = Unchanged(VOLUME, 4 * HOUR, HOUR, LONG_GAP)
    readings = hourly(0, 812.4, 812.4, 812.4, 0, 0)
    assert values_of(unused, readings, (2.5, 812.4, 0))[-1] is True
    assert values_of(unused, readings)[-1] is None


def test_a_closed_window_holds_both_registers():
    closed = ClosedWindow(VOLUME, DAY, HOUR, LONG_GAP)
    readings = [(-12, 99), (-8, 100), (-4, 101), (0, 102), (4, 1), (8, 2), (12, 3), (16, 4), (20, 5)]
    observers, states = observers_of([closed]), b""
    recorded = (Replacement("volume_m3", EPOCH + 2 * HOUR, 102.5, 0.5),)
    for hours, register in readings:
        states, _ = derive(observers, states, EPOCH + hours * HOUR, {"volume_m3": register}, recorded)
    (_, increases), _ = decode(states)[-1]
    assert [used for _, used in increases] == [6]


@pytest.mark.parametrize("late", [0, 1, 2])
def test_a_replacement_may_be_recorded_while_the_new_meter_is_in_quarantine(late):
    increase = WindowAggregate(VOLUME, "increase", 4 * HOUR, HOUR, 4 * HOUR)
    observers, states, seen = observers_of([increase]), b"", {}
    recorded = (Replacement("volume_m3", EPOCH + 3.5 * HOUR, 103.5, 0),)
    for hours, register in hourly(0, 100, 101, 102, 103) + hourly(4, 0.5, 1.5, 2.5):
        known = recorded if hours >= 4 + late else ()
        states, seen = derive(observers, states, EPOCH + hours * HOUR, {"volume_m3": register}, known)
    assert seen[increase.field.name] == 4


@given(st.integers(0, 23), st.lists(st.floats(0, 90_000), min_size=1, max_size=3))
def test_a_replacement_that_is_passed_again_changes_nothing(hours, firsts):
    rate = Rate(VOLUME, HOUR, HOUR, LONG_GAP)
    recorded = tuple(Replacement("volume_m3", EPOCH + hours * HOUR, 500.0, first) for first in firsts)
    observers = observers_of([rate])
    states, _ = derive(observers, b"", EPOCH, {"volume_m3": 500.0}, ())
    once, _ = derive(observers, states, EPOCH + 24 * HOUR, {"volume_m3": 500.5}, recorded)
    assert derive(observers, once, EPOCH + 25 * HOUR, {"volume_m3": 501.0}, recorded) == derive(
        observers, once, EPOCH + 25 * HOUR, {"volume_m3": 501.0}
    )
