"""Reads a counter as consumption: a step that no consumption can explain is a rollover, another register or a glitch.

Which of them it is, the samples after it tell. Until then the value is in quarantine and the last good one stays the
baseline, so that a register that reads 0 once, or a wild number once, books nothing. `CONFIRMED_BY` samples in a row
that agree with each other make a new baseline: after a rollover the difference is known from the modulus; after a reset
or a replacement it is unknown, and counting begins anew.
"""

from collections.abc import Callable
from datetime import timedelta
from struct import Struct
from typing import NamedTuple

from devices.kind import Counter
from rules.duration import microseconds

CONFIRMED_BY = 3
_SLACK = microseconds(timedelta(minutes=5))  # what a device's clock may be wrong before its samples are refused
_LARGEST_STEP = 0.1  # of the modulus: what is more cannot be told from a reset
_HOUR = microseconds(timedelta(hours=1))
_new = tuple.__new__  # for every sample: a named tuple's own constructor takes twice the time


class Count(NamedTuple):
    """Where a counter stands.

    `value` at the time `at` is the last good reading. `total` is what was consumed on this register since it was first
    seen, and `register` counts the resets and replacements. While so many in a row are `suspected`, of which the newest
    is `suspect` at the time `suspect_at`, nothing is known for sure.
    """

    value: float
    at: int
    total: float = 0.0
    register: int = 0
    suspect: float = 0.0
    suspect_at: int = 0
    suspected: int = 0


COUNT = Struct("<dqdidqi")
"""A `Count` as bytes."""


def counting(counter: Counter) -> Callable[[Count | None, int, float], Count]:
    """Makes the function that takes the next reading of a counter, at a time in microseconds."""
    per_microsecond, most = counter.per_hour / _HOUR, counter.modulus * _LARGEST_STEP

    def plausible(step: float, elapsed: int) -> bool:
        return 0 <= step <= min(most, (elapsed + _SLACK) * per_microsecond)

    def count(before: Count | None, at: int, value: float) -> Count:
        if before is None:
            return Count(value, at)
        base, since, total, register, suspect, suspect_at, suspected = before
        step = value - base
        if plausible(step, at - since):
            return _new(Count, (value, at, total + step, register, 0.0, 0, 0))
        agrees = suspected and plausible(value - suspect, at - suspect_at)
        times = suspected + 1 if agrees else 1
        if times < CONFIRMED_BY:
            return Count(base, since, total, register, value, at, times)
        if step < 0 and plausible(step + counter.modulus, at - since):
            return Count(value, at, total + step + counter.modulus, register)
        return Count(value, at, 0.0, register + 1)

    return count
