"""A maintenance window says what it does about critical alerts, and one about everything is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from accounts.principal import Scope
from api.silences import Announcement, Silence
from handling import maintenance_zh
from handling.maintenance import WindowError, WindowOrder, check_reach, rules_of_a_cut
from rules.model.rule import RulePack, Severity
from shipped_rules import SHIPPED
from store.alerts.maintenance import MaintenanceRow

NOW = datetime(2026, 7, 1, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROW = MaintenanceRow(
    id=UUID(int=1), community="linyin", building=None, kind=None, rule=None, device=None, starts_at=NOW - HOUR,
    ends_at=NOW + HOUR, reason="换表", actor="王师傅", created_at=NOW - HOUR, ended_at=None, ended_by=None,
)  # fmt: skip
CRITICAL = next(rule for rule in SHIPPED.rules if rule.severity is Severity.CRITICAL)
MAJOR = next(rule for rule in SHIPPED.rules if rule.severity is Severity.MAJOR)


def shown(pack: RulePack = SHIPPED, **changes):
    return Silence.of(replace(ROW, **changes), NOW, pack)


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({}, "active", "进行中"),
        ({"starts_at": NOW}, "active", "进行中"),
        ({"starts_at": NOW + timedelta(seconds=1)}, "scheduled", "未开始"),
        ({"ends_at": NOW}, "over", "已结束"),
        ({"ended_at": NOW - HOUR / 2, "ended_by": "李师傅"}, "over", "已结束"),
        ({"starts_at": NOW + HOUR / 2, "ended_at": NOW, "ended_by": "李师傅"}, "over", "已结束"),
    ],
)
def test_a_window_is_scheduled_active_or_over_to_the_second(changes, state, words):
    assert (shown(**changes).state, shown(**changes).state_zh) == (state, words)


def test_a_window_without_a_rule_lets_critical_alerts_through_and_names_them():
    window = shown(kind=CRITICAL.kind)
    assert window.lets_through == [Severity.CRITICAL]
    assert f"“{CRITICAL.title}”" in window.effect_zh
    assert "照常马上通知" in window.effect_zh


def test_a_window_for_a_kind_names_only_the_critical_rules_of_that_kind():
    titles = {rule.title for rule in SHIPPED.rules if rule.severity is Severity.CRITICAL}
    of_kind = {rule.title for rule in SHIPPED.of_kind(CRITICAL.kind)}
    window = shown(kind=CRITICAL.kind)
    assert not [title for title in titles - of_kind if f"“{title}”" in window.effect_zh]


def test_a_window_that_names_a_critical_rule_warns_that_nobody_is_told():
    window = shown(rule=CRITICAL.name)
    assert window.lets_through == []
    assert window.effect_zh == maintenance_zh.names_critical_rule(CRITICAL.title)
    assert "不会通知任何人" in window.effect_zh


def test_a_window_that_names_another_rule_says_that_the_others_are_notified():
    assert shown(rule=MAJOR.name).effect_zh == maintenance_zh.names_rule(MAJOR.title)


def test_a_window_for_a_rule_that_is_out_of_force_says_that_it_holds_nothing_back():
    assert "不会挡住任何报警" in shown(rule="no_such_rule").effect_zh
    assert "不会挡住任何报警" in shown(RulePack(()), rule=MAJOR.name).effect_zh


def test_a_planned_power_cut_names_what_it_holds_back_and_what_not():
    window = shown(purpose="power_cut", rules=["electricity_silent"])
    assert (window.purpose_zh, window.lets_through) == ("计划停电", [Severity.CRITICAL])
    assert "“成片停电”" in window.effect_zh
    assert "照常马上通知" in window.effect_zh
    for rule in SHIPPED.rules:
        held = f"“{rule.title}”" in window.effect_zh.partition("紧急报警")[0]
        assert held is any(rule.title == each.title for each in rules_of_a_cut(SHIPPED)), rule.name


def test_a_power_cut_covers_what_it_causes_and_nothing_that_hurts_people():
    names = {rule.name for rule in rules_of_a_cut(SHIPPED)}
    causes = {"electricity_silent", "electricity_power_lost", "gateway_silent", "gateway_power_lost", "door_power_lost",
              "camera_silent", "family_silent", "family_power_lost"}  # fmt: skip
    assert causes <= names
    assert not {"electricity_voltage_high", "water_leak", "family_voltage_high", "pipeline_behind"} & names
    assert not {rule.name for rule in SHIPPED.rules if rule.severity is Severity.CRITICAL} & names


@pytest.mark.parametrize("parts", [{}, {"building": "3"}, {"kind": "water_meter"}])
def test_a_power_cut_without_a_community_is_refused(parts):
    with pytest.raises(ValidationError, match="计划停电须指定小区"):
        announce(purpose="power_cut", **parts)


@pytest.mark.parametrize("part", ["kind", "rule", "device"])
def test_a_power_cut_is_for_a_place(part):
    with pytest.raises(ValidationError, match="只按小区和楼栋登记"):
        announce(purpose="power_cut", community="linyin", **{part: "x"})


@pytest.mark.parametrize("scope", [Scope(communities=frozenset({"linyin"})), Scope(True, within=Scope())])
def test_an_account_of_some_communities_announces_no_window_for_all_of_them(scope):
    order = WindowOrder(kind="water_meter", ends_at=NOW + HOUR, reason="检修")
    with pytest.raises(WindowError, match="请选择小区"):
        check_reach(order, scope)
    check_reach(order, Scope(everything=True))
    check_reach(replace(order, community="linyin"), scope)


def announce(**parts):
    return Announcement.model_validate({"ends_at": (NOW + HOUR).isoformat(), "reason": "换表", "by": "王师傅", **parts})


PARTS = {"community": "linyin", "building": "3", "kind": "water_meter", "rule": "leak", "device": "w-1"}


@given(st.sets(st.sampled_from(sorted(PARTS))))
def test_a_window_is_about_something_and_a_building_or_device_has_its_community(given_parts):
    parts = {name: PARTS[name] for name in given_parts}
    incomplete = not parts or ({"building", "device"} & given_parts and "community" not in parts)
    if not incomplete:
        assert announce(**parts).model_dump(include=given_parts) == parts
        return
    with pytest.raises(ValidationError) as refused:
        announce(**parts)
    (error,) = refused.value.errors()
    wanted = maintenance_zh.MAINTENANCE_WITHOUT_COMMUNITY if parts else maintenance_zh.MAINTENANCE_WITHOUT_SCOPE
    assert error["msg"] == wanted
