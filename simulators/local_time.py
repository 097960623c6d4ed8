"""Time as the simulators count it: seconds since the epoch, and days of Ordos.

A plain number instead of a datetime, because every reading asks for its day. Ordos keeps UTC+8 all year, so a
local day is a division.
"""

from datetime import date
from functools import lru_cache

DAY_S = 86_400
HOUR_S = 3_600
_UTC_OFFSET_S = 8 * HOUR_S
_ORDINAL_OF_EPOCH = date(1970, 1, 1).toordinal()
_WEEKDAY_OF_EPOCH = date(1970, 1, 1).weekday()


def day_and_second(at: float, begins_h: float = 0) -> tuple[int, float]:
    """The day that holds an instant, and how many seconds into it the instant lies.

    Args:
        at: seconds since the epoch.
        begins_h: the local hour at which a day begins; 12 keeps a night in one day.
    """
    day, second = divmod(at + _UTC_OFFSET_S - begins_h * HOUR_S, DAY_S)
    return int(day), second


def start_of(day: int, begins_h: float = 0) -> float:
    """The instant a day begins, in seconds since the epoch."""
    return day * DAY_S - _UTC_OFFSET_S + begins_h * HOUR_S


def local_hour(at: float) -> float:
    """The local hour of an instant, from 0 up to 24."""
    return (at + _UTC_OFFSET_S) % DAY_S / HOUR_S


def is_weekend(day: int) -> bool:
    """Whether a day is a Saturday or a Sunday."""
    return (day + _WEEKDAY_OF_EPOCH) % 7 >= 5


@lru_cache(maxsize=4096)
def date_of(day: int) -> date:
    """The local date of a day."""
    return date.fromordinal(day + _ORDINAL_OF_EPOCH)


def day_of(on: date) -> int:
    """The day of a local date."""
    return on.toordinal() - _ORDINAL_OF_EPOCH


FIRST_DAY = day_of(date(2020, 1, 1))
"""The day from which every register counts; nothing is simulated before it."""
