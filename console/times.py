"""Times as the pages show them: in the city's time, relative and absolute."""

from datetime import datetime, timedelta

from devices.local_time import CITY

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def day_time(at: datetime, now: datetime) -> str:
    """Return the local time of an instant, with as much of its date as is not today's."""
    local, today = at.astimezone(CITY), now.astimezone(CITY)
    if local.date() == today.date():
        return f"今天 {local:%H:%M}"
    if local.date() == (today - _DAY).date():
        return f"昨天 {local:%H:%M}"
    year = "" if local.year == today.year else f"{local.year}年"
    return f"{year}{local.month}月{local.day}日 {local:%H:%M}"


def clock_time(at: datetime) -> str:
    """Return the local date and time of an instant to the second."""
    return f"{at.astimezone(CITY):%Y-%m-%d %H:%M:%S}"


def relative(at: datetime, now: datetime) -> str:
    """Return how long ago an instant was, or how far ahead it is."""
    words = duration(abs(now - at))
    if words == "不到 1 分钟":
        return "刚刚" if at <= now else "马上"
    return f"{words}前" if at <= now else f"{words}后"


def duration(span: timedelta) -> str:
    """Return a span in the largest units that matter."""
    if span < _MINUTE:
        return "不到 1 分钟"
    if span < _HOUR:
        return f"{span // _MINUTE} 分钟"
    if span < _DAY:
        hours, minutes = span // _HOUR, span % _HOUR // _MINUTE
        return f"{hours} 小时 {minutes} 分钟" if minutes and hours < 6 else f"{hours} 小时"
    days, hours = span // _DAY, span % _DAY // _HOUR
    return f"{days} 天 {hours} 小时" if hours and days < 3 else f"{days} 天"
