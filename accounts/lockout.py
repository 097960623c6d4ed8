"""Growing waits after failed logins. Pure."""

from datetime import datetime, timedelta

from store.accounts.login_failures import Failures

FREE = 5
"""Failures from one network before the first wait: people mistype."""

_FREE_ELSEWHERE = 50
_FIRST = timedelta(seconds=2)
_LONGEST = timedelta(minutes=15)
_LONGEST_ELSEWHERE = timedelta(seconds=20)


def wait_after(failures: Failures, now: datetime) -> timedelta:
    """Return the time until the next login of a name from a network may be tried; 0 if it may now.

    Guesses from elsewhere slow the owner of the name down by some seconds, and never lock the owner out.
    """
    return max(
        _wait(failures.here, FREE, failures.here_last_at, _LONGEST, now),
        _wait(failures.elsewhere, _FREE_ELSEWHERE, failures.elsewhere_last_at, _LONGEST_ELSEWHERE, now),
    )


def _wait(count: int, free: int, last_at: datetime | None, longest: timedelta, now: datetime) -> timedelta:
    if last_at is None or count < free:
        return timedelta(0)
    wait: timedelta = min(_FIRST * 2 ** min(count - free, 20), longest)
    return max(last_at + wait - now, timedelta(0))
