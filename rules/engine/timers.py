"""When to look after an instance again, to the moment: because of its timer, or because of a silence that is due."""

from collections.abc import Iterator
from datetime import datetime
from heapq import heappop, heappush
from typing import NamedTuple


class Timer(NamedTuple):
    """At `due`, look after the instance of a rule on a device; `silence` says that it is not for its timer."""

    due: datetime
    device_id: int
    rule: str
    no_data: bool = False


class Clock(NamedTuple):
    """Whether time stands still, since when it does not, and the time of the last tick."""

    paused: bool
    resumed_at: datetime
    ticked_at: datetime


class TimerQueue:
    """A heap of alarms. One that has become pointless is not taken out: whoever looks finds nothing to do."""

    def __init__(self) -> None:
        self._heap: list[Timer] = []

    def set(self, timer: Timer) -> None:
        """Remembers an alarm."""
        heappush(self._heap, timer)

    @property
    def next_due(self) -> datetime | None:
        """When the next alarm is due; None where there is none."""
        return self._heap[0].due if self._heap else None

    def take(self, now: datetime) -> Iterator[Timer]:
        """All that are due, those that are set meanwhile included."""
        while self._heap and self._heap[0].due <= now:
            yield heappop(self._heap)
