"""The lines about alerts on a terminal, as `anju up` prints them."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.alert_lines import alert_line, alert_subject
from store.alerts.alerts import AlertRow
from store.alerts.stream import AlertTransition
from store.alerts.transitions import StoredTransition

NOW = datetime(2026, 7, 1, 4, 12, tzinfo=UTC)


def alert(**more):
    values = {
        "id": UUID(int=1), "rule": "gas_leak", "rule_version": "1", "sequence": 1, "device_id": 1,
        "community": "linyin-xiaoqu", "community_name": "林荫小区", "building": "1", "unit": "1", "room": "301",
        "device": "b01-u1-0301-gas", "kind": "gas_meter", "severity": "critical", "title": "燃气泄漏",
        "message": "林荫小区 1号楼1单元301室 燃气表：检测到燃气泄漏！", "advice": "", "process": "active",
        "attention": "unacknowledged", "assignee": None, "opened_at": NOW, "raised_at": NOW, "ended_at": None,
        "simulated": False, "chattering": False, "historical": False, **more,
    }  # fmt: skip
    return AlertRow(**values)


def line(row, to_state="active", from_state="normal", reason="event", suppressions=()):
    transition = StoredTransition(
        id=1, axis="process", from_state=from_state, to_state=to_state, at=NOW, decided_at=NOW, reason=reason,
        rule_version="1", actor=None, comment=None, inputs={}, suppressions=suppressions,
    )  # fmt: skip
    return alert_line(AlertTransition(transition, row), NOW)


CHARGER = {
    "building": "",
    "unit": "",
    "room": "",
    "location": "东门内车棚",
    "device": "ebike-01",
    "kind": "ebike_charger",
}
ANJU = {"community": None, "community_name": None, "building": None, "unit": None, "room": None, "device": None}


def test_a_line_names_the_place_once_and_no_slug():
    assert line(alert()) == "12:12:00 [紧急] 报警 林荫小区 1号楼1单元301室 燃气表：检测到燃气泄漏！"
    assert line(alert(simulated=True), "latched") == (
        "12:12:00 [紧急] 待人工确认（模拟） 林荫小区 1号楼1单元301室 燃气表：燃气泄漏"
    )


@pytest.mark.parametrize("to_state", ["active", "latched", "normal"])
def test_what_nobody_is_told_of_has_no_line(to_state):
    assert line(alert(), to_state, suppressions=("caused_by_parent",)) is None


def test_an_alert_that_is_released_from_its_parent_has_its_line_then():
    assert line(alert(), from_state="active", reason="parent") == line(alert())
    assert line(alert(), from_state="active", reason="reworded") is None


def test_a_message_without_a_place_gets_it_in_front():
    assert line(alert(**CHARGER, message="冒烟！")) == "12:12:00 [紧急] 报警 林荫小区 东门内车棚：冒烟！"


def test_an_alert_about_anju_itself_names_the_platform_once():
    behind = alert(**ANJU, kind="pipeline", severity="major", title="数据接入滞后", message="平台：数据接入已滞后")
    assert line(behind) == "12:12:00 [重要] 报警 平台：数据接入已滞后"
    assert line(behind, "normal") == "12:12:00 [重要] 恢复 平台：数据接入滞后"


@pytest.mark.parametrize(
    ("row", "subject"),
    [
        (alert(), "林荫小区 1号楼1单元301室 燃气表"),
        (alert(**CHARGER), "林荫小区 东门内车棚 电动自行车充电桩（ebike-01）"),
        (alert(device=None, unit=None, room=None, kind="family"), "林荫小区 1号楼"),
        (alert(**ANJU, kind="pipeline"), "平台"),
    ],
)
def test_the_subject_of_an_alert_is_its_device_with_its_place(row, subject):
    assert alert_subject(row) == subject
