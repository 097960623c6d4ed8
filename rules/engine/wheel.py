"""Whom to look at again, and when: a timing wheel of seconds, for a look that can be a second late.

Of 400,000 devices each waits for the moment at which it would count as silent, and nearly always it is heard before.
So a wait takes eight bytes here and is not moved when the device is heard: whoever takes it out looks whether its time
has really come, and puts it back if not. Source: Varghese and Lauck, Hashed and hierarchical timing wheels, SOSP 1987.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import heappop, heappush


class Wheel:
    """Numbers of devices that wait under a name, by the second in which they are due."""

    def __init__(self) -> None:
        self._slots: dict[int, dict[str, array[int]]] = {}
        self._seconds: list[int] = []
        self._next_due: datetime | None = None

    def add(self, due: datetime, name: str, number: int) -> None:
        """Let one wait until the second of `due`."""
        second = int(due.timestamp())
        slot = self._slots.get(second)
        if slot is None:
            slot = self._slots[second] = defaultdict(lambda: array("q"))
            heappush(self._seconds, second)
            if self._seconds[0] == second:
                self._note_next()
        slot[name].append(number)

    @property
    def next_due(self) -> datetime | None:
        """The second in which the first is due; None while nobody waits."""
        return self._next_due

    def _note_next(self) -> None:
        self._next_due = datetime.fromtimestamp(self._seconds[0], UTC) if self._seconds else None

    def take(self, now: datetime) -> Iterator[tuple[str, int]]:
        """All whose second has begun; they wait no longer. What is added meanwhile is for the next call."""
        begun, second = [], int(now.timestamp())
        while self._seconds and self._seconds[0] <= second:
            begun.append(self._slots.pop(heappop(self._seconds)))
        if begun:
            self._note_next()
        for slot in begun:
            for name, numbers in slot.items():
                for number in numbers:
                    yield name, number
