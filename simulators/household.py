"""Residents of a flat and their hours at home: the common cause of its water, gas and electricity use."""

import random
import re
from dataclasses import dataclass

from devices.device import Device
from simulators.local_time import HOUR_S, is_weekend
from simulators.seeded_random import SeededRandom

_AT_HOME = (1, 1, 1, 1, 1, 2, 6, 8, 7, 6, 6, 8, 8, 6, 5, 5, 6, 8, 10, 10, 9, 8, 5, 2)
_AT_WORK = (1, 1, 1, 1, 1, 3, 10, 9, 2, 1, 1, 3, 3, 1, 1, 1, 2, 6, 11, 12, 12, 10, 6, 2)


@dataclass(frozen=True, slots=True)
class Household:
    """Residents of one flat.

    `activity` is their use compared with other flats, near 0 in an empty flat.
    With `away_on_workdays` the flat is empty during working hours.
    """

    people: int
    activity: float
    away_on_workdays: bool

    def hour_weights(self, day: int) -> tuple[int, ...]:
        """Return the likelihood of use in each hour of a day, as 24 weights."""
        return _AT_WORK if self.away_on_workdays and not is_weekend(day) else _AT_HOME

    def random_second(self, day: int, generator: random.Random) -> float:
        """Draw a second of the day at which an appliance or tap is used."""
        (hour,) = generator.choices(range(24), self.hour_weights(day))
        return (hour + generator.random()) * HOUR_S


def household_of(device: Device, seed: int) -> Household:
    """Return the household of a meter; all meters of one flat share it."""
    # The blanks are those of the first version: another text is another seed, and other households in every figure.
    flat = re.sub("(号楼|单元)", r"\1 ", device.place).removesuffix("室").strip() if device.building else device.name
    generator = SeededRandom.of(seed, device.community, flat, "household").generator(0)
    empty = generator.random() < 0.08
    (people,) = generator.choices((1, 2, 3, 4, 5), (15, 35, 30, 15, 5))
    activity = 0.03 if empty else generator.uniform(0.6, 1.4)
    return Household(people, activity, generator.random() < 0.6)
