"""Retry policy for failing channels: exponential backoff with jitter, and the limit of attempts."""

from datetime import timedelta

from rules.model.rule import Severity

MAX_ATTEMPTS = 10
_INITIAL_S = 5.0
_MAX_S = 300.0
_MAX_RETRY_AFTER_S = 3600.0


def retry_delay(failures: int, retry_after_s: float | None, jitter: float) -> timedelta:
    """Return the time until the next attempt on a channel.

    Args:
        failures: Consecutive failures of the channel, at least 1.
        retry_after_s: Delay that the receiver asked for, in seconds; honoured up to an hour.
        jitter: From 0 to 1; spreads channels that failed together over half to all of the backoff.
    """
    backoff_s = min(_INITIAL_S * 2.0 ** min(failures - 1, 16), _MAX_S) * (1 + jitter) / 2
    return timedelta(seconds=max(backoff_s, min(retry_after_s or 0.0, _MAX_RETRY_AFTER_S)))


def needs_fallback(attempts: int, severity: str) -> bool:
    """Return whether to notify the fallback before the last attempt: a critical alert can't wait for it."""
    return severity == Severity.CRITICAL and attempts >= 3
