"""What a spreadsheet did to a cell is mended where nothing was lost, and refused with a remedy where something was.

The table of docs/import.md, with the neighbours of each line.
"""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imports.cells import CellError
from imports.damage import find_code_loss, fold_place
from imports.forms import COMMUNITIES, DEVICES, HOUSEHOLDS, Column

PLACES = [HOUSEHOLDS.column(name) for name in ("building", "unit", "room")]
PLACES += [DEVICES.column(name) for name in ("building", "unit", "room")]
SERIAL = DEVICES.column("serial")
IDENTIFIERS = [DEVICES.column(name) for name in ("community", "device", "gateway")]
TEXTS = [COMMUNITIES.column(name) for name in ("name", "banner", "street", "property_company")]
TEXTS += [DEVICES.column(name) for name in ("location", "plan_item")]
CODES = [*PLACES, SERIAL, *IDENTIFIERS]
TYPED = [form.column(name) for form, name in (
    (COMMUNITIES, "built_year"), (COMMUNITIES, "subsidised"), (COMMUNITIES, "stage"), (COMMUNITIES, "started_on"),
    (COMMUNITIES, "latitude"), (DEVICES, "kind"), (DEVICES, "installed_on"), (DEVICES, "simulated"),
    (DEVICES, "service"),
)]  # fmt: skip
EVERY_COLUMN = [*CODES, *TEXTS, *TYPED]

ERROR_VALUES = (
    "#N/A", "#N/A N/A", "#n/a", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!",
    "#FIELD!", "#BLOCKED!", "#BUSY!", "#GETTING_DATA", "Err:502", "错误:504", "＃Ｎ／Ａ",
)  # fmt: skip
SCIENTIFIC = ("1.01E+03", "1.23457E+11", "1.23457e+11", "1E+11", "-1.5E+05", "1.5E-05", "1.01E03", "１.０１E+03")
NUMBERS = ("101.0", "101.00", "3.1", "501.", "1,101", "12,345,678", "¥101", "50%", "1.50%", "１０１．０")
DATES = (
    "1-Mar", "01-Mar", "1-mar", "1-Mar-26", "01-Mar-2026", "Mar-26", "Mar-1", "3月1日", "3月", "2026年3月1日",
    "2026年3月", "2026年", "2026/3/1", "2026/03/01", "2026-3-1", "2026-03-01", "2026.3.1", "3/1/2026", "03/01/26",
    "2026/3/1 0:00", "2026-03-01 00:00:00", "2026-03-01T00:00:00", "1:30", "13:30:00", "3:01 AM", "２０２６／３／１",
)  # fmt: skip


def refusal(column: Column, cell: str) -> str:
    with pytest.raises(CellError) as refused:
        column.value(cell)
    return str(refused.value)


@pytest.mark.parametrize("cell", ERROR_VALUES)
def test_an_error_value_is_refused_in_every_column(cell: str):
    assert all("错误值" in refusal(column, cell) for column in EVERY_COLUMN)


@pytest.mark.parametrize("cell", ["####", "########"])
def test_a_column_that_was_too_narrow_is_refused_in_every_column(cell: str):
    assert all("列宽" in refusal(column, cell) for column in EVERY_COLUMN)


@pytest.mark.parametrize("cell", ["=A2", "=VLOOKUP(A2,B:C,2,0)", "=1+1", '="a"&B2'])
def test_a_formula_is_refused_in_every_column(cell: str):
    assert all("公式" in refusal(column, cell) for column in EVERY_COLUMN)


@pytest.mark.parametrize("cell", ["nan", "NaN", "None", "NULL", "null", "N/A", "n/a", "undefined", "ｎａｎ"])
def test_a_missing_value_of_a_program_is_refused_in_codes_and_texts(cell: str):
    assert all("空值" in refusal(column, cell) for column in [*CODES, *TEXTS])


@pytest.mark.parametrize("cell", [*SCIENTIFIC, *NUMBERS, *DATES, "TRUE", "False"])
def test_a_code_that_a_spreadsheet_changed_is_refused_with_the_remedy(cell: str):
    assert all("设为“文本”" in refusal(column, cell) for column in CODES)


@pytest.mark.parametrize(
    ("cell", "day"), [("46082", "2026-03-01"), ("40179", "2010-01-01"), ("５４７８８", "2049-12-31")]
)
def test_the_number_of_a_day_is_refused_in_a_place_and_named(cell: str, day: str):
    assert all(day in refusal(column, cell) and "设为“文本”" in refusal(column, cell) for column in PLACES)
    assert SERIAL.value("46082") == "46082"


def test_a_day_number_that_is_a_room_can_be_written_as_one():
    assert HOUSEHOLDS.column("room").value("46082室") == "46082室"


@pytest.mark.parametrize("cell", ["3 2", "3 栋 501 2", "1　101"])
def test_digits_with_a_blank_between_them_are_two_columns_in_one(cell: str):
    assert all("分列填写" in refusal(column, cell) for column in PLACES)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("５０１", "501"), ("０５０１", "0501"), ("Ａ", "A"), ("ａ栋", "A栋"), ("a栋", "A栋"), ("A 栋", "A栋"),
        ("A\u00a0栋", "A栋"), ("A　栋", "A栋"), (" 501 ", "501"), ("　501　", "501"), ('="0501"', "0501"),
        ("'0501", "0501"), ("’0501", "0501"), ("‘501", "501"), ('="５０１"', "501"), ("３－１", "3-1"), ("３＃", "3#"),
        ("b1-101", "B1-101"),
    ],
)  # fmt: skip
def test_a_place_is_folded_into_its_one_spelling(cell: str, value: str):
    assert [column.value(cell) for column in PLACES] == [value] * len(PLACES)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("ＳＮ１２３", "SN123"), ("SN 123 456", "SN123456"), ("　123　", "123"), ("'00123", "00123"),
        ('="00123"', "00123"), ("sn-１", "sn-1"), ("ab\u00a0c", "abc"),
    ],
)  # fmt: skip
def test_a_serial_number_is_folded_and_keeps_its_case(cell: str, value: str):
    assert SERIAL.value(cell) == value


@pytest.mark.parametrize(
    ("cell", "value"), [("ｗ５０１", "w501"), ("'w501", "w501"), ('="0501"', "0501"), ("b－１", "b-1")]
)
def test_an_identifier_is_folded_to_ascii(cell: str, value: str):
    assert [column.value(cell) for column in IDENTIFIERS] == [value] * 3


@pytest.mark.parametrize("cell", ["W501", "w 501", "w.501", "水表1", "501室"])
def test_an_identifier_with_anything_else_is_refused_because_the_device_logs_in_with_it(cell: str):
    assert all("不是有效编号" in refusal(column, cell) for column in IDENTIFIERS)


@pytest.mark.parametrize("cell", ["无", "-", "—", "——", "/", "\\", "暂无", "'", "－", '=""'])
def test_a_word_for_nothing_is_an_empty_cell(cell: str):
    assert [column.value(cell) for column in EVERY_COLUMN if not column.required] == [
        column.empty for column in EVERY_COLUMN if not column.required
    ]
    assert {refusal(column, cell) for column in EVERY_COLUMN if column.required} == {"不能为空"}


@pytest.mark.parametrize(
    "cell",
    [
        "501", "0501", "12501", "3-1", "12-25", "1-2-301", "A501", "501A", "B1", "-101", "3#", "3号楼", "A栋", "综合楼",
        "物业中心", "东单元", "二单元", "501室", "301/302", "1、2",
        "501，502，503", "3号楼（东）", "20260301", "99999", "地下室", "1E3", "12E5",
        "MARKET",
    ],
)  # fmt: skip
def test_a_place_that_people_write_is_left_alone(cell: str):
    assert [column.value(cell) for column in PLACES] == [cell] * len(PLACES)


@pytest.mark.parametrize(
    "cell",
    [
        "123456789012", "000501", "W24-000501", "12E5", "DEC-1234", "MAR-2024", "SN/2024/00012", "2024100012",
        "1.2.3.4", "AB:CD:EF:01:02:03", "24.10.00012", "5E-12A", "46082",
    ],
)  # fmt: skip
def test_a_serial_number_that_makers_print_is_left_alone(cell: str):
    assert SERIAL.value(cell) == cell


@pytest.mark.parametrize(
    "cell", ["阳光小区（一期）", "2026/3/1", "3.5 期", "A 座 旁", "东门内车棚", "#3 变压器旁", "ＡＢ座"]
)
def test_a_text_keeps_its_characters(cell: str):
    assert [column.value(cell) for column in TEXTS] == [cell] * len(TEXTS)


@given(st.text())
def test_folding_again_changes_nothing(text: str):
    assert fold_place(fold_place(text)) == fold_place(text)


@given(st.integers(0, 10**14))
def test_a_number_of_digits_alone_is_no_damage(number: int):
    assert find_code_loss(str(number)) is None
    assert SERIAL.value(str(number)) == str(number)


@given(st.integers(10, 10**14), st.integers(2, 6))
def test_every_number_in_scientific_notation_is_refused(number: int, digits: int):
    text = f"{number:.{digits}E}"
    assume(float(text) >= 10)
    assert all("科学计数法" in refusal(column, text) for column in CODES)


@given(st.dates(), st.sampled_from(["%d-%b", "%b-%y", "%Y/%m/%d", "%Y-%m-%d", "%m/%d/%Y", "%m月%d日", "%Y年%m月%d日"]))
def test_every_date_of_a_spreadsheet_is_refused_as_a_code(day, pattern: str):
    assume(day.year >= 1900)
    assert all("日期" in refusal(column, day.strftime(pattern)) for column in CODES)
