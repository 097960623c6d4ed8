"""Reads a counter as consumption: a step that no consumption can explain is a rollover, another register or a glitch.

Which of them it is, the samples after it tell. Until then the value is in quarantine and the last good one stays the
baseline, so that a register that reads 0 once, or a wild number once, books nothing. `CONFIRMED_BY` samples in a row
that agree with each other make a new baseline: after a rollover the difference is known from the modulus; after a reset
or a replacement it is unknown, and counting begins anew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Any, NamedTuple

from devices.kind import Counter, Gauge, Interval, Value
from rules.model.condition import DerivedValue, Observe, State
from rules.model.duration import microseconds

CONFIRMED_BY = 3
_SLACK = microseconds(timedelta(minutes=5))  # what a device's clock may be wrong before its samples are refused
_LARGEST_STEP = 0.1  # of the modulus: what is more cannot be told from a reset
_HOUR = microseconds(timedelta(hours=1))


Suspect = tuple[float, int, int]
"""The newest value in quarantine, its time, and how many in a row agree with it."""

CountState = tuple[float, int, float, int, Suspect | None]
"""A `Count` as tracks keep it: plain, because only what is plain can be packed."""


class Count(NamedTuple):
    """Where a counter stands.

    `value` at the time `at` is the last good reading. `total` is what was consumed on this register since it was first
    seen, and `register` counts the resets and replacements. While there is a `suspect`, nothing is known for sure.
    """

    value: float
    at: int
    total: float
    register: int
    suspect: Suspect | None


def counting(counter: Counter) -> Callable[[CountState | None, int, float], CountState]:
    """Makes the function that takes the next reading of a counter, at a time in microseconds."""
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
class Counting:
    """A counter, read once for all tracks that take differences of it.

    Its value is a pair of `CountState`: before the sample (None if that is the first) and with it. It has none while
    the counter is in quarantine.
    """

    of: Counter

    @property
    def field(self) -> Gauge:
        """What was consumed, such as `volume_m3_counted`."""
        of = self.of
        return Gauge(f"{of.name}_counted", of.unit, Interval(0, inf), f"{of.zh}计数", f"{of.en}, counted")

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields that it is made of."""
        return (self.of.name,)

    @property
    def needs(self) -> tuple[DerivedValue, ...]:
        """The tracks whose values it takes."""
        return ()

    def observer(self) -> Observe:
        """Makes the function that takes the next sample."""
        name, count = self.of.name, counting(self.of)

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Any]:
            value = values.get(name)
            if value is None:
                return state, None
            now = count(state, at, value)  # type: ignore[arg-type]
            return now, (state, now) if now[4] is None else None

        return observe
