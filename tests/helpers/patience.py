"""Limits of waits, scaled by the load of the machine: a busy machine makes a test slow, never red.

Tests name each limit in seconds of a quiet machine. Everything that waits takes its limit from here.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SPARE = 3.0
"""Factor on the limit of a wait on a quiet machine: a wait that succeeds costs nothing."""
_CORES = os.cpu_count() or 1


def slowness() -> float:
    """Return how many times slower than a quiet machine this one is now: runnable processes a core, at least 1.

    The average over a minute lags behind a load that has just begun, so the count of this moment is read as well.
    """
    try:
        average, _, _, runnable, _ = Path("/proc/loadavg").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return max(1.0, os.getloadavg()[0] / _CORES)
    return max(1.0, float(average) / _CORES, int(runnable.split("/")[0]) / _CORES)


def patient(seconds: float) -> float:
    """Return the limit of a wait that takes at most `seconds` on a quiet machine."""
    return seconds * SPARE * slowness()


def eventually(look: Callable[[], T], *, timeout_s: float = 30, every_s: float = 0.1) -> T:
    """Call `look` until its result is true, and return that result.

    Raises:
        AssertionError: The result stayed false for `patient(timeout_s)`; the message holds the last one.
    """
    __tracebackhide__ = True  # pytest then shows the line of the test
    began, limit = time.monotonic(), 0.0
    while True:
        result = look()
        if result:
            return result
        limit = max(limit, patient(timeout_s))
        if time.monotonic() - began > limit:
            raise AssertionError(f"not within {limit:.0f} s; the last result: {result!r}")
        time.sleep(every_s)


def steady(look: Callable[[], T], *, for_s: float = 2.0, timeout_s: float = 120) -> T:
    """Call `look` until its result has not changed for `for_s` seconds, and return it.

    Raises:
        AssertionError: The result still changes after `patient(timeout_s)`.
    """
    __tracebackhide__ = True
    began = since = time.monotonic()
    limit, last = 0.0, look()
    while time.monotonic() - since < for_s * slowness():
        limit = max(limit, patient(timeout_s))
        if time.monotonic() - began > limit:
            raise AssertionError(f"still changing after {limit:.0f} s; the last result: {last!r}")
        time.sleep(0.2)
        result = look()
        if result != last:
            since, last = time.monotonic(), result
    return last


class Stopwatch:
    """Time since its creation, in seconds of a quiet machine, for a test whose subject is a time limit.

    The limit stays the product's own. Where the machine is busy, elapsed time counts for less, by `slowness()`.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._slowest = slowness()

    def quiet_s(self) -> float:
        """Seconds that passed, divided by the slowness of the machine at its worst."""
        self._slowest = max(self._slowest, slowness())
        return (time.monotonic() - self._began) / self._slowest


def within(limit_s: float, look: Callable[[], T]) -> T:
    """Call `look` until its result is true, assert that it took less than `limit_s` by a `Stopwatch`, and return it."""
    __tracebackhide__ = True
    watch = Stopwatch()
    result = eventually(look, timeout_s=limit_s, every_s=0.02)
    took_s = watch.quiet_s()
    assert took_s < limit_s, f"took {took_s:.1f} s, and the limit is {limit_s:g} s"
    return result
