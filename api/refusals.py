"""Refusals of the gate: counted each, logged with their address, a few lines a minute."""

from collections import Counter
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry

from api.limits import TokenBuckets
from api.metrics import count_refusals

_log = structlog.get_logger(__name__)

_EVERY_S = 60.0
_LINES = 30
_REMEMBERED = 10_000


class Refusals:
    """Count and log of refused requests: at most one line a minute by address and reason, and thirty lines in all."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        """Register the metric; `clock` returns monotonic seconds."""
        self._clock = clock
        self._count = count_refusals(registry)
        self._by_address = TokenBuckets(1 / _EVERY_S, _EVERY_S)
        self._lines = TokenBuckets(_LINES / _EVERY_S, _EVERY_S)
        self._unlogged: Counter[tuple[str, str]] = Counter()

    def record(self, reason: str, address: str) -> None:
        """Count a refusal, and log it with the number of those since the last line about it."""
        self._count.labels(reason).inc()
        now, key = self._clock(), (address, reason)
        if self._lines.wait_s(None, now) or self._by_address.take(key, now):
            if key in self._unlogged or len(self._unlogged) < _REMEMBERED:
                self._unlogged[key] += 1
            return
        self._lines.take(None, now)
        _log.warning("request refused", reason=reason, address=address, unlogged_before=self._unlogged.pop(key, 0))
