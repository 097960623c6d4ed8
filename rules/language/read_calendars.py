"""Reader of `calendars.yaml`: built-in calendars, and additions of a folder of rules."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rules.language.yaml_document import (
    Diagnostics,
    Node,
    as_list,
    as_mapping,
    describe,
    nearest,
    quoted,
    read_document,
)
from rules.model.calendar import ALWAYS, DAYS, Calendar, MonthDay

FILE_NAME = "calendars.yaml"

_BUILT_IN = Path(__file__).parent.parent / FILE_NAME
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_KEYS = ("zone", "label", "dates", "weekdays", "times")
_DATES = re.compile(r"(\d\d)-(\d\d) to (\d\d)-(\d\d)", re.ASCII)
_TIMES = re.compile(r"(\d\d):(\d\d) to (\d\d):(\d\d)", re.ASCII)
_LEAP_YEAR = 2024
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_A_YEAR = timedelta(days=366)


def read_calendars(folder: Path, diagnostics: Diagnostics) -> dict[str, Calendar]:
    """Return the built-in calendars and those of the folder by name; mistakes in the folder go to `diagnostics`."""
    calendars = _read(_BUILT_IN, Diagnostics(FILE_NAME))
    own = folder / FILE_NAME
    return {**calendars, **_read(own, diagnostics)} if own.exists() else calendars


def _read(path: Path, diagnostics: Diagnostics) -> dict[str, Calendar]:
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        diagnostics.add(1, f"not UTF-8 ({error.reason} at byte {error.start}): save the file in UTF-8")
        return {}
    document = read_document(text, diagnostics)
    if document is None:
        if not diagnostics.entries:
            diagnostics.add(1, "the file is empty: write calendars by name, or delete it")
        return {}
    if not isinstance(document.plain, dict):
        diagnostics.add(document.line, f"a calendar file must be calendars by name, not {describe(document)}")
        return {}
    calendars = (_read_calendar(name, node, diagnostics) for name, node in document.plain.items())
    return {calendar.name: calendar for calendar in calendars if calendar}


def _read_calendar(name: str, node: Node, diagnostics: Diagnostics) -> Calendar | None:
    before = len(diagnostics.entries)
    if not _NAME.fullmatch(name) or name == ALWAYS:
        diagnostics.add(
            node.line, f"a calendar is named by lower-case letters, digits and _, not {name!r}, nor `{ALWAYS}`"
        )
    keys = as_mapping(node, _KEYS, diagnostics, "a calendar")
    if keys is None:
        return None
    for key in ("zone", "label"):
        if key not in keys:
            diagnostics.add(node.line, f"`{key}` is missing: add it to the calendar")
    calendar = Calendar(
        name,
        label=_read_label(keys, diagnostics),
        zone=_read_zone(keys, diagnostics),
        dates=_read_dates(keys["dates"], diagnostics) if "dates" in keys else None,
        weekdays=_read_weekdays(keys["weekdays"], diagnostics) if "weekdays" in keys else None,
        times=_read_times(keys["times"], diagnostics) if "times" in keys else None,
    )
    if not {"dates", "weekdays", "times"} & set(keys):
        diagnostics.add(
            node.line, f"a calendar needs `dates`, `weekdays` or `times`: without them write `schedule: {ALWAYS}`"
        )
    elif len(diagnostics.entries) == before and calendar.span(_ANY_DAY).end - _ANY_DAY > _A_YEAR:
        diagnostics.add(node.line, "this calendar never opens, or never closes: look at its dates and days again")
    return calendar if len(diagnostics.entries) == before else None


def _read_label(keys: Mapping[str, Node], diagnostics: Diagnostics) -> str:
    node = keys.get("label")
    if node and (not isinstance(node.plain, str) or not node.plain.strip()):
        diagnostics.add(node.line, f"`label` must be a text, not {describe(node)}")
    return str(node.plain) if node else ""


def _read_zone(keys: Mapping[str, Node], diagnostics: Diagnostics) -> str:
    node = keys.get("zone")
    if node is None:
        return ""
    try:
        return ZoneInfo(str(node.plain)).key
    except (OSError, ValueError, KeyError):
        diagnostics.add(node.line, f"`zone` is a zone of the IANA database such as Asia/Shanghai, not {describe(node)}")
        return ""


def _read_dates(node: Node, diagnostics: Diagnostics) -> tuple[MonthDay, MonthDay] | None:
    match = _DATES.fullmatch(str(node.plain))
    try:
        days = [date(_LEAP_YEAR, int(match[part]), int(match[part + 1])) for part in (1, 3)] if match else []
    except ValueError:
        days = []
    if not days:
        diagnostics.add(node.line, f"`dates` are two days of the year such as 10-15 to 04-15, not {describe(node)}")
        return None
    first, last = days
    return (first.month, first.day), (last.month, last.day)


def _read_weekdays(node: Node, diagnostics: Diagnostics) -> frozenset[int] | None:
    days = list(as_list(node, diagnostics, "`weekdays`"))
    for day in days:
        if day.plain not in DAYS:
            diagnostics.add(day.line, f"`weekdays` cannot have {quoted(day)}{nearest(str(day.plain), DAYS)}")
    return frozenset(DAYS.index(str(day.plain)) for day in days if day.plain in DAYS)


def _read_times(node: Node, diagnostics: Diagnostics) -> tuple[time, time] | None:
    match = _TIMES.fullmatch(str(node.plain))
    try:
        times = [time(int(match[part]), int(match[part + 1])) for part in (1, 3)] if match else []
    except ValueError:
        times = []
    if not times or times[0] == times[1]:
        diagnostics.add(
            node.line, f"`times` are two different times of the day such as 22:00 to 06:00, not {describe(node)}"
        )
        return None
    return times[0], times[1]
