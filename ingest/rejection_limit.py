"""A limit on stored rejections: all are counted, but broken devices must not fill the disk or slow ingest.

The table keeps the newest rejections of each sender and reason (`store.telemetry.rejections`). The limit is on writing
them: 1,000 at once and a few a second in the long run. Beyond it the newest one of each sender and reason waits.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from math import ceil
from typing import NamedTuple

from ingest.batch import Rejected
from store.telemetry.rejections import KEPT_PER_REASON

AT_ONCE = 1000
REGISTERED_PER_S = 20
UNREGISTERED_PER_S = 2
MAX_WAITING = 10_000

_Key = tuple[str, str, int | None]
"""The topic, the reason and the device of rejections."""


class _Part(NamedTuple):
    """The selection of one queue: the rejections to store, of which `served` had waited, and the `deferred` ones."""

    rejections: list[Rejected]
    served: list[_Key]
    deferred: dict[_Key, Rejected]


class Selection(NamedTuple):
    """The rejections to store, of registered and of unregistered senders."""

    registered: _Part
    unregistered: _Part

    @property
    def rejections(self) -> list[Rejected]:
        """All of them."""
        return self.registered.rejections + self.unregistered.rejections


@dataclass(slots=True)
class _Queue:
    """Token bucket of some senders, as the time in seconds at which it is full again, with the waiting rejections."""

    per_s: int
    full_at_s: float = 0.0
    waiting: dict[_Key, Rejected] = field(default_factory=dict)

    def select(self, rejections: Iterable[Rejected], now_s: float) -> _Part:
        newest: dict[_Key, deque[Rejected]] = defaultdict(lambda: deque(maxlen=KEPT_PER_REASON))
        for rejected in rejections:
            newest[_key(rejected)].append(rejected)
        # A clock that was set back must not keep the bucket empty.
        self.full_at_s = min(max(self.full_at_s, now_s), now_s + AT_ONCE / self.per_s)
        room = AT_ONCE - ceil((self.full_at_s - now_s) * self.per_s)
        served = dict(islice(self.waiting.items(), room))
        part = _Part([*served.values()], [*served], {})
        for key, of_key in newest.items():
            if len(part.rejections) + len(of_key) <= room:
                part.rejections.extend(of_key)
            else:
                part.deferred[key] = of_key[-1]
        return part

    def confirm(self, part: _Part) -> None:
        self.full_at_s += len(part.rejections) / self.per_s
        for key in part.served:
            del self.waiting[key]
        for key, rejected in part.deferred.items():
            if key in self.waiting or len(self.waiting) < MAX_WAITING:
                self.waiting[key] = rejected


class RejectionLimit:
    """Selection of the rejections to store.

    Registered and unregistered senders have a limit each: invented topics must not hide the faults of a device.
    """

    def __init__(self) -> None:
        self._registered = _Queue(REGISTERED_PER_S)
        self._unregistered = _Queue(UNREGISTERED_PER_S)

    def select(self, rejections: Sequence[Rejected], now: datetime) -> Selection:
        """Return the rejections to store now: the waiting ones, and as many of the given ones as the limit allows.

        Nothing counts as stored before `confirm`: a selection whose transaction failed has no effect on the next.
        """
        now_s = now.timestamp()
        registered = [rejected for rejected in rejections if rejected.rejection.device]
        unregistered = [rejected for rejected in rejections if not rejected.rejection.device]
        return Selection(self._registered.select(registered, now_s), self._unregistered.select(unregistered, now_s))

    def confirm(self, selection: Selection) -> None:
        """Note that the last selection is stored."""
        self._registered.confirm(selection.registered)
        self._unregistered.confirm(selection.unregistered)


def _key(rejected: Rejected) -> _Key:
    rejection = rejected.rejection
    return rejection.topic, rejection.reason, rejection.device.id if rejection.device else None
