"""Workbooks are read as people see them, within bounds."""

import io
import zipfile
from datetime import UTC, date, datetime
from datetime import time as clock
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from imports.forms import COMMUNITIES, DEVICES, HOUSEHOLDS, Form
from imports.sheet_file import read_sheet
from imports.tables import Problem, Table, read_table

NOON = datetime(2026, 3, 1, 12, 30, tzinfo=UTC).replace(tzinfo=None)
HEADER = ["小区", "楼号", "单元", "房号"]
HUGE = (
    b'<?xml version="1.0"?>\n<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
)
FAR_APART = HUGE + (
    b'<row r="1"><c r="A1"><v>1</v></c></row>'
    b'<row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData></worksheet>'
)
BILLION_LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a0 "ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
    + b']><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    b'<row r="1"><c r="A1" t="inlineStr"><is><t>&a11;</t></is></c></row></sheetData></worksheet>'
)


def workbook(**sheets: list[list[object]]) -> Workbook:
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return book


def bytes_of(book: Workbook) -> bytes:
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def saved(book: Workbook, path: Path, **replaced: bytes) -> Path:
    """Save a workbook; the content of its first sheet may be `replaced`, or a piece of it by `old` and `new`."""
    with (
        zipfile.ZipFile(io.BytesIO(bytes_of(book))) as made,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in made.namelist():
            data = made.read(name)
            if name == "xl/worksheets/sheet1.xml":
                data = replaced.get("sheet") or data.replace(replaced.get("old", b""), replaced.get("new", b""))
            archive.writestr(name, data)
    return path


def read(path: Path, form: Form = HOUSEHOLDS) -> tuple[Table, list[Problem], list[Problem]]:
    sheet, problems, notes = read_sheet(path, form)
    table, more = read_table(form, sheet)
    return table, problems + more, notes


def test_typed_cells_are_read_with_all_their_digits(tmp_path: Path):
    header = ["小区编号", "设备编号", "类型", "楼号", "单元", "房号", "出厂编号", "安装日期", "是否模拟"]
    row = ["yg", "w501", "水表", 3, 2.0, 501, 123456789012, date(2024, 5, 1), True]
    table, problems, _ = read(saved(workbook(设备=[header, row]), tmp_path / "d.xlsx"), DEVICES)
    assert problems == []
    assert table.values == [
        ("yg", "w501", "water_meter", "3", "2", "501", "123456789012", date(2024, 5, 1), True),
    ]  # fmt: skip


def test_numbers_of_a_community_are_read(tmp_path: Path):
    header = ["小区编号", "小区名称", "旗区", "街道", "建成年份", "补助", "纬度", "经度", "开工日期"]
    row = ["yg", "阳光小区", "东胜区", "天骄街道", 1998, False, 39.8172, 109.9634, date(2024, 4, 15)]
    table, problems, _ = read(saved(workbook(Sheet1=[header, row]), tmp_path / "c.xlsx"), COMMUNITIES)
    assert problems == []
    assert table.values[0][4:] == (1998, False, date(2024, 4, 15), 39.8172, 109.9634)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (date(2026, 3, 1), "日期"), (NOON, "日期"),
        (clock(3, 1), "日期"), (True, "逻辑值"), (501.5, "数字"), (46082, "2026-03-01"),
        (1234567890123456789, "科学计数法"), ("#N/A", "错误值"), ("1-Mar", "日期"),
        ("1.01E+03", "科学计数法"), ("501\n502", "换行"),
    ],
)  # fmt: skip
def test_a_damaged_room_of_a_workbook_is_refused(tmp_path: Path, value: object, expected: str):
    _, [problem], _ = read(saved(workbook(住户=[HEADER, ["yg", 3, 2, value]]), tmp_path / "h.xlsx"))
    assert (problem.file, problem.line, problem.column) == ("h.xlsx[住户]", 2, "房号")
    assert expected in problem.message


def test_a_number_that_is_shown_with_zeros_before_it_has_them(tmp_path: Path):
    book = workbook(住户=[HEADER, ["yg", 3, 2, 501], ["yg", 3, 2, 12501]])
    book["住户"]["D2"].number_format = book["住户"]["D3"].number_format = "0000"
    table, problems, _ = read(saved(book, tmp_path / "h.xlsx"))
    assert (problems, [values[-1] for values in table.values]) == ([], ["0501", "12501"])


def test_a_vertically_merged_cell_counts_for_each_row_and_that_is_said(tmp_path: Path):
    rows = [HEADER, ["yg", 3, 1, 101], [None, None, None, 102], [None, None, 2, 101], [None, None, None, 102]]
    book = workbook(住户=rows)
    for area in ("A2:A5", "B2:B5", "C2:C3", "C4:C5"):
        book["住户"].merge_cells(area)
    table, problems, [note] = read(saved(book, tmp_path / "h.xlsx"))
    assert problems == []
    assert table.values == [(*("yg", "3"), unit, room) for unit in "12" for room in ("101", "102")]
    assert "4 处竖向合并" in note.message


def test_the_sheet_of_that_name_is_read_among_several(tmp_path: Path):
    sheets = {"说明": [["先看这里"]], "住户": [HEADER, ["yg", 3, 2, 501]], "设备": [["community", "device", "kind"]]}
    table, problems, notes = read(saved(workbook(**sheets), tmp_path / "all.xlsx"))
    assert (table.file, len(table.values), problems, notes) == ("all.xlsx[住户]", 1, [], [])


@pytest.mark.parametrize("name", ["households", "Households", "住户", "住户表", " 住户 "])
def test_a_sheet_may_have_the_english_or_the_chinese_name(tmp_path: Path, name: str):
    path = saved(workbook(Sheet1=[["?"]], **{name: [HEADER, ["yg", 3, 2, 501]]}), tmp_path / "h.xlsx")
    assert len(read(path)[0].values) == 1


def test_without_that_name_the_first_visible_sheet_is_read_and_the_others_are_named(tmp_path: Path):
    book = workbook(旧=[["?"]], 一号楼=[HEADER, ["yg", 1, 1, 101]], 二号楼=[HEADER, ["yg", 2, 1, 101]])
    book["旧"].sheet_state = "hidden"
    table, problems, [note] = read(saved(book, tmp_path / "h.xlsx"))
    assert (table.file, problems, table.values[0][1]) == ("h.xlsx[一号楼]", [], "1")
    assert "二号楼" in note.message
    assert "旧" not in note.message


def test_a_formula_counts_by_its_result(tmp_path: Path):
    book = workbook(住户=[HEADER, ["yg", 3, 2, '="0501"']])
    path = saved(book, tmp_path / "h.xlsx", old=b"<v />", new=b"<v>501</v>")
    assert [values[-1] for values in read(path)[0].values] == ["501"]


def test_a_formula_without_a_result_is_refused(tmp_path: Path):
    _, [problem], _ = read(saved(workbook(住户=[HEADER, ["yg", 3, 2, "=A1"]]), tmp_path / "h.xlsx"))
    assert "公式还没有计算结果" in problem.message


def test_blank_rows_and_columns_are_skipped_and_lines_keep_their_number(tmp_path: Path):
    rows = [[None, *HEADER, None], [], [None, "yg", 3, 2, 501], [], [None, "YG", 3, 2, 502]]
    table, [problem], _ = read(saved(workbook(住户=rows), tmp_path / "h.xlsx"))
    assert (table.lines, problem.line, problem.column) == ([3, 5], 5, "小区")


def test_two_cells_far_apart_are_refused_and_not_spread_out(tmp_path: Path):
    began = monotonic()
    _, [problem], _ = read(saved(workbook(住户=[HEADER]), tmp_path / "far.xlsx", sheet=FAR_APART))
    assert "1048576 行 16384 列" in problem.message
    assert monotonic() - began < 60


def test_a_workbook_that_unpacks_to_much_is_refused_unread(tmp_path: Path):
    path = saved(workbook(住户=[HEADER]), tmp_path / "bomb.xlsx", sheet=HUGE + b" " * 65 * 2**20)
    assert path.stat().st_size < 2**20
    _, [problem], _ = read(path)
    assert "超过 64 MiB" in problem.message


def test_entities_that_multiply_are_refused(tmp_path: Path):
    _, [problem], _ = read(saved(workbook(住户=[HEADER]), tmp_path / "laughs.xlsx", sheet=BILLION_LAUGHS))
    assert "已损坏" in problem.message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), ".xls"),
        (b"PK\x03\x04" + bytes(64), "已损坏"),
    ],
)
def test_another_format_is_named(tmp_path: Path, content: bytes, expected: str):
    path = tmp_path / "h.xlsx"
    path.write_bytes(content)
    _, [problem], _ = read(path)
    assert expected in problem.message


def test_another_archive_is_no_workbook(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "h.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    _, [problem], _ = read(tmp_path / "h.ods")
    assert "不是 .xlsx" in problem.message


WHOLE = bytes_of(workbook(住户=[HEADER, ["yg", 3, 2, 501]]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_workbook_is_a_sheet_or_a_problem(tmp_path: Path, data):
    path = tmp_path / "h.xlsx"
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 5))):
        content[4 + data.draw(st.integers(0, 4_000)) % (len(content) - 4)] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    table, problems, _ = read(path)
    assert table.columns or problems
