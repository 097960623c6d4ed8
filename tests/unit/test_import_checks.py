"""Checks between the lines of an import, and between them and the registry."""

import pytest

from imports.checks import Registered, check
from imports.forms import COMMUNITIES, DEVICES, HOUSEHOLDS
from imports.tables import read_table, sheet_of
from store.registry.registry import KindAndPlace, compose_place

REGISTERED = Registered(
    communities={"old"},
    households={("old", "1", "2", "301")},
    devices={
        ("old", "gw"): KindAndPlace("gateway", "1", "", ""),
        ("old", "water"): KindAndPlace("water_meter", "1", "2", "301"),
    },
)
NEW = {"community": "new", "name": "新苑", "banner": "东胜区", "street": "天骄街道"}


def problems(
    communities=(), households=(), devices=(), registered: Registered = REGISTERED
) -> list[tuple[str, int | None, str | None]]:
    inputs = zip((COMMUNITIES, HOUSEHOLDS, DEVICES), (communities, households, devices), strict=True)
    tables = [read_table(form, sheet_of(form, rows))[0] for form, rows in inputs]
    return [(problem.file, problem.line, problem.column) for problem in check(*tables, registered)]


def device(name: str = "new-meter", **cells: str) -> dict[str, str]:
    return {"community": "old", "device": name, "kind": "water_meter", **cells}


def test_a_line_may_refer_to_the_registry_and_to_the_same_import():
    assert not problems(
        [NEW],
        [{"community": "new", "building": "3", "unit": "1", "room": "101"}],
        [
            {"community": "new", "device": "m", "kind": "water_meter", "building": "3", "unit": "1", "room": "101",
             "gateway": "g", "plan_item": "basic.metering.water"},
            {"community": "new", "device": "g", "kind": "gateway"},
            device(gateway="gw", building="1", unit="2", room="301"),
        ],
    )  # fmt: skip


def test_an_unknown_community_is_named_in_each_line():
    household = {"community": "nowhere", "building": "1", "unit": "1", "room": "1"}
    assert problems([], [household], [{**device(), "community": "nowhere"}]) == [
        ("households", 1, "community"),
        ("devices", 1, "community"),
    ]


def test_a_key_may_stand_only_once_in_a_file():
    household = {"community": "old", "building": "1", "unit": "1", "room": "1"}
    assert problems([NEW, NEW], [household, household], [device(), device("other"), device()]) == [
        ("communities", 2, "community"),
        ("households", 2, "room"),
        ("devices", 3, "device"),
    ]


def test_the_kind_of_a_registered_device_must_not_change():
    assert problems(devices=[device("water")]) == []
    assert problems(devices=[{**device("water"), "kind": "gas_meter"}]) == [("devices", 1, "kind")]


@pytest.mark.parametrize("gateway", ["missing", "water"])
def test_a_gateway_must_be_a_registered_gateway(gateway: str):
    assert problems(devices=[device(gateway=gateway)]) == [("devices", 1, "gateway")]


def test_a_gateway_of_another_community_is_none():
    gateway = {"community": "new", "device": "far", "kind": "gateway"}
    assert problems([NEW], devices=[gateway, device(gateway="far")]) == [("devices", 2, "gateway")]


def test_a_gateway_does_not_report_through_itself():
    assert problems(devices=[{**device("gw"), "kind": "gateway", "gateway": "gw"}]) == [("devices", 1, "gateway")]


def test_a_plan_item_must_be_known():
    assert problems(devices=[device(plan_item="basic.metering.watter")]) == [("devices", 1, "plan_item")]


def test_a_room_needs_building_and_unit():
    assert problems(devices=[device(room="301", building="1")]) == [("devices", 1, "room")]


def test_a_room_needs_a_registered_household():
    assert problems(devices=[device(building="1", unit="2", room="302")]) == [("devices", 1, "room")]
    assert problems(devices=[device(building="1号楼", unit="2", room="301")]) == [("devices", 1, "room")]


def test_a_place_that_the_file_leaves_out_is_the_stored_one():
    assert problems(devices=[device("water", room="301")]) == []
    assert problems(devices=[device("water", building="9")]) == [("devices", 1, "room")]


def test_a_missing_value_is_not_reported_twice():
    assert problems(devices=[{"community": "OLD", "device": "?", "kind": "meter", "gateway": "GW", "room": "\n"}]) == []


@pytest.mark.parametrize(
    ("parts", "place"),
    [
        (("3", "2", "501"), "3号楼 2单元 501"),
        (("3号楼", "2单元", "501"), "3号楼 2单元 501"),
        (("A栋", "", ""), "A栋"),
        (("综合楼", "", "101"), "综合楼 101"),
        (("B", "1", ""), "B号楼 1单元"),
        (("物业中心", "", ""), "物业中心"),
        (("", "", ""), ""),
    ],
)
def test_a_place_reads_as_people_say_it(parts: tuple[str, str, str], place: str):
    assert compose_place(*parts) == place
