"""Chattering: an instance that raises alerts again and again within a minute takes longer to recover.

Source: ISA-18.2, which calls an alarm chattering when it is raised three or more times within a minute. Alerts count by
event time. A condition that returns while its alert recovers belongs to the same alert.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

WINDOW = timedelta(minutes=1)
TIMES = 3
CALM = timedelta(minutes=10)
_LEAST = timedelta(seconds=15)
_MOST = timedelta(minutes=15)
_DOUBLINGS = 6  # from the least delay to the most


class Chatter(NamedTuple):
    """The last times at which an instance raised an alert, and the number of doublings of its `off_delay`."""

    raised: tuple[datetime, ...] = ()
    doublings: int = 0


NO_CHATTER = Chatter()


def count_alert(chatter: Chatter, at: datetime) -> Chatter:
    """Count an alert. After ten minutes without one, counting starts anew."""
    if chatter.raised and at - chatter.raised[-1] >= CALM:
        return Chatter((at,))
    raised = (*(before for before in chatter.raised if at - before <= WINDOW), at)[-TIMES:]
    return Chatter(raised, min(chatter.doublings + (len(raised) == TIMES), _DOUBLINGS))


def extended_off_delay(off_delay: timedelta, chatter: Chatter) -> timedelta:
    """Return the time to recover: at least 15 s, doubled for each chattering, at most 15 minutes.

    A longer `off_delay` is neither extended nor cut.
    """
    if not chatter.doublings:
        return off_delay
    return min(max(off_delay, _LEAST) * (1 << chatter.doublings), max(off_delay, _MOST))
