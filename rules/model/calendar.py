"""Named calendars: when a rule with a `schedule` is in force, by the local time of one zone.

A calendar is open on some dates of the year, on some days of the week and at some times of the day. A part that it does
not name does not limit it. Its periods are spans of absolute time, which neither the zone of the server nor the summer
time of another zone can move. A period past midnight belongs to the day on which it begins.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

ALWAYS = "always"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_HORIZON = 400  # days, so that a calendar of one day a year still finds its neighbours

MonthDay = tuple[int, int]


class Span(NamedTuple):
    """Span of time from `start` until just before `end`, in which a calendar is open throughout, or closed."""

    start: datetime
    end: datetime
    open: bool


@dataclass(frozen=True)
class Calendar:
    """Named calendar of one zone.

    Attributes:
        name: Name in rule files.
        label: Name for people.
        zone: IANA name of the zone.
        dates: First and last date, inclusive; they may go past the end of the year.
        weekdays: Days of the week, from 0 for Monday.
        times: Begin, and end until just before it; they may go past midnight.
    """

    name: str
    label: str
    zone: str
    dates: tuple[MonthDay, MonthDay] | None = None
    weekdays: frozenset[int] | None = None
    times: tuple[time, time] | None = None

    def span(self, at: datetime) -> Span:
        """Return the span around a moment."""
        spans = self._spans
        place = bisect_right(spans, at, key=lambda span: span.start)
        if place and at < spans[place - 1].end:
            return spans[place - 1]
        span = self._search(at)
        spans.insert(place, span)
        return span

    def is_open(self, at: datetime) -> bool:
        """Return whether the calendar is open at a moment."""
        return self.span(at).open

    def opened(self, at: datetime) -> datetime:
        """Return the first moment from `at` on at which the calendar is open."""
        span = self.span(at)
        return at if span.open else span.end

    def openings(self, after: datetime, up_to: datetime) -> Iterator[datetime]:
        """Yield every moment after `after` and up to `up_to` at which the calendar opens."""
        span = self.span(after)
        while span.end <= up_to:
            span = self.span(span.end)
            if span.open:
                yield span.start

    def as_json(self) -> dict[str, object]:
        """Return the definition without the label, which is no part of the logic."""
        return {
            "name": self.name,
            "zone": self.zone,
            "dates": self.dates and [list(day) for day in self.dates],
            "weekdays": self.weekdays and sorted(self.weekdays),
            "times": self.times and [moment.isoformat("minutes") for moment in self.times],
        }

    @cached_property
    def _spans(self) -> list[Span]:
        """Spans computed so far, in the order of time."""
        return []

    def _search(self, at: datetime) -> Span:
        zone = ZoneInfo(self.zone)
        today = at.astimezone(zone).date()
        before, after = self._before(at, today, zone), self._after(at, today, zone)
        if after.start <= at:
            start = before.start if before.end == after.start else after.start
            return Span(start, after.end, open=True)
        return Span(before.end, after.start, open=False)

    def _after(self, at: datetime, today: date, zone: ZoneInfo) -> Span:
        """Return the first open period that ends after `at`, with all that follow it without a break."""
        joined: Span | None = None
        for ahead in range(-1, _HORIZON):
            period = self._period(today + ahead * _DAY, zone)
            if joined and (period is None or period.start > joined.end):
                return joined
            if period and period.end > at and (joined or period.start < period.end):
                joined = period._replace(start=joined.start if joined else period.start)
        end = at + _HORIZON * _DAY
        return joined or Span(end, end, open=True)

    def _before(self, at: datetime, today: date, zone: ZoneInfo) -> Span:
        """Return the last open period that ends by `at`, with all that precede it without a break."""
        joined: Span | None = None
        for back in range(-1, _HORIZON):
            period = self._period(today - back * _DAY, zone)
            if joined and (period is None or period.end < joined.start):
                return joined
            if period and period.end <= at and (joined or period.start < period.end):
                joined = period._replace(end=joined.end if joined else period.end)
        start = at - _HORIZON * _DAY
        return joined or Span(start, start, open=True)

    def _period(self, day: date, zone: ZoneInfo) -> Span | None:
        """Return the period that begins on a day of the zone; it is empty where the clocks skip all of it."""
        if self.weekdays is not None and day.weekday() not in self.weekdays:
            return None
        if self.dates is not None and not _within((day.month, day.day), *self.dates):
            return None
        opens, closes = self.times or (time(), time())
        last = day if opens < closes else day + _DAY
        start, end = (_first_at(datetime.combine(*wall), zone) for wall in ((day, opens), (last, closes)))
        return Span(start, end, open=True)


def _within(day: MonthDay, first: MonthDay, last: MonthDay) -> bool:
    return first <= day <= last if first <= last else day >= first or day <= last


def _first_at(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment at which the local time has reached `wall`, even where the clocks skip it."""
    reached = wall.replace(tzinfo=zone).astimezone(UTC)
    if reached.astimezone(zone).replace(tzinfo=None) == wall:
        return reached
    # In a gap the two folds are the moments that read `wall` plus and minus the gap; the clocks change in between.
    short = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while reached - short > _SECOND:
        middle = short + (reached - short) // 2
        if middle.astimezone(zone).replace(tzinfo=None) < wall:
            short = middle
        else:
            reached = middle
    return reached.replace(microsecond=0)
