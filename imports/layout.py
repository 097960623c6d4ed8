"""The layout of a sheet: header, blank columns, and lines that are no records. Pure."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from imports.cells import quoted
from imports.forms import IGNORED_HEADERS, Form
from imports.tables import Problem, Sheet

_FORMATS = ".xlsx 或“CSV UTF-8（逗号分隔）”"
HOW_TO_SAVE = f"请在表格软件中另存为 {_FORMATS}"
"""The end of a message about a file that is neither of both."""

_HEADER_WITHIN = 20
_DELIMITERS = {";": "分号", "\t": "制表符", ",": "英文逗号", "，": "中文逗号", "；": "中文分号"}
_TOTAL = re.compile(r"(合计|总计|小计|共计|汇总|总数)([:：（(].*)?")


class Row(NamedTuple):
    """A row of a file: its line number, and its cells without blanks at their ends."""

    line: int
    cells: Sequence[str]


class UnreadableError(Exception):
    """A file, or the rest of it, is in no format that Anju reads; `line` is the line of the fault, if there is one."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def lay_out(file: str, rows: Sequence[Row], form: Form) -> tuple[Sheet, list[Problem]]:
    """Return the records of a file below its header, and every problem of its layout.

    Rows without content are skipped, and so are columns without content that have no header. A file without a header
    gives a sheet without columns, and one problem.
    """
    rows = [row for row in rows if any(row.cells)]
    if not rows:
        return Sheet(file), [Problem(file, None, None, "文件是空的：第一行应为列名")]
    if not _is_header(rows[0].cells, form):
        return Sheet(file), [_missing_header(file, rows, form)]
    header, *records = rows
    width = max((at for at, cell in enumerate(header.cells, 1) if cell), default=0)
    problems, kept = [], []
    for row in records:
        fault = _fault(row.cells, header.cells, width, form)
        if fault:
            problems.append(Problem(file, row.line, None, fault))
        else:
            kept.append(row)
    positions = []
    for at, name in enumerate(header.cells[:width]):
        if name and name not in IGNORED_HEADERS:
            positions.append(at)
        elif not name and any(row.cells[at] for row in kept):
            problems.append(
                Problem(file, header.line, None, f"第 {at + 1} 列有内容而没有列名：请补上列名，或删除这一列")
            )
    columns = tuple(header.cells[at] for at in positions)
    cells = [[row.cells[at] for at in positions] for row in kept]
    return Sheet(file, columns, [row.line for row in kept], cells, header.line), problems


def _is_header(cells: Sequence[str], form: Form) -> bool:
    """Return whether at least two cells, or all of them, are headers of the form."""
    names = [cell for cell in cells if cell]
    known = sum(form.column(name) is not None for name in names)
    return known >= 2 or known == len(names)


def _missing_header(file: str, rows: Sequence[Row], form: Form) -> Problem:
    """Return the problem of a file with a first line that is no header."""
    line, cells = rows[0]
    first = next(cell for cell in cells if cell)
    for row in rows[:_HEADER_WITHIN]:
        if _is_header(row.cells, form):
            return Problem(file, line, None, f"这一行不是列名，列名在第 {row.line} 行：请删除列名以上的各行")
        for delimiter, name in _DELIMITERS.items():
            parts = [part.strip() for part in next(filter(None, row.cells)).split(delimiter)]
            if len(parts) > 1 and _is_header(parts, form):
                return Problem(
                    file, row.line, None, f"各列挤在一个单元格里，之间是{name}：请在表格软件中分列，再另存为 {_FORMATS}"
                )
    names = "、".join(f"{column.name}（{column.zh[0]}）" for column in form.columns if column.required)
    return Problem(file, line, None, f"第一行应为列名，其中必填的有 {names}；现在这一行以 {quoted(first)} 开头")


def _fault(cells: Sequence[str], header: Sequence[str], width: int, form: Form) -> str | None:
    """Return why a line is not a record of as many cells as the header has columns, or None."""
    first = cells[0] or next(filter(None, cells))
    if _TOTAL.fullmatch("".join(first.split())):
        return "合计行不是一条记录：请删除"
    if first in header and list(cells[:width]) == list(header[:width]):
        return "重复的列名行：请删除"
    if len(cells) < width or any(cells[width:]):
        return f"有 {len(cells)} 个单元格，而表头有 {width} 列：含逗号的内容须加双引号，空单元格须保留逗号"
    if len(cells) - cells.count("") == 1 and sum(column.required for column in form.columns) > 1:
        return "只有一个单元格有内容：标题、说明等行请删除，合并的单元格请取消合并后逐行填写"
    return None
