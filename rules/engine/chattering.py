"""Chattering: an instance that is raised again and again within a minute is given longer to recover.

Source: ISA-18.2, which calls an alarm chattering that is raised three or more times within a minute. Counted are
occurrences, by event time; what comes back while it is still recovering is the same occurrence.
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
    """When an instance was raised last, as far as it matters, and how often its `off_delay` has been doubled."""

    raised: tuple[datetime, ...] = ()
    doublings: int = 0


CALM_SO_FAR = Chatter()


def count(chatter: Chatter, at: datetime) -> Chatter:
    """Counts an occurrence. One after a calm of ten minutes has nothing to do with those before."""
    if chatter.raised and at - chatter.raised[-1] >= CALM:
        return Chatter((at,))
    raised = (*(before for before in chatter.raised if at - before <= WINDOW), at)[-TIMES:]
    return Chatter(raised, min(chatter.doublings + (len(raised) == TIMES), _DOUBLINGS))


def stretched(off_delay: timedelta, chatter: Chatter) -> timedelta:
    """The time that an instance needs to recover: doubled each time that it chattered, to a quarter hour at most."""
    if not chatter.doublings:
        return off_delay
    return min(max(off_delay, _LEAST) * (1 << chatter.doublings), max(off_delay, _MOST))
