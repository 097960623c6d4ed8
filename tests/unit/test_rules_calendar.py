"""Calendars: spans by the wall clock of one zone, independent of other clocks."""

import os
import time as clock
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from devices.local_time import CITY
from laws import examples
from rules.language.read_calendars import read_calendars
from rules.language.yaml_document import Diagnostics
from rules.model.calendar import Calendar

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def built_in(tmp_path_factory):
    diagnostics = Diagnostics("calendars.yaml")
    calendars = read_calendars(tmp_path_factory.mktemp("rules"), diagnostics)
    assert not diagnostics.entries
    return calendars


def city(text):
    return datetime.fromisoformat(text).replace(tzinfo=CITY)


def test_heating_in_ordos_begins_on_15_october_and_ends_after_15_april(built_in):
    span = built_in["heating_season"].span(city("2026-12-31 23:59"))
    assert (span.start, span.end, span.open) == (city("2026-10-15"), city("2027-04-16"), True)
    assert not built_in["heating_season"].is_open(span.start - SECOND)
    assert not built_in["heating_season"].is_open(span.end)


def test_a_night_belongs_to_the_day_on_which_it_begins(built_in):
    span = built_in["night"].span(city("2026-03-02 03:00"))
    assert (span.start, span.end) == (city("2026-03-01 22:00"), city("2026-03-02 06:00"))
    friday_night = Calendar("n", "n", "Asia/Shanghai", weekdays=frozenset({4}), times=(time(22), time(6)))
    assert friday_night.is_open(city("2026-03-07 05:59"))
    assert not friday_night.is_open(city("2026-03-06 05:59"))


def test_a_weekend_is_one_stretch_of_two_days(built_in):
    span = built_in["weekend"].span(city("2026-03-07 12:00"))
    assert (span.start, span.end, span.open) == (city("2026-03-07"), city("2026-03-09"), True)
    closed = built_in["weekend"].span(city("2026-03-09 00:00"))
    assert (closed.start, closed.end, closed.open) == (city("2026-03-09"), city("2026-03-14"), False)


def test_openings_are_those_after_one_moment_and_up_to_another(built_in):
    openings = list(built_in["working_hours"].openings(city("2026-03-06 08:30"), city("2026-03-10 08:30")))
    assert openings == [city("2026-03-09 08:30"), city("2026-03-10 08:30")]


def test_the_zone_of_the_server_does_not_matter(built_in, monkeypatch):
    before = Calendar("n", "n", "Asia/Shanghai", times=(time(22), time(6))).span(city("2026-03-29 01:00"))
    monkeypatch.setenv("TZ", "America/New_York")
    clock.tzset()
    try:
        after = Calendar("n", "n", "Asia/Shanghai", times=(time(22), time(6))).span(city("2026-03-29 01:00"))
    finally:
        monkeypatch.undo()
        clock.tzset()
    assert before == after
    assert os.environ.get("TZ") != "America/New_York"


def test_summer_time_in_another_zone_does_not_matter(built_in):
    as_seen_in_berlin = [
        built_in["working_hours"].opened(datetime(2026, 3, day, 12, tzinfo=ZoneInfo("Europe/Berlin")))
        for day in (26, 30)
    ]
    assert [moment.astimezone(CITY).time() for moment in as_seen_in_berlin] == [time(8, 30), time(8, 30)]


def test_an_opening_skipped_by_the_clocks_happens_at_the_skip():
    berlin = ZoneInfo("Europe/Berlin")
    skipped = Calendar("s", "s", "Europe/Berlin", times=(time(2, 30), time(4)))
    span = skipped.span(datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
    assert (span.start, span.end) == (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 3, 29, 4, tzinfo=berlin))


def test_a_repeated_hour_is_open_once():
    twice = Calendar("t", "t", "Europe/Berlin", times=(time(2, 15), time(2, 45)))
    openings = list(twice.openings(datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 22, tzinfo=UTC)))
    assert openings == [datetime(2026, 10, 25, 0, 15, tzinfo=UTC)]


def test_a_calendar_of_the_folder_joins_or_replaces_the_built_in_ones(tmp_path):
    (tmp_path / "calendars.yaml").write_text(
        "night: {zone: Asia/Shanghai, label: 夜, times: 23:00 to 05:00}\n"
        "leap_day: {zone: Asia/Shanghai, label: 闰日, dates: 02-29 to 02-29}\n",
        "utf-8",
    )
    diagnostics = Diagnostics("calendars.yaml")
    calendars = read_calendars(tmp_path, diagnostics)
    assert not diagnostics.entries
    assert calendars["night"].times == (time(23), time(5))
    assert calendars["leap_day"].is_open(city("2028-02-29 12:00"))
    assert not calendars["leap_day"].is_open(city("2026-03-01 12:00"))
    assert "heating_season" in calendars


def test_a_change_of_label_keeps_the_logic_and_a_change_of_zone_does_not():
    night = Calendar("night", "夜间", "Asia/Shanghai", times=(time(22), time(6)))
    assert night.as_json() == Calendar("night", "夜", "Asia/Shanghai", times=(time(22), time(6))).as_json()
    assert night.as_json() != Calendar("night", "夜间", "Asia/Urumqi", times=(time(22), time(6))).as_json()


zones = st.sampled_from(sorted(available_timezones()))
times = st.times().map(lambda moment: moment.replace(second=0, microsecond=0))
year_days = st.dates(date(2024, 1, 1), date(2024, 12, 31)).map(lambda day: (day.month, day.day))
calendars = st.builds(
    Calendar,
    name=st.just("any"),
    label=st.just("any"),
    zone=zones,
    dates=st.one_of(st.none(), st.tuples(year_days, year_days)),
    weekdays=st.one_of(st.none(), st.frozensets(st.integers(0, 6), min_size=1)),
    times=st.one_of(st.none(), st.tuples(times, times).filter(lambda pair: pair[0] != pair[1])),
)
moments = st.datetimes(datetime(2013, 1, 1), datetime(2036, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@examples(200)
@given(calendars, moments)
def test_in_any_zone_spans_alternate_without_overlap_or_gap(calendar, moment):
    span = calendar.span(moment)
    assume(span.end - span.start < 365 * DAY and calendar.span(span.end).end - span.end < 365 * DAY)
    for _ in range(2):
        assert span.start <= moment < span.end
        following = calendar.span(span.end)
        assert following.start == span.end
        assert following.open is not span.open
        moment, span = span.end, following


@examples(200)
@given(calendars, moments, moments)
def test_a_result_does_not_depend_on_earlier_queries(calendar, first, second):
    asked = [calendar.is_open(first), calendar.is_open(second)]
    anew = [Calendar(calendar.name, calendar.label, calendar.zone, calendar.dates, calendar.weekdays, calendar.times)
            .is_open(moment) for moment in (first, second)]  # fmt: skip
    assert asked == anew


@examples(200)
@given(zones, times, times, moments)
def test_without_clock_changes_a_calendar_follows_the_wall_clock(zone, opens, closes, moment):
    there = ZoneInfo(zone)
    around = {(moment + days * DAY).astimezone(there).utcoffset() for days in (-2, -1, 0, 1, 2)}
    if opens == closes or len(around) > 1:
        return
    wall = moment.astimezone(there).time()
    within = opens <= wall < closes if opens < closes else wall >= opens or wall < closes
    assert Calendar("any", "any", zone, times=(opens, closes)).is_open(moment) is within
