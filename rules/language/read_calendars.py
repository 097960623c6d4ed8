"""Reads `calendars.yaml`: the calendars that come with Anju, and those that a folder of rules adds to them."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rules.language.yaml_document import Item, Notes, as_list, as_mapping, describe, nearest, quoted, read_document
from rules.model.calendar import ALWAYS, DAYS, Calendar, MonthDay

FILE_NAME = "calendars.yaml"

_SHIPPED = Path(__file__).parent.parent / FILE_NAME
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_KEYS = ("zone", "label", "dates", "weekdays", "times")
_DATES = re.compile(r"(\d\d)-(\d\d) to (\d\d)-(\d\d)", re.ASCII)
_TIMES = re.compile(r"(\d\d):(\d\d) to (\d\d):(\d\d)", re.ASCII)
_LEAP_YEAR = 2024
_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_A_YEAR = timedelta(days=366)


def read_calendars(folder: Path, notes: Notes) -> dict[str, Calendar]:
    """The shipped calendars and those of the folder, by name; `notes` gets what is wrong with the folder's."""
    calendars = _read(_SHIPPED, Notes(FILE_NAME))
    own = folder / FILE_NAME
    return {**calendars, **_read(own, notes)} if own.exists() else calendars


def _read(path: Path, notes: Notes) -> dict[str, Calendar]:
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        notes.add(1, f"not UTF-8 ({error.reason} at byte {error.start}): save the file in UTF-8")
        return {}
    document = read_document(text, notes)
    if document is None:
        if not notes.problems:
            notes.add(1, "the file is empty: write calendars by name, or delete it")
        return {}
    if not isinstance(document.plain, dict):
        notes.add(document.line, f"a calendar file must be calendars by name, not {describe(document)}")
        return {}
    found = (_read_calendar(name, item, notes) for name, item in document.plain.items())
    return {calendar.name: calendar for calendar in found if calendar}


def _read_calendar(name: str, item: Item, notes: Notes) -> Calendar | None:
    before = len(notes.problems)
    if not _NAME.fullmatch(name) or name == ALWAYS:
        notes.add(item.line, f"a calendar is named by lower-case letters, digits and _, not {name!r}, nor `{ALWAYS}`")
    keys = as_mapping(item, _KEYS, notes, "a calendar")
    if keys is None:
        return None
    for key in ("zone", "label"):
        if key not in keys:
            notes.add(item.line, f"`{key}` is missing: add it to the calendar")
    calendar = Calendar(
        name,
        label=_read_label(keys, notes),
        zone=_read_zone(keys, notes),
        dates=_read_dates(keys["dates"], notes) if "dates" in keys else None,
        weekdays=_read_weekdays(keys["weekdays"], notes) if "weekdays" in keys else None,
        times=_read_times(keys["times"], notes) if "times" in keys else None,
    )
    if not {"dates", "weekdays", "times"} & set(keys):
        notes.add(
            item.line, f"a calendar needs `dates`, `weekdays` or `times`: without them write `schedule: {ALWAYS}`"
        )
    elif len(notes.problems) == before and calendar.span(_SOME_DAY).end - _SOME_DAY > _A_YEAR:
        notes.add(item.line, "this calendar never opens, or never closes: look at its dates and days again")
    return calendar if len(notes.problems) == before else None


def _read_label(keys: Mapping[str, Item], notes: Notes) -> str:
    item = keys.get("label")
    if item and (not isinstance(item.plain, str) or not item.plain.strip()):
        notes.add(item.line, f"`label` must be a text, not {describe(item)}")
    return str(item.plain) if item else ""


def _read_zone(keys: Mapping[str, Item], notes: Notes) -> str:
    item = keys.get("zone")
    if item is None:
        return ""
    try:
        return ZoneInfo(str(item.plain)).key
    except (OSError, ValueError, KeyError):
        notes.add(item.line, f"`zone` is a zone of the IANA database such as Asia/Shanghai, not {describe(item)}")
        return ""


def _read_dates(item: Item, notes: Notes) -> tuple[MonthDay, MonthDay] | None:
    match = _DATES.fullmatch(str(item.plain))
    try:
        days = [date(_LEAP_YEAR, int(match[part]), int(match[part + 1])) for part in (1, 3)] if match else []
    except ValueError:
        days = []
    if not days:
        notes.add(item.line, f"`dates` are two days of the year such as 10-15 to 04-15, not {describe(item)}")
        return None
    first, last = days
    return (first.month, first.day), (last.month, last.day)


def _read_weekdays(item: Item, notes: Notes) -> frozenset[int] | None:
    days = list(as_list(item, notes, "`weekdays`"))
    for day in days:
        if day.plain not in DAYS:
            notes.add(day.line, f"`weekdays` cannot have {quoted(day)}{nearest(str(day.plain), DAYS)}")
    return frozenset(DAYS.index(str(day.plain)) for day in days if day.plain in DAYS)


def _read_times(item: Item, notes: Notes) -> tuple[time, time] | None:
    match = _TIMES.fullmatch(str(item.plain))
    try:
        times = [time(int(match[part]), int(match[part + 1])) for part in (1, 3)] if match else []
    except ValueError:
        times = []
    if not times or times[0] == times[1]:
        notes.add(item.line, f"`times` are two different times of the day such as 22:00 to 06:00, not {describe(item)}")
        return None
    return times[0], times[1]
