"""Consumption of a counter. A step that consumption cannot explain is a rollover, another register, or a glitch.

The samples after it decide which. Until then the value is in quarantine, and the last good value stays the base. So a
register that reads 0 once, or a wild number once, books no consumption. `CONFIRMED_BY` samples in a row that agree with
each other make a new base. After a rollover the difference follows from the modulus. After a reset or a replacement the
difference is unknown, and counting starts anew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Any, NamedTuple

from devices.kind import Counter, Gauge, Interval, Value
from rules.model.derived_value import Observe, OneFieldValue, State
from rules.model.duration import microseconds

CONFIRMED_BY = 3
_SLACK = microseconds(timedelta(minutes=5))  # error that the clock of a device may have before its samples are refused
_LARGEST_STEP = 0.1  # of the modulus: a larger step looks like a reset
_HOUR = microseconds(timedelta(hours=1))


Suspect = tuple[float, int, int]
"""Newest value in quarantine, its time, and the number of values in a row that agree with it."""

CountState = tuple[float, int, float, int, Suspect | None]
"""A `Count` as a plain tuple, the form in states."""


class Count(NamedTuple):
    """State of a counter.

    Attributes:
        value: Last good reading.
        at: Its time.
        total: Consumption on this register since its first reading.
        register: Number of resets and replacements.
        suspect: Reading in quarantine; consumption is unknown while there is one.
    """

    value: float
    at: int
    total: float
    register: int
    suspect: Suspect | None


def counting(counter: Counter) -> Callable[[CountState | None, int, float], CountState]:
    """Return the function that takes the next reading of a counter, at a time in microseconds."""
    per_microsecond, most = counter.per_hour / _HOUR, counter.modulus * _LARGEST_STEP

    def plausible(step: float, elapsed: int) -> bool:
        return 0 <= step <= most and step <= (elapsed + _SLACK) * per_microsecond

    def count(before: CountState | None, at: int, value: float) -> CountState:
        if before is None:
            return value, at, 0.0, 0, None
        base, since, total, register, suspect = before
        step = value - base
        if plausible(step, at - since):
            return value, at, total + step, register, None
        agrees = suspect is not None and plausible(value - suspect[0], at - suspect[1])
        times = suspect[2] + 1 if suspect is not None and agrees else 1
        if times < CONFIRMED_BY:
            return base, since, total, register, (value, at, times)
        if step < 0 and plausible(step + counter.modulus, at - since):
            return value, at, total + step + counter.modulus, register, None
        return value, at, 0.0, register + 1, None

    return count


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

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Any]:
            value = values.get(name)
            if value is None:
                return state, None
            now = count(state, at, value)  # type: ignore[arg-type]
            return now, (state, now) if now[4] is None else None

        return observe
