"""Weather of Ordos: a climate by day of the year and hour, plus passing weather systems.

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
    """Return the season of a day, from the coldest day (-1) to the warmest (1)."""
    return -math.cos(math.tau * (date_of(day).timetuple().tm_yday - _COLDEST_DAY) / 365.25)


@lru_cache(maxsize=64)
def hourly_c(seed: int, day: int) -> tuple[float, ...]:
    """Return the outdoor temperature of each hour of a day, in degrees Celsius."""
    mean = _YEAR_MEAN_C + _SEASON_C * season(day)
    return tuple(
        mean
        + _DAILY_SWING_C * math.cos(math.tau * (hour + 0.5 - _WARMEST_HOUR) / 24)
        + _system_c(seed, day + (hour + 0.5) / 24)
        for hour in range(24)
    )


def outdoor_c(seed: int, at: float) -> float:
    """Return the outdoor temperature at an instant, in degrees Celsius; it changes by the hour."""
    day, second = day_and_second(at)
    return hourly_c(seed, day)[int(second // HOUR_S)]


def in_heating_season(day: int) -> bool:
    """Return whether district heating runs on a day."""
    on = date_of(day)
    return (on.month, on.day) >= (10, 15) or (on.month, on.day) <= (4, 15)


@lru_cache(maxsize=64)
def heating_need_k(seed: int, day: int) -> tuple[float, ...]:
    """Return how many kelvin each hour of a day is below the comfort temperature, 0 outside the heating season."""
    if not in_heating_season(day):
        return (0.0,) * (DAY_S // HOUR_S)
    return tuple(max(COMFORT_C - outdoor, 0.0) for outdoor in hourly_c(seed, day))


def heating_sum(seed: int, per_hour: Callable[[float], float]) -> DailySum:
    """Return the sum over all hours of `per_hour(heating need in kelvin)`."""
    return DailySum(lambda day: sum(map(per_hour, heating_need_k(seed, day))))


def _system_c(seed: int, day: float) -> float:
    """Return the deviation from the climate, in kelvin; a new weather system arrives every three days."""
    index, progress = divmod(day / _SYSTEM_DAYS, 1)
    random = SeededRandom.of(seed, "weather")
    before, after = random.noise(int(index))[0], random.noise(int(index) + 1)[0]
    return _SYSTEM_C * (before + (after - before) * progress)
