"""Reads a counter as consumption: a step that no consumption can explain is a rollover, another register or a glitch.

Which of them it is, the samples after it tell. Until then the value is in quarantine and the last good one stays the
baseline, so that a register that reads 0 once, or a wild number once, books nothing. `CONFIRMED_BY` samples in a row
that agree with each other make a new baseline: after a rollover the difference is known from the modulus; after a reset
or a replacement it is unknown, and counting begins anew.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from devices.kind import Counter
from rules.duration import microseconds

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
        return 0 <= step <= min(most, (elapsed + _SLACK) * per_microsecond)

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


def restored_count(stored: Sequence[Any] | None) -> CountState | None:
    """The count that was stored as JSON."""
    if stored is None:
        return None
    value, at, total, register, suspect = stored
    return value, at, total, register, suspect and tuple(suspect)
