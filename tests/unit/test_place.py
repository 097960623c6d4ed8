"""Places and devices in texts for people: by the names that a repairer knows, the id only as an addition."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.catalogue import KINDS
from devices.device import Device
from devices.place import compose_place, join_place
from rules.model.device_group import DeviceGroups
from rules.model.subject_zh import subject_of
from rules.model.template import Silence, data_fields, render
from rules.model.virtual_kinds import RULE_KINDS
from shipped_rules import SHIPPED

QUIET = Silence(datetime(2026, 7, 1, tzinfo=UTC), timedelta(minutes=5))

parts = st.sampled_from(["", "3", "12", "B", "A栋", "3号楼", "2单元", "501", "501室", "物业中心"])
locations = st.sampled_from(["", "东门内车棚", "3号楼东侧车棚", "2单元门厅", "13号楼旁", "501室厨房"])


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (("3", "2", "501"), "3号楼2单元501室"),
        (("3号楼", "2单元", "501室"), "3号楼2单元501室"),
        (("A栋", "", ""), "A栋"),
        (("综合楼", "", "101"), "综合楼101室"),
        (("综合楼", "", "值班室"), "综合楼值班室"),
        (("B", "1", ""), "B号楼1单元"),
        (("物业中心", "", ""), "物业中心"),
        (("", "", ""), ""),
        (("", "", "", "东门内车棚"), "东门内车棚"),
        (("3", "", "", "一层弱电井"), "3号楼一层弱电井"),
        (("3", "2", "", "门厅"), "3号楼2单元门厅"),
        (("3", "", "", "3号楼东侧车棚"), "3号楼东侧车棚"),
        (("3", "2", "", "2单元门厅"), "3号楼2单元门厅"),
        (("3", "2", "", "3号楼2单元门厅"), "3号楼2单元门厅"),
        (("1", "", "", "11号楼旁"), "1号楼11号楼旁"),
        (("3", "2", "501", "厨房"), "3号楼2单元501室厨房"),
    ],
)
def test_a_place_reads_as_people_say_it(place: tuple[str, ...], words: str):
    assert compose_place(*place) == words


@given(parts, parts, parts, locations)
def test_a_place_ends_with_its_location_and_names_no_part_twice(building, unit, room, location):
    words = compose_place(building, unit, room, location)
    assert words.endswith(location)
    assert words.count(" ") == 0
    if building and location.startswith(compose_place(building)):
        assert words == location


def test_a_community_stands_before_the_place_and_alone_where_there_is_none():
    assert join_place("林荫小区", "3号楼2单元501室") == "林荫小区 3号楼2单元501室"
    assert join_place("林荫小区", "") == "林荫小区"
    assert join_place(None, "东门内车棚") == "东门内车棚"


def device(kind, name="x-01", place="东门内车棚", room=""):
    return Device(1, "linyin-xiaoqu", name, kind, place=place, room=room, community_name="林荫小区")


def test_a_device_in_a_flat_is_its_kind_and_one_outside_has_its_id_as_an_addition():
    flat = device("gas_meter", "b01-u1-0301-gas", "1号楼1单元301室", "301")
    assert subject_of(flat) == "林荫小区 1号楼1单元301室 燃气表"
    assert subject_of(device("ebike_charger", "ebike-01")) == "林荫小区 东门内车棚 电动自行车充电桩（ebike-01）"


@pytest.mark.parametrize(
    "rule", [rule for rule in SHIPPED.rules if rule.kind != "pipeline"], ids=lambda rule: rule.name
)
def test_the_message_of_every_rule_names_the_place_and_never_the_slug(rule):
    fields = data_fields(RULE_KINDS[rule.kind], rule.when)
    text = render(rule.message, device(rule.kind), {}, QUIET, fields)
    assert text.startswith("林荫小区 东门内车棚 ")
    assert "linyin" not in text


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_text_of_an_operator_that_names_only_the_device_gets_its_place(kind):
    text = render("{device}：坏了", device(kind.name, place="3号楼2单元501室", room="501"), {}, QUIET, {})
    assert text == f"林荫小区 3号楼2单元501室 {kind.zh}：坏了"
    assert render("{community}的{place}", device(kind.name), {}, QUIET, {}) == "林荫小区的林荫小区 东门内车棚"


def test_the_alert_of_a_group_names_the_place_of_its_gateway_or_its_building():
    gateway = Device(9, "c", "gw", "gateway", place="1号楼一层弱电井", building="1", community_name="林荫小区")
    meters = [Device(n, "c", f"m{n}", "water_meter", "gw", building="1", community_name="林荫小区") for n in (1, 2)]
    camera = Device(3, "c", "cam", "camera", building="2", community_name="林荫小区")
    subjects = {subject_of(group.as_device) for group in DeviceGroups([gateway, *meters, camera]).all()}
    assert {"林荫小区 1号楼一层弱电井 网关 gw", "林荫小区 2号楼", "林荫小区 整个小区"} <= subjects
    assert all(subject.startswith("林荫小区 ") for subject in subjects)
