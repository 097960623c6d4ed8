"""Registers that can be read at any instant without having lived through the time before it.

The value at the start of every day is known from the day alone: what was to be expected since the first day,
plus a deviation of that day. The day's use is the difference of two such values, and its course is planned to add up
to exactly that. So history made in one run or in two, today or tomorrow, is the same history.
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
    """What adds up from the first day to the start of each day; `of_day` gives one day's part, in units."""

    def __init__(self, of_day: Callable[[int], float]) -> None:
        self._of_day = of_day
        self._sums = [0.0]

    def before(self, day: int) -> float:
        """The sum of all days before `day`, in units.

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
    """The value of a register at the start of every day, in its own unit.

    `scale` turns the expectation into the register's unit; `deviation` is how far the value may lie above it, in the
    expectation's unit. Wander must be less than every day's expectation, or the register would fall.
    """

    expected: DailySum
    scale: float
    deviation: float
    random: SeededRandom

    def at_start_of(self, day: int) -> float:
        """The value at the start of the day."""
        return self.scale * (self.expected.before(day) + self.deviation * self.random.fraction(day))

    def increase_on(self, day: int) -> float:
        """What the day adds."""
        return self.at_start_of(day + 1) - self.at_start_of(day)


class ContinuousProfile:
    """A rate and its total at any instant, planned day by day; the rate is in units an hour."""

    def __init__(self, plan: Callable[[int], LoadProfile], daily_register: DailyRegister, begins_h: float = 0) -> None:
        """Keep the plan of a day, which is scaled to the increase of the daily register."""
        self._load_profile = lru_cache(maxsize=4)(lambda day: plan(day).scaled_to(daily_register.increase_on(day)))
        self._daily_register = daily_register
        self._begins_h = begins_h

    def rate(self, at: float) -> float:
        """The rate at an instant, in units an hour."""
        day, second = day_and_second(at, self._begins_h)
        return self._load_profile(day).rate(second)

    def total(self, at: float) -> float:
        """All that has flowed since the first day, in units."""
        day, second = day_and_second(at, self._begins_h)
        return self._daily_register.at_start_of(day) + self._load_profile(day).total(second)


class TimeSpan(NamedTuple):
    """A time in which a register stands still; both in seconds since the epoch."""

    start: float
    end: float


def fault_spans(faults: Iterable[Fault]) -> tuple[TimeSpan, ...]:
    """The times that faults last, with those that overlap made one, so that nothing is missed twice."""
    return merge_spans(TimeSpan(fault.start_s, fault.end_s) for fault in faults)


def merge_spans(spans: Iterable[TimeSpan]) -> tuple[TimeSpan, ...]:
    """The same times without overlaps, in order."""
    apart: list[TimeSpan] = []
    for stop in sorted(spans):
        if apart and stop.start <= apart[-1].end:
            apart[-1] = TimeSpan(apart[-1].start, max(apart[-1].end, stop.end))
        else:
            apart.append(stop)
    return tuple(apart)


@dataclass(frozen=True, slots=True)
class Register:
    """What a device shows of a total: it stands still during stops, begins at 0 after resets, and has a resolution.

    `steps` is how many steps of the last digit make one unit. At the instants of `rollovers` it passes `modulus`, in
    units, and goes on from 0; during glitches it reads 0.
    """

    total: Callable[[float], float]
    steps: int
    stops: Sequence[TimeSpan] = ()
    resets: Sequence[float] = ()
    glitches: Sequence[TimeSpan] = ()
    rollovers: Sequence[float] = ()
    modulus: float = math.inf

    def read(self, at: float) -> float:
        """The value shown at an instant, in units."""
        if any(glitch.start <= at < glitch.end for glitch in self.glitches):
            return 0.0
        passed = self._counted(at)
        reset = max((reset for reset in self.resets if reset <= at), default=None)
        if reset is not None:
            passed -= self._counted(reset)
        elif self.rollovers:
            passed = (passed - self._counted(self.rollovers[0])) % self.modulus
        # The nudge keeps a value that is exactly on a digit from falling below it by a rounding error.
        return math.floor(passed * self.steps + 1e-6) / self.steps

    def _counted(self, at: float) -> float:
        missed = sum(self.total(min(at, stop.end)) - self.total(stop.start) for stop in self.stops if at > stop.start)
        return self.total(at) - missed


def meter_register(
    total: Callable[[float], float],
    faults: Sequence[Fault],
    *,
    steps: int,
    modulus: float,
    still: Sequence[TimeSpan] = (),
) -> Register:
    """The register of a meter, with what its faults do to it; it stands still where it is stuck and during `still`."""

    def of(kind: str) -> tuple[Fault, ...]:
        return tuple(fault for fault in faults if fault.kind == kind)

    return Register(
        total,
        steps,
        stops=merge_spans((*fault_spans(of("meter_stuck")), *still)),
        resets=[fault.start_s for fault in of("meter_reset")],
        glitches=fault_spans(of("meter_glitch")),
        rollovers=[fault.start_s for fault in of("meter_rollover")],
        modulus=modulus,
    )
