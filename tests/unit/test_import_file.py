"""Import files are read as spreadsheets write them."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imports.forms import COMMUNITIES, DEVICES, HOUSEHOLDS, Form
from imports.sheet_file import read_sheet
from imports.tables import ImportRefusedError, Problem, Sheet, join_lines, read_table, sheet_of

HOUSEHOLD_HEADER = "community,building,unit,room\n"

# Texts that pass through a file unchanged: no blanks at the ends, no characters of only one encoding.
cells = st.text(st.characters(codec="gb18030", exclude_categories=["Cs", "Cc"]), max_size=12).map(str.strip)
records = st.lists(cells, min_size=4, max_size=4).filter(lambda row: sum(map(bool, row)) > 1)
on_disk = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(path: Path, rows: list[list[str]], encoding: str = "utf-8", ending: str = "\r\n") -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator=ending).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def read(path: Path, form: Form = HOUSEHOLDS) -> tuple[Sheet, list[Problem]]:
    return read_sheet(path, form)[:2]


def problems_of(path: Path, content: bytes | str) -> list[Problem]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path)[1]


@on_disk
@given(
    rows=st.lists(records, max_size=8),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_a_file_of_a_spreadsheet_is_read_back(tmp_path: Path, rows, encoding, ending):
    header = ["community", "building", "unit", "room"]
    sheet, problems = read(written(tmp_path / "h.csv", [header, *rows], encoding, ending))
    assert problems == []
    assert sheet.columns == tuple(header)
    assert sheet.rows == rows


@on_disk
@given(st.binary(max_size=300))
def test_any_bytes_give_a_sheet_or_a_problem(tmp_path: Path, content: bytes):
    path = tmp_path / "any.csv"
    path.write_bytes(content)
    sheet, problems = read(path)
    assert sheet.columns or problems
    assert all(len(row) == len(sheet.columns) for row in sheet.rows)


@on_disk
@given(order=st.permutations(["community", "device", "kind", "building", "serial", "simulated"]))
def test_the_order_of_the_columns_never_matters(tmp_path: Path, order: list[str]):
    rows = [
        {"community": "c1", "device": "d1", "kind": "gateway", "building": "3", "serial": "", "simulated": "是"},
        {"community": "c1", "device": "D2", "kind": "meter", "building": "甲", "serial": "S1", "simulated": "?"},
    ]
    sheet, _ = read(written(tmp_path / "d.csv", [order, *([row[name] for name in order] for row in rows)]), DEVICES)
    table, problems = read_table(DEVICES, sheet)
    straight, expected = read_table(
        DEVICES, Sheet("d.csv", tuple(rows[0]), [2, 3], [list(row.values()) for row in rows])
    )
    assert list(table.records()) == list(straight.records())
    assert problems == expected
    assert len(problems) == 3


def test_gb18030_from_a_chinese_spreadsheet_is_recognised(tmp_path: Path):
    rows = [["community", "name", "banner", "street"], ["yangguang", "阳光小区", "东胜区", "天骄街道"]]
    sheet, problems = read(written(tmp_path / "c.csv", rows, "gb18030"), COMMUNITIES)
    assert (sheet.rows, problems) == ([rows[1]], [])


def test_damaged_utf8_is_not_taken_for_gb18030(tmp_path: Path):
    lines = ["community,name", "a,阳光", "b,花园", "c,绿地"]
    content = "\n".join(lines).encode().replace("园".encode(), b"\xe5\x9ba")
    assert content.decode("gb18030") != "\n".join(lines)
    (problem,) = problems_of(tmp_path / "c.csv", content)
    assert problem.line == 3
    assert "可能已损坏" in problem.message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("community;building;unit;room\nc1;1;1;101\n", "分号"),
        ("community\tbuilding\tunit\troom\nc1\t1\t1\t101\n", "制表符"),
        ("community，building，unit，room\n", "中文逗号"),
        (b"PK\x03\x04...", "Excel"),
        ("\n<html><table><tr><td>community</td></tr></table>", "网页"),
        ("community,building".encode("utf-16"), "UTF-16"),
        (b"community\n\xff\xff\xff", "GB18030"),
        ("", "空的"),
        ("\n,,\n", "空的"),
        ('community,building\nc1,"1\nc2,2\n', "双引号"),
    ],
)
def test_a_file_of_another_format_is_named(tmp_path: Path, content, expected: str):
    (problem,) = problems_of(tmp_path / "x.csv", content)
    assert expected in problem.message


def test_a_missing_file_is_a_problem(tmp_path: Path):
    sheet, (problem,) = read(tmp_path / "nowhere.csv")
    assert sheet.columns == ()
    assert problem.file == "nowhere.csv"


def test_empty_lines_and_empty_cells_at_the_edge_are_skipped(tmp_path: Path):
    path = tmp_path / "h.csv"
    path.write_text("community,building,unit,room,,\n\nc1,1,1,101,,\n,,,,,\n  \nc1,1,1,102\n")
    sheet, problems = read(path)
    assert problems == []
    assert sheet.rows == [["c1", "1", "1", "101"], ["c1", "1", "1", "102"]]
    assert sheet.lines == [3, 6]


def test_a_line_with_too_few_or_too_many_cells_is_named(tmp_path: Path):
    problems = problems_of(tmp_path / "h.csv", HOUSEHOLD_HEADER + "c1,1,1\nc1,1,1,101\nc1,1,1,1,01\n")
    assert [(problem.line, problem.message[:6]) for problem in problems] == [(2, "有 3 个单"), (4, "有 5 个单")]


TITLE = "阳光小区设备台账"
TABLE = "community,device,kind,building\n" + "".join(f"yg,w{number},water_meter,3\n" for number in range(54))


@pytest.mark.parametrize(
    "above",
    [f"{TITLE}\n", f"{TITLE},,,\n", f"{TITLE}\n\n", f"{TITLE}\n日期：2026-03-01,,,\n", "1,2,3,4\n", "设备；表\n"],
)
def test_lines_above_the_header_are_one_problem_that_names_the_header(tmp_path: Path, above: str):
    path = tmp_path / "d.csv"
    path.write_text(above + TABLE)
    sheet, [problem] = read(path, DEVICES)
    table, problems = read_table(DEVICES, sheet)
    assert (table.columns, table.values, problems) == ((), [], [])
    assert problem.line == 1
    assert f"列名在第 {above.count(chr(10)) + 1} 行" in problem.message


def test_a_file_without_a_header_is_one_problem_that_names_the_required_columns(tmp_path: Path):
    path = tmp_path / "h.csv"
    path.write_text("yg,3,2,501\nyg,3,2,502\n")
    [problem] = read(path)[1]
    assert problem.line == 1
    assert all(
        name in problem.message
        for name in ("community（小区编号）", "building（楼号）", "unit（单元）", "room（房号）")
    )


@pytest.mark.parametrize("total", ["合计,,,2", "合 计,,,2", "总计：2 户,,,", "小计,3,,", "合计（户）,,,2"])
def test_a_line_of_totals_is_one_problem(tmp_path: Path, total: str):
    [problem] = problems_of(tmp_path / "h.csv", f"{HOUSEHOLD_HEADER}yg,3,2,501\n{total}\n")
    assert (problem.line, problem.message) == (3, "合计行不是一条记录：请删除")


@pytest.mark.parametrize("line", ["填表人：张三,,,", ",,,502", ",3,,", "备注,,,"])
def test_a_line_with_one_cell_is_one_problem(tmp_path: Path, line: str):
    [problem] = problems_of(tmp_path / "h.csv", f"{HOUSEHOLD_HEADER}yg,3,2,501\n{line}\n")
    assert (problem.line, problem.column) == (3, None)
    assert "只有一个单元格有内容" in problem.message


def test_a_second_header_is_one_problem(tmp_path: Path):
    [problem] = problems_of(tmp_path / "h.csv", f"{HOUSEHOLD_HEADER}yg,3,2,501\n{HOUSEHOLD_HEADER}")
    assert (problem.line, problem.message) == (3, "重复的列名行：请删除")


def test_cells_that_a_merged_cell_left_empty_are_one_problem_for_each_column(tmp_path: Path):
    path = tmp_path / "h.csv"
    path.write_text(HOUSEHOLD_HEADER + "yg,3,1,101\n" + "".join(f",,1,{room}\n" for room in range(102, 136)))
    sheet, problems = read(path)
    assert problems == []
    joined = join_lines(read_table(HOUSEHOLDS, sheet)[1])
    assert [(each.line, each.last_line, each.column) for each in joined] == [(3, 36, "community"), (3, 36, "building")]
    assert str(joined[0]) == "h.csv 第 3 至 36 行（lines 3-36） community 列：不能为空"


def test_a_blank_column_is_skipped_and_one_without_a_header_is_named(tmp_path: Path):
    path = tmp_path / "h.csv"
    path.write_text("community,,building,unit,,room\nyg,,3,2,,501\n")
    sheet, problems = read(path)
    assert (sheet.columns, sheet.rows, problems) == (
        ("community", "building", "unit", "room"), [["yg", "3", "2", "501"]], [],
    )  # fmt: skip
    [problem] = problems_of(path, "community,,building,unit,,room\nyg,,3,2,张三,501\n")
    assert "第 5 列有内容而没有列名" in problem.message


def test_columns_for_people_are_left_unread(tmp_path: Path):
    path = tmp_path / "h.csv"
    path.write_text("序号,小区,楼栋,单元,房号,备注\n1,yg,3,2,501,空置\n")
    sheet, problems = read(path)
    assert (sheet.rows, problems) == ([["yg", "3", "2", "501"]], [])


@pytest.mark.parametrize("form", [COMMUNITIES, HOUSEHOLDS, DEVICES], ids=lambda form: form.name)
def test_every_header_of_a_form_names_one_column_in_any_dress(form: Form):
    for column in form.columns:
        for header in (column.name, *column.zh):
            assert form.column(header) is column
            for dressed in (f"*{header}", f"{header}（必填）", f"{header} ", f"{header}\n(文本)", f"{header}*"):
                assert form.column(dressed) is column
    assert len(set(form.headers)) == sum(1 + len(column.zh) for column in form.columns)


def test_chinese_headers_are_read_and_named_in_problems(tmp_path: Path):
    path = tmp_path / "d.csv"
    path.write_text(
        "小区编号,设备编号,设备类型,楼栋,安装日期,是否模拟\nyg,w501,水表,3,2024/5/1,也许\nyg,w502,电动表,3,,否\n"
    )
    table, problems = read_table(DEVICES, read(path, DEVICES)[0])
    assert [(problem.line, problem.column) for problem in problems] == [
        (3, "设备类型"),
        (2, "安装日期"),
        (2, "是否模拟"),
    ]
    assert problems[0].message.endswith("是否应为 电表？")
    assert table.values[0][:4] == ("yg", "w501", "water_meter", "3")


def test_two_headers_for_one_column_are_a_problem():
    _, [problem] = read_table(HOUSEHOLDS, Sheet("h.csv", ("community", "building", "楼号", "unit", "room")))
    assert (problem.column, problem.message) == ("楼号", "与 building 是同一列：每列只能有一个")


def test_a_line_may_name_its_community_instead_of_its_id():
    sheet = Sheet("h.csv", ("community", "building", "unit", "room"), [2], [["阳光小区", "3", "2", "501"]])
    table, problems = read_table(HOUSEHOLDS, sheet, {"阳光小区": "yg"})
    assert (table.values, problems) == ([("yg", "3", "2", "501")], [])
    assert [note.message for note in table.notes] == ["“阳光小区” 按 “yg” 读取"]
    assert "不是有效编号" in read_table(HOUSEHOLDS, sheet)[1][0].message


def test_what_was_folded_is_noted():
    sheet = Sheet("h.csv", ("community", "building", "unit", "room"), [2], [["yg", "a 栋", "１", "501"]])
    table, problems = read_table(HOUSEHOLDS, sheet)
    assert (table.values, problems) == ([("yg", "A栋", "1", "501")], [])
    assert [(note.column, note.message) for note in table.notes] == [
        ("building", "“a 栋” 按 “A栋” 读取"), ("unit", "“１” 按 “1” 读取"),
    ]  # fmt: skip


def test_a_word_for_nothing_is_noted_as_an_empty_cell():
    sheet = Sheet(
        "d.csv", ("community", "device", "kind", "serial", "simulated"), [2], [["yg", "w1", "水表", "无", "否"]]
    )
    table, problems = read_table(DEVICES, sheet)
    assert (table.values, problems) == ([("yg", "w1", "water_meter", None, False)], [])
    assert [(note.column, note.message) for note in table.notes] == [("serial", "“无” 按空单元格读取")]


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path):
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(300 * 2**20)
    assert "超过 256 MiB" in read(path)[1][0].message


def test_a_line_is_counted_from_where_it_begins(tmp_path: Path):
    path = tmp_path / "h.csv"
    path.write_text(HOUSEHOLD_HEADER + 'c1,"a\nb",1,101\nC2,1,1,101\n')
    _, problems = read_table(HOUSEHOLDS, read(path)[0])
    assert [(problem.line, problem.column) for problem in problems] == [(4, "community"), (2, "building")]


def test_an_unknown_column_is_refused_with_the_nearest_one():
    _, (problem,) = read_table(COMMUNITIES, Sheet("c.csv", ("community", "name", "banner", "Street", "street")))
    assert (problem.line, problem.column) == (1, "Street")
    assert problem.message.endswith("是否应为 street？")


def test_missing_and_repeated_columns_are_refused():
    _, problems = read_table(HOUSEHOLDS, Sheet("h.csv", ("community", "building", "unit", "unit")))
    assert [(problem.column, problem.line) for problem in problems] == [("unit", 1), ("room", 1)]


def test_a_program_may_give_values_instead_of_text():
    sheet = sheet_of(
        DEVICES, [{"community": "c1", "simulated": True, "serial": None}, {"community": "c2", "room": 501}]
    )
    assert sheet.columns == ("community", "simulated", "serial", "room")
    assert sheet.rows == [["c1", "True", "", ""], ["c2", "", "", "501"]]


def test_a_refusal_shows_two_hundred_problems_and_counts_the_rest():
    error = ImportRefusedError([Problem("d.csv", line, "kind", "不能为空") for line in range(2, 252)])
    shown = str(error).splitlines()
    assert len(error.problems) == 250
    assert shown[0].startswith("导入被拒绝，未写入任何数据：共 250 个问题")
    assert shown[1] == "d.csv 第 2 行（line 2） kind 列：不能为空"
    assert len(shown) == 202
    assert "另外 50 个问题" in shown[-1]
