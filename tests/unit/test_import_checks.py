"""Checks between the lines of an import, and between them and the registry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imports.checks import Registered, check
from imports.forms import COMMUNITIES, DEVICES, HOUSEHOLDS
from imports.registered import damaged_households
from imports.spelling import canonical, respell
from imports.tables import read_table, sheet_of
from store.registry.registry import KindAndPlace

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
    tables = [respell(table, registered.households) for table in tables]
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


def household(building: str, unit: str = "2", room: str = "301", community: str = "old") -> dict[str, str]:
    return {"community": community, "building": building, "unit": unit, "room": room}


SPELLINGS = {
    "building": [
        ("3", "3号楼"), ("3", "3栋"), ("3号楼", "3幢"), ("3", "3#"), ("3#楼", "3"), ("A栋", "A座"), ("A", "A栋"),
        ("03", "3"), ("三号楼", "3"), ("十二栋", "12"), ("二十一", "21号楼"), ("⑦", "7"), ("综合楼", "综合"),
    ],
    "unit": [("1", "1单元"), ("一单元", "1"), ("01", "1"), ("1门", "1")],
    "room": [("101", "101室"), ("101", "101号"), ("101室", "101房"), ("501", "0501"), ("0501", "501")],
}  # fmt: skip


@pytest.mark.parametrize(("part", "pair"), [(part, pair) for part, pairs in SPELLINGS.items() for pair in pairs])
def test_two_spellings_of_one_place_are_one_problem_wherever_the_first_stands(part: str, pair: tuple[str, str]):
    first, second = ({**household("9", "8", "701"), part: spelling} for spelling in pair)
    assert problems(households=[first, second]) == [("households", 2, part)]
    known = Registered(communities={"old"}, households={tuple(first.values())})
    assert problems(households=[second], registered=known) == [("households", 1, part)]
    assert problems(households=[first], registered=known) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (household("3"), household("13")), (household("A栋"), household("B栋")), (household("10"), household("7")),
        (household("3", "1"), household("3", "11")), (household("东单元"), household("西单元")),
        (household("3", "2", "501"), household("3", "2", "5010")), (household("3"), household("3", "2", "302")),
        (household("3号楼"), household("3", community="new")),
        (household("3", "1", "101"), household("3", "2", "101室")),
    ],
)  # fmt: skip
def test_different_places_are_no_spellings_of_one(first: dict[str, str], second: dict[str, str]):
    assert problems([NEW], [first, second]) == []


def test_a_building_that_is_spelt_in_two_ways_is_one_problem_for_all_its_lines():
    rows = [household("3号楼", "1", str(room)) for room in range(101, 110)]
    rows += [household("3", "1", str(room)) for room in range(201, 210)]
    assert problems(households=rows) == [("households", 10, "building")]


def test_both_spellings_stay_valid_where_both_are_registered():
    known = Registered(communities={"old"}, households={("old", "3", "1", "101"), ("old", "3", "1", "101室")})
    rows = [household("3", "1", "101"), household("3", "1", "101室")]
    assert problems(households=rows, registered=known) == []


def test_a_device_without_a_room_spells_its_building_as_the_households_do():
    meters = [
        device("m1", building="1号楼"),
        device("m2", building="1", unit="02"),
        device("m3", building="1", unit="2"),
    ]
    assert problems(devices=meters) == [("devices", 1, "building"), ("devices", 2, "unit")]


def test_a_device_in_a_room_that_lost_its_zero_is_told_how_to_keep_it():
    known = Registered(communities={"old"}, households={("old", "1", "2", "0301")})
    tables = [read_table(form, sheet_of(form, rows))[0] for form, rows in (
        (COMMUNITIES, []), (HOUSEHOLDS, []), (DEVICES, [device(building="1", unit="2", room="301")]),
    )]  # fmt: skip
    [problem] = check(*tables, known)
    assert problem.message == (
        "登记的住户是楼“1”、单元“2”、房号“0301”，只差开头的 0（表格软件会把它去掉）："
        "请先把这一列设为“文本”格式，再重新填写"
    )


def test_serial_numbers_that_differ_by_zeros_before_them_are_a_problem():
    meters = [device("m1", serial="000501"), device("m2", serial="501"), device("m3", serial="5010")]
    assert problems(devices=meters) == [("devices", 2, "serial")]


def test_a_withdrawn_gateway_is_no_gateway_until_it_is_imported_again():
    known = Registered(
        communities={"old"}, devices={("old", "gw"): KindAndPlace("gateway", "1", "", "", withdrawn=True)}
    )
    assert problems(devices=[device(gateway="gw")], registered=known) == [("devices", 1, "gateway")]
    again = {"community": "old", "device": "gw", "kind": "gateway"}
    assert problems(devices=[device(gateway="gw"), again], registered=known) == []


def test_a_place_from_before_cells_were_folded_keeps_its_registered_spelling():
    registered = {("old", "A 栋", "１", "３０１"), ("old", "B栋", "1", "101"), ("old", "b栋", "1", "101")}
    rows = [
        household("A 栋", "１", "３０１"),
        household("a栋", "1", "301"),
        household("b栋", "1", "101"),
        household("C 栋"),
    ]
    table = respell(read_table(HOUSEHOLDS, sheet_of(HOUSEHOLDS, rows))[0], registered)
    assert table.values == [
        ("old", "A 栋", "１", "３０１"), ("old", "A 栋", "１", "３０１"),
        ("old", "B栋", "1", "101"), ("old", "C栋", "2", "301"),
    ]  # fmt: skip


@given(number=st.integers(1, 99), noun=st.sampled_from(["", "号", "号楼", "栋", "#", "单元", "室"]), zero=st.booleans())
def test_a_number_agrees_with_its_spellings(number: int, noun: str, *, zero: bool):
    assert canonical(f"{'0' * zero}{number}{noun}") == str(number)
    assert canonical(f"{'０' * zero}{number} {noun}") == str(number)


def test_a_place_that_the_file_leaves_out_is_the_stored_one():
    assert problems(devices=[device("water", room="301")]) == []
    assert problems(devices=[device("water", building="9")]) == [("devices", 1, "room")]


def test_a_missing_value_is_not_reported_twice():
    assert problems(devices=[{"community": "OLD", "device": "?", "kind": "meter", "gateway": "GW", "room": "\n"}]) == []


def test_a_device_without_a_room_keeps_the_registered_spelling_of_its_building_too():
    registered = {("old", "a 栋", "１", "101")}
    rows = [
        device("m1", building="a 栋"),
        device("m2", building="a 栋", unit="１"),
        device("m3", building="b 栋"),
        device(),
    ]
    table = respell(read_table(DEVICES, sheet_of(DEVICES, rows))[0], registered)
    assert [(row["building"], row["unit"]) for _, row in table.records()] == [
        ("a 栋", ""), ("a 栋", "１"), ("B栋", ""), ("", ""),
    ]  # fmt: skip
    assert problems(devices=rows[:2], registered=Registered({"old"}, registered)) == []


def test_registered_households_that_an_import_would_refuse_now_are_found():
    sound = {("c", "3", "2", "501"), ("c", "3", "2", "502"), ("d", "3号楼", "2", "501"), ("c", "A栋", "1", "1")}
    damaged = {("c", "3", "2", "#N/A"), ("c", "3", "2", "1-Mar"), ("c", "3", "46082", "501"), ("c", "1.0", "2", "501")}
    second = {("c", "3", "2", "502室"), ("c", "3", "2", "５０１"), ("c", "a 栋", "1", "1"), ("c", "3号楼", "2", "501")}
    assert damaged_households(sound) == []
    assert set(damaged_households(sound | damaged | second)) == damaged | second
