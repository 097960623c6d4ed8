"""Consumption of a counter: net differences of its register, the one definition for rules, API, reports and Grafana.

A step that consumption cannot explain is a rollover, another register, or a run of false readings. The samples after
it decide which. Until then they are in quarantine, and the last good value stays the base. So a register that reads 0
a few times, or a wild number, books no consumption. `CONFIRMED_BY` samples in a row that agree with each other are a
register. After a rollover the difference follows from the modulus. After a reset or an unrecorded replacement the
difference is unknown and counts as nothing. A register that has not counted yet may still turn out to be a false value
that repeats: as soon as the register before it counts on, that one is the base again.

A recorded replacement gives both registers, so that consumption is known across it.

SQL has the same definition in the function `counter_steps`; `docs/decisions/0019-one-definition-of-consumption.md`
gives the reasons, and a law holds the two together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Any, NamedTuple

from devices.kind import Counter, Gauge, Interval
from devices.timestamp import MAX_CLOCK_AHEAD
from rules.model.derived_value import Observe, OneFieldValue, State
from rules.model.duration import microseconds

CONFIRMED_BY = 3
_SLACK = microseconds(MAX_CLOCK_AHEAD)  # error that the clock of a device may have before its samples are refused
_LARGEST_STEP = 0.1  # of the modulus: a larger step looks like a reset
_HOUR = microseconds(timedelta(hours=1))


Reading = tuple[float, int]
"""Value of a register, and its time in microseconds since 1970."""

Base = tuple[float, int, float, int]
"""The first four attributes of a `Count`."""

CountState = Base | tuple[float, int, float, int, tuple[Reading, ...], Base | None]
"""A `Count` as a plain tuple, the form in states; the last two attributes are left out where they say nothing."""


class Count(NamedTuple):
    """State of a counter.

    Attributes:
        value: Last good reading.
        at: Its time.
        total: Net consumption since the first reading, without the unknown differences.
        register: Number of unknown differences, by resets and unrecorded replacements.
        suspects: Readings in quarantine that agree with each other; consumption is unknown while there are any.
        previous: Base of the register before this one, as long as this one has not counted.
    """

    value: float
    at: int
    total: float
    register: int
    suspects: tuple[Reading, ...] = ()
    previous: Base | None = None


def counting(counter: Counter) -> Callable[[CountState | None, int, float], CountState]:
    """Return the function that takes the next reading of a counter, at a time in microseconds."""
    per_microsecond, most, least = counter.per_hour / _HOUR, counter.modulus * _LARGEST_STEP, -counter.backward
    distance, modulus = _distance(counter), counter.modulus

    def count(before: CountState | None, at: int, value: float) -> CountState:
        if before is None:
            return value, at, 0.0, 0
        if len(before) == 4:
            # Nearly every reading: the test of `distance`, without a call.
            base, since, total, register = before
            step = value - base
            if least <= step <= most and step <= (at - since + _SLACK) * per_microsecond:
                return value, at, total + step, register
        base, since, total, register = before[:4]
        suspects, previous = _doubts(before)
        step = value - base
        # A reading belongs to the nearest of the registers that can have counted up to it.
        own = distance(step, at - since)
        again = distance(value - previous[0], at - previous[1]) if previous else inf
        other = distance(value - suspects[-1][0], at - suspects[-1][1]) if suspects else inf
        if min(own, again) == inf or other < min(own, again):
            run = (*suspects, (value, at)) if other < inf else ((value, at),)
            return confirm(before, run) if len(run) == CONFIRMED_BY else (base, since, total, register, run, previous)
        if previous and again < own:
            return value, at, previous[2] + value - previous[0], previous[3]
        now = value, at, total + step, register
        return now if step or previous is None else (*now, (), previous)

    def confirm(before: CountState, run: tuple[Reading, ...]) -> CountState:
        base, since, total, register = before[:4]
        (first, first_at), (value, at) = run[0], run[-1]
        total += value - first
        rolled_over = first - base + modulus
        if first < base and distance(rolled_over, first_at - since) < inf:
            return value, at, total + rolled_over, register
        now = value, at, total, register + 1
        return now if value != first else (*now, (), before[:4])

    return count


def replacing(counter: Counter) -> Callable[[CountState | None, int, float, float], CountState]:
    """Return the function that takes a recorded replacement: its time, the old register and the new one.

    The old register closes what it counted, unless it is no reading that this register can have. Readings in
    quarantine are void.
    """
    distance, modulus = _distance(counter), counter.modulus

    def replace(before: CountState | None, at: int, old: float, new: float) -> CountState:
        if before is None:
            return new, at, 0.0, 0
        base, since, total, register = before[:4]
        step = old - base if old - base >= -counter.backward else old - base + modulus
        return new, at, total + step if distance(step, at - since) < inf else total, register

    return replace


def _distance(counter: Counter) -> Callable[[float, int], float]:
    """Return the function of a step in a time: its size, infinite if no working register counts that."""
    per_microsecond, most, least = counter.per_hour / _HOUR, counter.modulus * _LARGEST_STEP, -counter.backward

    def distance(step: float, elapsed: int) -> float:
        return abs(step) if least <= step <= most and step <= (elapsed + _SLACK) * per_microsecond else inf

    return distance


def replacement_name(field: str) -> str:
    """Return the name under which a sample gives both registers of a recorded replacement, the old one first."""
    return f"{field}_replaced"


def _doubts(state: CountState) -> tuple[tuple[Reading, ...], Base | None]:
    """Return suspects and previous base. The version before this one stored five parts: its suspect is dropped."""
    return (state[4], state[5]) if len(state) == 6 else ((), None)


@dataclass(frozen=True, slots=True)
class Counting(OneFieldValue):
    """State of a counter, computed once for all derived values that take differences of it.

    Its value is a pair of `CountState`: before the sample, None before the first, and after it. It is unknown while the
    counter is in quarantine.
    """

    of: Counter

    @property
    def field(self) -> Gauge:
        """Consumption, such as `volume_m3_counted`."""
        of = self.of
        return Gauge(f"{of.name}_counted", of.unit, Interval(0, inf), f"{of.zh}计数", f"{of.en}, counted")

    def observer(self) -> Observe:
        """Return the function that observes the samples."""
        name, count = self.of.name, counting(self.of)
        replaced, replace = replacement_name(name), replacing(self.of)

        def observe(state: State, at: int, values: Mapping[str, Any]) -> tuple[State, Any]:
            value = values.get(name)
            if value is None:
                registers = values.get(replaced)
                if registers is None or (state is not None and at <= state[1]):
                    return state, None
                now = replace(state, at, *registers)
                return now, (state, now)
            now = count(state, at, value)
            in_quarantine = len(now) == 6 and now[4]
            return now, None if in_quarantine else (state, now)

        return observe
