"""Excel workbooks (.xlsx): the rows of a sheet as a person sees them, as text.

openpyxl reads them and not python-calamine (decision 22): calamine gives no sign of an error value and ends the process
on a sheet with two cells far apart.
"""

import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime, time
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from imports.layout import HOW_TO_SAVE, Row, UnreadableError

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell, MergedCell
    from openpyxl.workbook.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

ZIP = b"PK\x03\x04"
"""The first bytes of a workbook."""

OLD_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""The first bytes of a workbook of Excel 97 to 2003, and of one with a password."""

MAX_UNPACKED_MIB = 64
"""Of the files in a workbook, unpacked: about 100,000 lines of devices, for which openpyxl takes 600 MB of memory."""

_MAX_CELLS = 2_000_000
_MAX_DIGITS = 10**15  # a spreadsheet keeps 15 digits of a number
_ZERO_PADDED = re.compile(r"0+")
_FORMULA = re.compile(rb"<f[ >/]")
_RESULT = re.compile(rb"(</f>|<f[^>]*/>)\s*<v>[^<]")


class SheetRows(NamedTuple):
    """The rows of one sheet of a workbook, and notes about them to its author."""

    sheet: str
    rows: list[Row]
    notes: list[str]


def read_workbook(data: bytes, names: Sequence[str]) -> SheetRows:
    """Return the rows of the sheet that has one of these names, otherwise of the first visible one.

    A number is written with all its digits, in the zero-padded format of its cell if it has one, and a date as
    YYYY-MM-DD. A vertically merged cell counts for each of its rows.

    Raises:
        UnreadableError: the file is not a workbook, is too large, or has no visible sheet.
    """
    workbook = _load(data)
    visible = [sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible"]
    named = [sheet for sheet in visible if sheet.title.strip().casefold() in names]
    if not visible:
        raise UnreadableError("工作簿中没有可见的工作表：请取消隐藏")
    sheet, *_ = named or visible
    notes = []
    unread = [each.title for each in visible if each is not sheet and each.max_row > 1]
    if unread and not named:
        notes.append(
            f"只读取了第一张工作表；没有读取的有：{'、'.join(unread)}（要读取哪一张，就把它改名为 {names[-1]}）"
        )
    merged = _fill_merged(sheet)
    if merged:
        notes.append(f"{merged} 处竖向合并的单元格，合并区域的每一行都按同一内容读取")
    return SheetRows(sheet.title, list(_rows(sheet)), notes)


def _load(data: bytes) -> "Workbook":
    # The import takes a quarter of a second, which a CSV file need not wait for.
    from openpyxl import load_workbook  # noqa: PLC0415

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            fault = _fault(archive)
        if fault is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about styles and validations that an import does not need
                return load_workbook(io.BytesIO(data), data_only=True, keep_links=False)
    except Exception as error:  # a damaged workbook makes openpyxl raise almost anything
        raise UnreadableError(f"Excel 工作簿已损坏，无法读取（{type(error).__name__}）：{HOW_TO_SAVE}") from error
    raise UnreadableError(fault)


def _fault(archive: zipfile.ZipFile) -> str | None:
    """Return why a workbook is not loaded, or None. No more of a file is unpacked than the size that it declares."""
    if "xl/workbook.xml" not in archive.namelist():
        return f"这个文件不是 .xlsx 工作簿：{HOW_TO_SAVE}"
    if sum(info.file_size for info in archive.infolist()) > MAX_UNPACKED_MIB * 2**20:
        return f"工作簿太大（解压后超过 {MAX_UNPACKED_MIB} MiB）：请删除多余的行和图片，或另存为 CSV UTF-8"
    sheets = [archive.read(name) for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
    if any(map(_FORMULA.search, sheets)) and not any(map(_RESULT.search, sheets)):
        return "公式还没有计算结果：请用表格软件打开工作簿，保存后再导入"
    return None


def _fill_merged(sheet: "Worksheet") -> int:
    """Write the content of each vertically merged cell into all of its rows; return the number of these cells."""
    ranges = [area for area in sheet.merged_cells.ranges if area.min_col == area.max_col]
    for area in ranges:
        sheet.unmerge_cells(area.coord)
        top = sheet.cell(area.min_row, area.min_col)
        for line in range(area.min_row + 1, area.max_row + 1):
            cell = sheet.cell(line, area.min_col, top.value)
            cell.number_format = top.number_format
    return len(ranges)


def _rows(sheet: "Worksheet") -> Iterator[Row]:
    if sheet.max_row * sheet.max_column > _MAX_CELLS:
        raise UnreadableError(
            f"工作表“{sheet.title}”有 {sheet.max_row} 行 {sheet.max_column} 列，超过 {_MAX_CELLS} 个单元格："
            "请删除内容以外的空行、空列（很远处可能还有格式）"
        )
    for line, cells in enumerate(sheet.iter_rows(), start=1):
        yield Row(line, [_text(cell) for cell in cells])


def _text(cell: "Cell | MergedCell") -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return _number_text(value, cell.number_format)
    return str(value).strip()


def _number_text(value: float, number_format: str) -> str:
    if abs(value) >= _MAX_DIGITS:
        return f"{value:.5E}"
    if value != int(value):
        return repr(value)
    return str(int(value)).zfill(len(number_format) if _ZERO_PADDED.fullmatch(number_format) else 0)
