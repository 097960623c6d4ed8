"""Local time of the communities, for texts and for calendar days."""

from datetime import datetime
from zoneinfo import ZoneInfo

CITY = ZoneInfo("Asia/Shanghai")


def local_time_zh(at: datetime) -> str:
    """Return an instant as local date and time in Chinese, such as `7月1日 12:05:03`."""
    local = at.astimezone(CITY)
    return f"{local.month}月{local.day}日 {local:%H:%M:%S}"
