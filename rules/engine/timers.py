"""Timers of the engine, to the moment and to the second, and the clock that they run by.

Deadlines of instances and openings of calendars are due to the moment. No-data checks are due to the second: each of
400,000 devices waits for one, and nearly every device sends before it is due. A check therefore takes eight bytes and
stays where it is when its device sends. The engine compares the true time when it takes a check, and adds it again
where it came too early. Source: Varghese and Lauck, Hashed and hierarchical timing wheels, SOSP 1987.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import NamedTuple


class Clock(NamedTuple):
    """The time of an engine: whether it is paused, when it resumed last, and its last tick."""

    paused: bool
    resumed_at: datetime
    ticked_at: datetime


class Timer(NamedTuple):
    """An instance to evaluate at `due`, for its deadline or, with `no_data`, for the lack of data."""

    due: datetime
    device_id: int
    rule: str
    no_data: bool = False


class Opening(NamedTuple):
    """The moment at which the calendar of a rule opens."""

    due: datetime
    rule: str


class Timers:
    """Instances, rules and devices that wait for a time.

    A timer that is no longer needed stays: the engine finds nothing to do when it takes it.
    """

    def __init__(self) -> None:
        self._timers: list[Timer] = []
        self._openings: list[Opening] = []
        self._checks = _Wheel()

    @property
    def next_due(self) -> datetime | None:
        """Earliest time at which anything is due; None while nothing waits."""
        due = [queue[0].due for queue in (self._timers, self._openings) if queue]
        if self._checks.next_due is not None:
            due.append(self._checks.next_due)
        return min(due, default=None)

    def add(self, due: datetime | None, device_id: int, rule: str, *, no_data: bool = False) -> None:
        """Add a timer that is due to the moment, or none if `due` is None."""
        if due:
            heappush(self._timers, Timer(due, device_id, rule, no_data))

    def add_opening(self, opening: Opening) -> None:
        """Add the opening of a calendar, due to the moment."""
        heappush(self._openings, opening)

    def add_check(self, due: datetime, rule: str, device_id: int) -> None:
        """Add a no-data check of a device, due in the second of `due`."""
        self._checks.add(due, rule, device_id)

    def take(self, now: datetime) -> Iterator[Timer]:
        """Remove and yield the timers that are due, with those added meanwhile."""
        while self._timers and self._timers[0].due <= now:
            yield heappop(self._timers)

    def take_openings(self, now: datetime) -> Iterator[Opening]:
        """Remove and yield the openings that are due, with those added meanwhile."""
        while self._openings and self._openings[0].due <= now:
            yield heappop(self._openings)

    def take_checks(self, now: datetime) -> Iterator[tuple[str, int]]:
        """Remove and yield the checks of every second that has begun, as rule and device; later ones wait."""
        return self._checks.take(now)


class _Wheel:
    """Timing wheel with a resolution of one second: device ids by second and rule, eight bytes each."""

    def __init__(self) -> None:
        self._slots: dict[int, dict[str, array[int]]] = {}
        self._seconds: list[int] = []
        self.next_due: datetime | None = None

    def add(self, due: datetime, rule: str, device_id: int) -> None:
        second = int(due.timestamp())
        slot = self._slots.get(second)
        if slot is None:
            slot = self._slots[second] = defaultdict(lambda: array("q"))
            heappush(self._seconds, second)
            if self._seconds[0] == second:
                self._update_next_due()
        slot[rule].append(device_id)

    def take(self, now: datetime) -> Iterator[tuple[str, int]]:
        begun, second = [], int(now.timestamp())
        while self._seconds and self._seconds[0] <= second:
            begun.append(self._slots.pop(heappop(self._seconds)))
        if begun:
            self._update_next_due()
        for slot in begun:
            for rule, device_ids in slot.items():
                for device_id in device_ids:
                    yield rule, device_id

    def _update_next_due(self) -> None:
        self.next_due = datetime.fromtimestamp(self._seconds[0], UTC) if self._seconds else None
