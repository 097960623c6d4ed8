"""Local time of the communities, for texts and for calendar days."""

from datetime import datetime
from zoneinfo import ZoneInfo

CITY = ZoneInfo("Asia/Shanghai")


def parse_local_time(text: str) -> datetime:
    """Return the instant of an ISO 8601 time; one without an offset is local.

    Raises:
        ValueError: The text is no such time.
    """
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=CITY)


def local_time_zh(at: datetime) -> str:
    """Return an instant as local date and time in Chinese, such as `7月1日 12:05:03`."""
    local = at.astimezone(CITY)
    return f"{local.month}月{local.day}日 {local:%H:%M:%S}"
