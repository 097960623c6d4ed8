"""The text of a backtest: which rules, days and devices raise the alerts, and which goals they miss."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from app.backtest_text import print_summary
from rules.analysis.alarm_load import AlarmLoad, Goal
from rules.analysis.summary import CommunitySummary, DaySummary, DeviceSummary, RuleSummary, Summary
from rules.model.rule import Severity

LOAD = AlarmLoad(
    alerts=1200, notices=900, average=0.1, peak=4, peak_at=None, flood=0.0, standing=1, unattended=2, chattering=0,
    priorities={},
)  # fmt: skip
GOALS = (Goal("notices a day", "12.9", "at most 150", True), Goal("flood", "3 %", "at most 1 %", False),
         Goal("priorities", "", "80/15/5", None))  # fmt: skip
RULE = RuleSummary("voltage_high", "electricity_meter", "电压过高", Severity.MAJOR, 1200, 0, 31, 0, 0, 5400.0)
FULL = Summary(
    start=datetime(2026, 6, 30, 16, tzinfo=UTC),
    end=datetime(2026, 7, 31, 16, tzinfo=UTC),
    samples=1_234_567,
    late_samples=0,
    devices=31,
    rules=9,
    alerts=1200,
    by_rule=(RULE,),
    by_day=(DaySummary(date(2026, 7, 2), 1200, {Severity.MAJOR: 1200}, 4),),
    by_device=(DeviceSummary("linyin", "e-1", "1 栋 电表 e-1", 40, {"voltage_high": 39, "no_data": 1}),),
    communities=(CommunitySummary("linyin", LOAD, GOALS),),
)


@pytest.fixture
def printed(capsys):
    """Return a function that prints a summary, and returns the text."""

    def write(**changes):
        print_summary(replace(FULL, **changes))
        return capsys.readouterr().out

    return write


def test_the_span_is_in_local_time_and_large_numbers_are_readable(printed):
    first = printed().splitlines()[0]
    assert first == "2026-07-01 00:00 to 2026-08-01 00:00, local time: 1,234,567 samples of 31 devices"


def test_only_columns_with_a_figure_are_shown(printed):
    text = printed()
    assert not re.search("suppressed|chattering|over 24 h", text)
    assert re.search(r"rule +title +alerts +devices +longest", text)
    assert "chattering" in printed(by_rule=(replace(RULE, chattering=2),))


def test_rules_days_and_devices_each_have_their_line(printed):
    text = printed()
    assert re.search(r"voltage_high +\S+ +电压过高 +1,200 +31 +1 ?小时 ?30 ?分", text)
    assert re.search(r"2026-07-02 +1,200", text)
    assert re.search(r"linyin/e-1 +1 栋 电表 e-1 +40 +voltage_high 39, no_data *$", text, re.MULTILINE)


def test_each_goal_is_met_missed_or_has_too_few_alerts_to_tell(printed):
    text = printed()
    assert "linyin, 1,200 alerts, against the goals of ISA-18.2 for one property manager" in text
    assert [line.split()[-1] for line in text.splitlines() if re.match("notices a day|flood|priorities", line)] == [
        "ok", "MISSED", "few",
    ]  # fmt: skip


def test_without_alerts_there_are_no_empty_tables(printed):
    text = printed(alerts=0, by_rule=(), by_day=(), by_device=(), communities=())
    assert text.splitlines()[1:] == ["9 rules would have raised 0 alerts"]


@pytest.mark.parametrize(
    ("devices", "rest"), [(10, None), (11, "and 1 more devices"), (1510, "and 1,500 more devices")]
)
def test_of_many_devices_the_first_ten_are_shown_and_the_rest_counted(printed, devices, rest):
    text = printed(by_device=tuple(replace(FULL.by_device[0], device=f"e-{number}") for number in range(devices)))
    assert text.count("linyin/e-") == 10
    assert (rest in text) if rest else ("more devices" not in text)


def test_a_loaded_history_is_told_apart_with_the_option_for_it(printed):
    assert "--device-time" not in printed(late_samples=FULL.samples // 10)
    assert "--device-time" in printed(late_samples=FULL.samples // 10 + 1)
