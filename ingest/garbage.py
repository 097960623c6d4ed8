"""How long Python's garbage collector holds everything up."""

import gc
import time
from collections import deque
from typing import Any

from ingest import metrics


class GarbagePauses:
    """Collections since `start`.

    They are counted by `report` and not as they happen: one may happen while a metric is locked.
    """

    def __init__(self) -> None:
        self._began = 0.0
        self._seconds: deque[float] = deque()

    def start(self) -> None:
        """Take the time of each collection from now on."""
        gc.callbacks.append(self._time)

    def report(self) -> None:
        """Count the collections since the last report."""
        while self._seconds:
            metrics.GC_PAUSE_SECONDS.observe(self._seconds.popleft())

    def _time(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self._seconds.append(time.perf_counter() - self._began)
