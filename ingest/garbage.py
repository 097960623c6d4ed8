"""Settings of Python's garbage collector during ingest, and the pauses that it makes.

The registry and the state of all devices live as long as the process: a collection that walks through those of 400,000
devices takes a second. Objects of a batch are freed by their reference counts. So collection is off during a batch,
long-lived objects are frozen, and the worker collects the young generations at each tick, when few objects are left.
"""

import gc
import time
from collections import deque
from typing import Any

from ingest import metrics

_YOUNG = 1  # the generation that holds the objects left over from the last ticks


def freeze_long_lived_objects() -> None:
    """Turn automatic collection off and keep all objects of now out of later collections."""
    gc.disable()
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def collect_young_objects() -> None:
    """Collect objects that became garbage since the last ticks."""
    gc.collect(_YOUNG)


class CollectionTimer:
    """Times of the collections since `start`.

    `report` observes them in the metric, not the collector's callback: a collection may happen while a metric is
    locked.
    """

    def __init__(self) -> None:
        self._began_s = 0.0
        self._pauses_s: deque[float] = deque()

    def start(self) -> None:
        """Time each collection from now on."""
        gc.callbacks.append(self._time)

    def report(self) -> None:
        """Observe the collections since the last report in `anju_gc_pause_seconds`."""
        while self._pauses_s:
            metrics.GC_PAUSE_SECONDS.observe(self._pauses_s.popleft())

    def _time(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._began_s = time.perf_counter()
        else:
            self._pauses_s.append(time.perf_counter() - self._began_s)
