"""When to try a channel again, and when to give a notice up."""

from datetime import timedelta

from rules.model.rule import Severity

MAX_ATTEMPTS = 10
_INITIAL_S = 5.0
_MAX_S = 300.0
_MAX_RETRY_AFTER_S = 3600.0


def retry_delay(failures: int, retry_after_s: float | None, jitter: float) -> timedelta:
    """How long to leave a channel alone.

    Args:
        failures: How many times in a row it has failed, at least once.
        retry_after_s: How long its receiver wants to be left alone, if it said so.
        jitter: From 0 to 1; spreads those who failed together over half to all of the time.
    """
    backoff_s = min(_INITIAL_S * 2.0 ** min(failures - 1, 16), _MAX_S) * (1 + jitter) / 2
    return timedelta(seconds=max(backoff_s, min(retry_after_s or 0.0, _MAX_RETRY_AFTER_S)))


def needs_fallback(attempts: int, severity: str) -> bool:
    """Whether the fallback is told although there will be more attempts: a critical alert can't wait for the last."""
    return severity == Severity.CRITICAL and attempts >= 3
