"""Seconds since the epoch and local days of Ordos, as plain numbers.

Every reading needs its day, and numbers are faster than datetimes. Ordos keeps UTC+8 all year, so a local day is one
division.
"""

from datetime import date
from functools import lru_cache

DAY_S = 86_400
HOUR_S = 3_600
_UTC_OFFSET_S = 8 * HOUR_S
_ORDINAL_OF_EPOCH = date(1970, 1, 1).toordinal()
_WEEKDAY_OF_EPOCH = date(1970, 1, 1).weekday()


def day_and_second(at: float, begins_h: float = 0) -> tuple[int, float]:
    """Return the local day of an instant and the seconds since that day began.

    Args:
        at: seconds since the epoch.
        begins_h: the local hour at which a day begins; 12 keeps a night in one day.
    """
    day, second = divmod(at + _UTC_OFFSET_S - begins_h * HOUR_S, DAY_S)
    return int(day), second


def start_of(day: int, begins_h: float = 0) -> float:
    """Return the instant at which a day begins, in seconds since the epoch."""
    return day * DAY_S - _UTC_OFFSET_S + begins_h * HOUR_S


def local_hour(at: float) -> float:
    """Return the local hour of an instant, from 0 up to 24."""
    return (at + _UTC_OFFSET_S) % DAY_S / HOUR_S


def is_weekend(day: int) -> bool:
    """Return whether a day is a Saturday or a Sunday."""
    return (day + _WEEKDAY_OF_EPOCH) % 7 >= 5


@lru_cache(maxsize=4096)
def date_of(day: int) -> date:
    """Return the local date of a day."""
    return date.fromordinal(day + _ORDINAL_OF_EPOCH)


def day_of(on: date) -> int:
    """Return the day of a local date."""
    return on.toordinal() - _ORDINAL_OF_EPOCH


FIRST_DAY = day_of(date(2020, 1, 1))
"""First day of every register; earlier days cannot be simulated."""
