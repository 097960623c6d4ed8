"""Passages through a door or a gate, planned by day."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from simulators.local_time import HOUR_S, day_and_second, start_of
from simulators.register import DailyRegister
from simulators.seeded_random import SeededRandom


class Passage(NamedTuple):
    """One passage: its number since the first day, and its start in seconds since the epoch."""

    number: int
    at: float


class Traffic:
    """Passages planned day by day, each in a slot of its own, so that no two overlap."""

    def __init__(
        self,
        daily_register: DailyRegister,
        hour_weights: Callable[[int], tuple[int, ...]],
        random: SeededRandom,
        slot_s: int,
    ) -> None:
        """Prepare the daily plans.

        Args:
            daily_register: how many passages precede each day.
            hour_weights: the weights of the 24 hours of a day.
            random: decides the slots and the instants within them.
            slot_s: the length of a slot in seconds; a passage begins in the first quarter of its slot.
        """
        self._daily_register = daily_register
        self._hour_weights = hour_weights
        self._random = random
        self._slot_s = slot_s
        self._plan_of = lru_cache(maxsize=4)(self._make_plan)

    def before(self, day: int) -> int:
        """Return the number of passages before a day."""
        return int(self._daily_register.at_start_of(day))

    def count(self, at: float) -> int:
        """Return the number of passages up to an instant, including one that begins then."""
        day, second = day_and_second(at)
        return self.before(day) + bisect_right(self._plan_of(day), second)

    def between(self, start: float, end: float) -> Iterator[Passage]:
        """Yield the passages that begin from `start` up to, not including, `end`, in order."""
        first_day, last_day = day_and_second(start)[0], day_and_second(end)[0]
        for day in range(first_day, last_day + 1):
            midnight, seconds = start_of(day), self._plan_of(day)
            for i in range(bisect_left(seconds, start - midnight), bisect_left(seconds, end - midnight)):
                yield Passage(self.before(day) + i, midnight + seconds[i])

    def _make_plan(self, day: int) -> tuple[float, ...]:
        generator = self._random.generator(day)
        slots_an_hour = HOUR_S // self._slot_s
        count = min(self.before(day + 1) - self.before(day), 12 * slots_an_hour)
        slots: set[int] = set()
        while len(slots) < count:
            (hour,) = generator.choices(range(24), self._hour_weights(day))
            slots.add(hour * slots_an_hour + generator.randrange(slots_an_hour))
        return tuple((slot + generator.random() / 4) * self._slot_s for slot in sorted(slots))
