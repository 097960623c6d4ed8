"""Registers that are readable at any instant without simulating the time before it.

The value at the start of each day follows from the day alone: the expected use since the first day plus a deviation of
that day. The use of a day is the difference of two such values, and its load profile is scaled to exactly that. History
made in one run or in several, today or tomorrow, is therefore the same.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from simulators.faults import Fault
from simulators.load_profile import LoadProfile
from simulators.local_time import FIRST_DAY, day_and_second
from simulators.seeded_random import SeededRandom


class DailySum:
    """Running sum over days from the first day on; `of_day` gives the share of one day, in units."""

    def __init__(self, of_day: Callable[[int], float]) -> None:
        self._of_day = of_day
        self._sums = [0.0]

    def before(self, day: int) -> float:
        """Return the sum over all days before `day`, in units.

        Raises:
            ValueError: the day is before the first one.
        """
        if day < FIRST_DAY:
            raise ValueError("nothing is simulated before 2020-01-01: choose a later start")
        while len(self._sums) <= day - FIRST_DAY:
            self._sums.append(self._sums[-1] + self._of_day(FIRST_DAY + len(self._sums) - 1))
        return self._sums[day - FIRST_DAY]


@dataclass(frozen=True, slots=True)
class DailyRegister:
    """Value of a register at the start of each day, in the unit of the register.

    `scale` converts the expected sum to that unit. The value may exceed the expected sum by up to `deviation`, in the
    unit of the sum. `deviation` must be less than the expected share of every day, or the register would fall.
    """

    expected: DailySum
    scale: float
    deviation: float
    random: SeededRandom

    def at_start_of(self, day: int) -> float:
        """Return the value at the start of a day."""
        return self.scale * (self.expected.before(day) + self.deviation * self.random.fraction(day))

    def increase_on(self, day: int) -> float:
        """Return the increase over a day."""
        return self.at_start_of(day + 1) - self.at_start_of(day)


class ContinuousProfile:
    """Rate and running total at any instant, from one load profile per day; the rate is in units per hour."""

    def __init__(self, plan: Callable[[int], LoadProfile], daily_register: DailyRegister, begins_h: float = 0) -> None:
        """Scale the plan of each day to the increase of the daily register; days begin at the local hour `begins_h`."""
        self._profile = lru_cache(maxsize=4)(lambda day: plan(day).scaled_to(daily_register.increase_on(day)))
        self._daily_register = daily_register
        self._begins_h = begins_h

    def rate(self, at: float) -> float:
        """Return the rate at an instant, in units per hour."""
        day, second = day_and_second(at, self._begins_h)
        return self._profile(day).rate(second)

    def total(self, at: float) -> float:
        """Return the total since the first day, in units."""
        day, second = day_and_second(at, self._begins_h)
        return self._daily_register.at_start_of(day) + self._profile(day).total(second)


class TimeSpan(NamedTuple):
    """Time from `start` up to, not including, `end`, in seconds since the epoch."""

    start: float
    end: float

    def contains(self, at: float) -> bool:
        """Return whether an instant lies in the span."""
        return self.start <= at < self.end


def any_contains(spans: Iterable[TimeSpan], at: float) -> bool:
    """Return whether an instant lies in one of the spans."""
    return any(span.contains(at) for span in spans)


def fault_spans(faults: Iterable[Fault]) -> tuple[TimeSpan, ...]:
    """Return the spans of faults; overlapping ones are merged, so that no use is subtracted twice."""
    return merge_spans(TimeSpan(fault.start_s, fault.end_s) for fault in faults)


def merge_spans(spans: Iterable[TimeSpan]) -> tuple[TimeSpan, ...]:
    """Return the same time without overlaps, in order."""
    merged: list[TimeSpan] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end:
            merged[-1] = TimeSpan(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


@dataclass(frozen=True, slots=True)
class Register:
    """Displayed value of a total, with a resolution and with the faults of a meter.

    `steps` is the number of steps of the last digit in one unit. The register stands still during `standstills`, starts
    again from 0 at each of `resets`, and reads 0 during `glitches`. At the instants of `rollovers` it passes `modulus`,
    in units, and continues from 0.
    """

    total: Callable[[float], float]
    steps: int
    standstills: Sequence[TimeSpan] = ()
    resets: Sequence[float] = ()
    glitches: Sequence[TimeSpan] = ()
    rollovers: Sequence[float] = ()
    modulus: float = math.inf

    def read(self, at: float) -> float:
        """Return the value displayed at an instant, in units."""
        if any_contains(self.glitches, at):
            return 0.0
        count = self._count(at)
        last_reset = max((reset for reset in self.resets if reset <= at), default=None)
        if last_reset is not None:
            count -= self._count(last_reset)
        elif self.rollovers:
            count = (count - self._count(self.rollovers[0])) % self.modulus
        # The increment keeps a value that is exactly on a digit from falling below it by a rounding error.
        return math.floor(count * self.steps + 1e-6) / self.steps

    def _count(self, at: float) -> float:
        uncounted = sum(
            self.total(min(at, span.end)) - self.total(span.start) for span in self.standstills if at > span.start
        )
        return self.total(at) - uncounted


def meter_register(
    total: Callable[[float], float],
    faults: Sequence[Fault],
    *,
    steps: int,
    modulus: float,
    standstills: Sequence[TimeSpan] = (),
) -> Register:
    """Return the register of a meter with its faults; it also stands still during `standstills`."""

    def of(kind: str) -> tuple[Fault, ...]:
        return tuple(fault for fault in faults if fault.kind == kind)

    return Register(
        total,
        steps,
        standstills=merge_spans((*fault_spans(of("meter_stuck")), *standstills)),
        resets=[fault.start_s for fault in of("meter_reset")],
        glitches=fault_spans(of("meter_glitch")),
        rollovers=[fault.start_s for fault in of("meter_rollover")],
        modulus=modulus,
    )
