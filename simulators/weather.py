"""The weather of Ordos: a climate by day of the year and hour, and the weather systems that pass over it.

Means of Dongsheng: about -10 degrees in January, 21 in July, 6 over the year, and 11 between afternoon and dawn.
Statutory heating runs from 15 October to 15 April.
"""

import math
from collections.abc import Callable
from functools import lru_cache

from simulators.local_time import DAY_S, HOUR_S, date_of, day_and_second
from simulators.register import DailySum
from simulators.seeded_random import SeededRandom

_YEAR_MEAN_C = 6.2
_SEASON_C = 15.6
_COLDEST_DAY = 20
_DAILY_SWING_C = 5.5
_WARMEST_HOUR = 15
_SYSTEM_C = 6.0
_SYSTEM_DAYS = 3
COMFORT_C = 18.0


@lru_cache(maxsize=4096)
def season(day: int) -> float:
    """Where a day stands between the depth of winter (-1) and the height of summer (1)."""
    return -math.cos(math.tau * (date_of(day).timetuple().tm_yday - _COLDEST_DAY) / 365.25)


@lru_cache(maxsize=64)
def hourly_c(seed: int, day: int) -> tuple[float, ...]:
    """The outdoor temperature of each hour of a day, in degrees Celsius."""
    mean = _YEAR_MEAN_C + _SEASON_C * season(day)
    return tuple(
        mean
        + _DAILY_SWING_C * math.cos(math.tau * (hour + 0.5 - _WARMEST_HOUR) / 24)
        + _system_c(seed, day + (hour + 0.5) / 24)
        for hour in range(24)
    )


def outdoor_c(seed: int, at: float) -> float:
    """The outdoor temperature at an instant, in degrees Celsius; it changes by the hour."""
    day, second = day_and_second(at)
    return hourly_c(seed, day)[int(second // HOUR_S)]


def in_heating_season(day: int) -> bool:
    """Whether district heating runs on a day."""
    on = date_of(day)
    return (on.month, on.day) >= (10, 15) or (on.month, on.day) <= (4, 15)


@lru_cache(maxsize=64)
def heating_need_k(seed: int, day: int) -> tuple[float, ...]:
    """By how many kelvin each hour of a day is too cold, 0 outside the heating season."""
    if not in_heating_season(day):
        return (0.0,) * (DAY_S // HOUR_S)
    return tuple(max(COMFORT_C - outdoor, 0.0) for outdoor in hourly_c(seed, day))


def heating_sum(seed: int, of_need: Callable[[float], float]) -> DailySum:
    """What adds up over the hours when every hour gives `of_need(kelvin too cold)`."""
    return DailySum(lambda day: sum(map(of_need, heating_need_k(seed, day))))


def _system_c(seed: int, day: float) -> float:
    """How much warmer than the climate it is; one weather system follows another every three days."""
    index, part = divmod(day / _SYSTEM_DAYS, 1)
    random = SeededRandom.of(seed, "weather")
    before, after = random.noise(int(index))[0], random.noise(int(index) + 1)[0]
    return _SYSTEM_C * (before + (after - before) * part)
