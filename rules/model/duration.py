"""Durations: in rule files (`90s`, `10m`, `2h`, `1d`), and in Chinese for people."""

import re
from datetime import UTC, datetime, timedelta

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_CHINESE = ((86_400, "天"), (3_600, "小时"), (60, "分钟"), (1, "秒"))
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTATION = re.compile(r"(0|[1-9][0-9]{0,6})([smhd])")


def parse_duration(text: str) -> timedelta:
    """Parse one whole number and its unit.

    Raises:
        ValueError: The text is not a duration.
    """
    match = _NOTATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration: write a whole number and a unit, such as 90s, 10m, 2h or 1d")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def spell(duration: timedelta) -> str:
    """Return the duration in the largest unit that divides its seconds: equal durations have one spelling."""
    seconds = int(duration.total_seconds())
    unit = next(unit for unit in "dhms" if seconds % _SECONDS[unit] == 0)
    return f"{seconds // _SECONDS[unit]}{unit}" if seconds else "0s"


def in_chinese(duration: timedelta) -> str:
    """Return the two largest units, such as `1 小时 30 分钟`; smaller ones do not help the reader."""
    seconds = max(0, int(duration.total_seconds()))
    words = []
    for size, name in _CHINESE:
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count} {name}")
    return " ".join(words[:2]) or "0 秒"


def microseconds(duration: timedelta) -> int:
    """Return a duration in whole microseconds."""
    return duration // _MICROSECOND


def microseconds_since_1970(time: datetime) -> int:
    """Return a time in whole microseconds since 1970, the unit of time in derived values."""
    return (time - _EPOCH) // _MICROSECOND
