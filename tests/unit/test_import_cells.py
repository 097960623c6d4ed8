"""The accepted and refused contents of one cell of an import file."""

from datetime import date
from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devices.catalogue import KINDS
from devices.topic import IDENTIFIER
from imports.cells import STAGES, CellError, parse_media
from imports.damage import MISSING, find_code_loss
from imports.forms import COMMUNITIES, DEVICES, HOUSEHOLDS, Column, Form

EVERY_COLUMN = [column for form in (COMMUNITIES, HOUSEHOLDS, DEVICES) for column in form.columns]


def column(form: Form, name: str) -> Column:
    match = form.column(name)
    assert match is not None
    return match


def refusal(form: Form, name: str, cell: str) -> str:
    with pytest.raises(CellError) as caught:
        column(form, name).value(cell)
    return str(caught.value)


@pytest.mark.parametrize("one", EVERY_COLUMN, ids=lambda one: one.name)
@given(cell=st.text())
@example(cell="\x1b[2J")
def test_every_cell_is_a_value_or_refused_with_a_sentence_that_a_terminal_can_show(one: Column, cell: str):
    sentence = ""
    try:
        one.value(cell)
    except CellError as error:
        sentence = str(error)
    assert not {category(character) for character in sentence} & {"Cc", "Cs", "Zl", "Zp"}
    assert cell or not one.required or sentence == "不能为空"


@given(st.from_regex(IDENTIFIER, fullmatch=True))
@example("inf")
@example("2026-05-01")
def test_every_identifier_is_accepted_but_what_programs_and_spreadsheets_write_themselves(identifier: str):
    one = column(DEVICES, "device")
    if identifier in MISSING or find_code_loss(identifier):
        assert refusal(DEVICES, "device", identifier)
    else:
        assert one.value(identifier) == identifier


@given(st.dates())
def test_a_date_is_written_year_month_day(day: date):
    assert column(DEVICES, "installed_on").value(day.isoformat()) == day


@pytest.mark.parametrize("cell", ["2024/5/1", "2024-5-1", "20240501", "2024-02-30", "2024年5月1日", "２０２４-05-01"])
def test_other_ways_to_write_a_date_are_refused_with_the_expected_one(cell: str):
    assert "YYYY-MM-DD" in refusal(DEVICES, "installed_on", cell)


@pytest.mark.parametrize(
    ("cell", "value"),
    [("是", True), ("true", True), ("TRUE", True), ("1", True), ("否", False), ("False", False), ("0", False)],
)
def test_yes_and_no_are_understood(cell: str, *, value: bool):
    assert column(COMMUNITIES, "subsidised").value(cell) is value


@pytest.mark.parametrize("cell", ["yes", "对", "2", "x"])
def test_anything_else_is_neither_yes_nor_no(cell: str):
    assert "是 或 否" in refusal(COMMUNITIES, "subsidised", cell)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_of_the_catalogue_can_be_imported(kind):
    assert column(DEVICES, "kind").value(kind.name) == kind.name


def test_a_misspelt_kind_is_answered_with_the_nearest_one():
    assert refusal(DEVICES, "kind", "watermeter").endswith("是否应为 water_meter？")


def test_a_stage_is_one_of_the_four():
    assert [column(COMMUNITIES, "stage").value(stage) for stage in STAGES] == ["储备", "新开工", "在建", "竣工"]
    assert all(stage in refusal(COMMUNITIES, "stage", "完工") for stage in STAGES)


@pytest.mark.parametrize("cell", ["1899", "2101", "98", "1998.0", "一九九八"])
def test_a_year_has_four_digits_and_is_possible(cell: str):
    assert "1900 至 2100" in refusal(COMMUNITIES, "built_year", cell)


@pytest.mark.parametrize("cell", ["90.1", "-91", "39°48'", "nan", "1e1", "39,81"])
def test_an_impossible_latitude_is_refused(cell: str):
    assert "-90 至 90" in refusal(COMMUNITIES, "latitude", cell)


def test_coordinates_are_decimal_degrees():
    assert column(COMMUNITIES, "latitude").value("39.8172") == 39.8172
    assert column(COMMUNITIES, "longitude").value("-179.5") == -179.5


@pytest.mark.parametrize("cell", ["3\u200b", "东\n区", "a\x00b", "\ufeff3", "a\tb", "\x1b[31m", "\u202e3"])
def test_an_invisible_character_is_refused_and_shown(cell: str):
    assert "□" in refusal(HOUSEHOLDS, "building", cell)


def test_a_mongolian_name_may_hold_its_vowel_separator():
    name = "ᠬᠣᠲ\u180eᠠ"
    assert column(COMMUNITIES, "name").value(name) == name


def test_a_text_that_is_too_long_is_refused_and_cut_in_the_message():
    message = refusal(COMMUNITIES, "street", "路" * 101)
    assert "最多 100 个字符" in message
    assert len(message) < 80


@pytest.mark.parametrize("name", ["community", "device", "kind"])
def test_a_required_cell_may_not_be_empty(name: str):
    assert refusal(DEVICES, name, "") == "不能为空"


def test_an_empty_optional_cell_has_the_empty_value():
    empty = {one.name: one.value("") for one in DEVICES.columns if not one.required}
    assert empty == {
        "building": "", "unit": "", "room": "", "location": "", "gateway": None, "plan_item": None,
        "serial": None, "installed_on": None, "simulated": False, "service": "in_service",
    }  # fmt: skip


def test_a_service_state_is_a_chinese_word_or_its_name():
    service = DEVICES.column("service")
    assert [service.value(cell) for cell in ("在用", "调试", "停用", "报废", "retired")] == [
        "in_service", "commissioning", "out_of_service", "retired", "retired",
    ]  # fmt: skip
    with pytest.raises(CellError, match="没有状态 “坏了”：应为 在用（in_service）、"):
        service.value("坏了")


@pytest.mark.parametrize(
    ("cell", "stored"),
    [
        ("气", "gas"), ("gas", "gas"), ("气、水", "water,gas"), ("gas，electricity water", "water,electricity,gas"),
        ("气；气", "gas"), ("水电气", "water,electricity,gas"),
    ],
)  # fmt: skip
def test_media_are_chinese_words_or_their_names_in_a_fixed_order(cell: str, stored: str):
    assert parse_media(cell) == stored


@pytest.mark.parametrize("cell", ["暖", "燃气", "gas?"])
def test_an_unknown_medium_is_refused_with_the_expected_ones(cell: str):
    with pytest.raises(CellError, match="应为 水（water）、电（electricity）、气（gas）"):
        parse_media(cell)
