"""Timestamps of the outside surface: epoch milliseconds, or RFC 3339 with an offset."""

import re
from datetime import UTC, datetime, timedelta

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
MAX_CLOCK_AHEAD = timedelta(minutes=5)
"""The most by which a device's clock may be ahead of the server's; decoding rejects a later timestamp."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LATEST_MS = 253_402_300_799_999  # the last millisecond of the year 9999
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


class TimestampError(ValueError):
    """The timestamp can't be used; the message names the expected form."""


def parse_timestamp(value: object) -> datetime:
    """Return the instant in UTC, with microseconds.

    Raises:
        TimestampError: the value has neither form, or is before the year 2000, the time of a lost clock.
    """
    if isinstance(value, str):
        ts = _from_text(value)
    elif type(value) is int and 0 <= value <= _LATEST_MS:
        ts = _EPOCH + value * _MILLISECOND
    else:
        raise TimestampError("ts must be whole epoch milliseconds since 1970 or RFC 3339 text with an offset")
    if ts < EARLIEST:
        raise TimestampError("ts is before the year 2000: seconds instead of milliseconds, or a lost clock?")
    return ts


def _from_text(value: str) -> datetime:
    if not _RFC3339.fullmatch(value):
        raise TimestampError("ts must be RFC 3339 with an offset, such as 2026-11-22T08:00:00+08:00")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimestampError("ts is no date and time that exists") from None
