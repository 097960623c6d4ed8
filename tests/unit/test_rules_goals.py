"""Alarm load against the goals of ISA-18.2 and EEMUA 191."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

import notify.plan
from devices.local_time import CITY
from rules.analysis.alarm_load import (
    SAME_CAUSE_EVERY,
    TEN_MINUTES,
    assess_goals,
    measure_load,
    next_round,
    notices_for,
)
from rules.analysis.backtest import BacktestAlert, Span
from rules.model.rule import Severity

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = Span(START, START + timedelta(days=1))


def alert(minute, *, lasts=None, rule="r", device=1, severity=Severity.WARNING, suppressed=False):
    opened = START + timedelta(minutes=minute)
    ended = None if lasts is None else opened + timedelta(minutes=lasts)
    return BacktestAlert(uuid4(), rule, device, severity, "标题", "内容", opened, opened, ended, suppressed)


def met(load):
    return {goal.name: goal.met for goal in assess_goals(load)}


def test_a_quiet_day_meets_every_goal():
    assert all(goal.met is not False for goal in assess_goals(measure_load([], DAY)))


def test_the_peak_is_the_most_in_any_ten_minutes():
    load = measure_load([alert(minute, lasts=1) for minute in (5, 8, 9, 11, 14.9, 15.1)], DAY)
    assert (load.peak, load.peak_at) == (5, START + timedelta(minutes=5))


def test_a_flood_starts_with_more_than_ten_alerts_in_ten_minutes_and_ends_below_five():
    storm = [alert(minute / 2 + minute / 100, lasts=1) for minute in range(11)]
    ebb = [alert(10 + minute, lasts=1) for minute in range(5)]
    assert measure_load(storm, DAY).flood == pytest.approx(1 / 144)
    assert measure_load(storm + ebb, DAY).flood == pytest.approx(2 / 144)
    assert measure_load(storm + ebb[:4], DAY).flood == pytest.approx(1 / 144)
    assert measure_load(ebb + storm[:5], DAY).flood == 0


def test_the_same_instance_three_times_within_a_minute_chatters():
    assert measure_load([alert(m) for m in (1, 1.5, 2)], DAY).chattering == (("r", 1),)
    assert measure_load([alert(m) for m in (1, 1.5, 2.1)], DAY).chattering == ()
    assert measure_load([alert(1), alert(1.5), alert(2, device=2)], DAY).chattering == ()


def test_alerts_open_for_over_a_day_count_by_their_most_at_one_time():
    span = Span(START, START + timedelta(days=10))
    hours = 60
    apart = [alert(0, lasts=30 * hours), alert(40 * hours, lasts=30 * hours)]
    together = [alert(0), alert(20 * hours, lasts=50 * hours)]
    assert measure_load(apart, span).unattended == 1
    assert measure_load(together, span).unattended == 2
    assert measure_load([alert(0, lasts=24 * hours)], span).unattended == 0


def test_alerts_of_a_working_day_are_assigned_the_next_morning_and_others_on_monday():
    span = Span(START, START + timedelta(days=30))
    day = 1440
    monday, friday = day, 5 * day
    assert next_round(START + timedelta(minutes=monday)) == datetime(2026, 11, 2, 9, tzinfo=CITY)
    assert next_round(datetime(2026, 11, 6, 9, tzinfo=CITY)) == datetime(2026, 11, 9, 9, tzinfo=CITY)
    assert measure_load([alert(monday + n * day + 60, device=n) for n in range(4)], span).standing == 0
    weekend = measure_load(
        [alert(friday + 600, device=1), alert(friday + day, device=2), alert(friday + day, lasts=60)], span
    )
    assert (weekend.standing, weekend.unattended) == (2, 2)


def test_an_info_alert_is_no_load():
    assert measure_load([alert(minute, severity=Severity.INFO) for minute in range(30)], DAY).alerts == 0


def test_priorities_are_assessed_from_enough_notices_on():
    def mixed(low, medium, high):
        kinds = [Severity.WARNING] * low + [Severity.MAJOR] * medium + [Severity.CRITICAL] * high
        return met(measure_load([alert(30 * n, lasts=1, severity=kind) for n, kind in enumerate(kinds)], DAY))

    name = "low / medium / high priority, %"
    assert mixed(32, 6, 2)[name] is True
    assert mixed(8, 2, 30)[name] is False
    assert mixed(8, 1, 1)[name] is None


def test_alerts_of_one_rule_within_half_a_minute_share_a_notice():
    first = START + timedelta(minutes=1)
    storm = [alert(1 + second / 60, device=second) for second in range(70)]
    assert [notice.at for notice in notices_for(storm)] == [
        first,
        first + SAME_CAUSE_EVERY,
        first + 2 * SAME_CAUSE_EVERY,
        first + 3 * SAME_CAUSE_EVERY,
    ]
    assert len(notices_for([alert(1, rule=f"r{number}") for number in range(5)])) == 5
    assert SAME_CAUSE_EVERY == notify.plan.SAME_CAUSE_EVERY


@given(st.sets(st.integers(0, 1439), max_size=60))
def test_the_peak_is_never_below_the_average_or_any_fixed_ten_minutes(minutes):
    load = measure_load([alert(minute, lasts=1) for minute in minutes], DAY)
    fixed = [sum(1 for m in minutes if step <= m < step + 10) for step in range(0, 1440, 10)]
    assert load.peak >= max(fixed)
    assert load.peak >= load.average
    assert load.average == pytest.approx(len(minutes) * (TEN_MINUTES / timedelta(days=1)))
    assert (load.flood > 0) == any(count > 10 for count in fixed)


def test_a_suppressed_alert_is_no_load():
    assert measure_load([alert(minute / 2, suppressed=True) for minute in range(30)], DAY).alerts == 0
