"""Countable traffic through a door or a gate: how many a day, and at which moments."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from simulators.local_time import HOUR_S, day_and_second, start_of
from simulators.register import DailyRegister
from simulators.seeded_random import SeededRandom


class Passage(NamedTuple):
    """One passage: its number since the first day, and when it begins in seconds since the epoch."""

    number: int
    at: float


class Traffic:
    """Passages that are planned day by day; each has its slot, so that no two overlap."""

    def __init__(
        self, daily_register: DailyRegister, hours: Callable[[int], tuple[int, ...]], random: SeededRandom, slot_s: int
    ) -> None:
        """Keep the plan.

        `hours` weighs the hours of a day; each passage has a slot of `slot_s` seconds and begins in its first quarter.
        """
        self._daily_register = daily_register
        self._hours = hours
        self._random = random
        self._slot_s = slot_s
        self._planned = lru_cache(maxsize=4)(self._plan)

    def before(self, day: int) -> int:
        """How many passages there were before a day."""
        return int(self._daily_register.at_start_of(day))

    def count(self, at: float) -> int:
        """How many passages there were up to an instant, the one that begins then included."""
        day, second = day_and_second(at)
        return self.before(day) + bisect_right(self._planned(day), second)

    def between(self, start: float, end: float) -> Iterator[Passage]:
        """The passages that begin from `start` up to, not including, `end`, in order."""
        first_day, last_day = day_and_second(start)[0], day_and_second(end)[0]
        for day in range(first_day, last_day + 1):
            midnight, planned = start_of(day), self._planned(day)
            for i in range(bisect_left(planned, start - midnight), bisect_left(planned, end - midnight)):
                yield Passage(self.before(day) + i, midnight + planned[i])

    def _plan(self, day: int) -> tuple[float, ...]:
        generator = self._random.generator(day)
        slots_an_hour = HOUR_S // self._slot_s
        count = min(self.before(day + 1) - self.before(day), 12 * slots_an_hour)
        taken: set[int] = set()
        while len(taken) < count:
            (hour,) = generator.choices(range(24), self._hours(day))
            taken.add(hour * slots_an_hour + generator.randrange(slots_an_hour))
        return tuple((slot + generator.random() / 4) * self._slot_s for slot in sorted(taken))
