"""CSV files as spreadsheets write them: encoding, delimiter, and the line number of each row."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from imports.tables import Problem, Sheet

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_ZIP = b"PK\x03\x04"
_OTHER_DELIMITERS = {";": "分号", "\t": "制表符", "，": "中文逗号", "；": "中文分号"}
_HOW_TO_SAVE = "请在表格软件中另存为“CSV UTF-8（逗号分隔）”"


class _UnreadableError(Exception):
    """The file is not a CSV file that Anju reads; `line` is the line of the fault, if there is one."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def read_sheet(path: Path) -> tuple[Sheet, list[Problem]]:
    """Return the cells of a CSV file without surrounding blanks, and every problem of its form.

    The encoding is UTF-8, with or without BOM, or GB18030. The delimiter is the comma; quoting follows RFC 4180. Empty
    lines are skipped. An unreadable file gives a sheet without columns.
    """
    file = path.name
    try:
        rows = _rows(_decode(path.read_bytes()))
        columns = _header(next(rows, (1, []))[1])
    except OSError as error:
        return Sheet(file), [Problem(file, None, None, f"无法读取文件：{error.strerror}")]
    except _UnreadableError as error:
        return Sheet(file), [Problem(file, error.line, None, str(error))]
    lines, cells, problems = [], [], []
    try:
        for line, row in rows:
            if not any(row):
                continue
            if len(row) < len(columns) or any(row[len(columns) :]):
                message = (
                    f"有 {len(row)} 个单元格，而表头有 {len(columns)} 列：含逗号的内容须加双引号，空单元格须保留逗号"
                )
                problems.append(Problem(file, line, None, message))
            else:
                lines.append(line)
                cells.append(row[: len(columns)])
    except _UnreadableError as error:
        problems.append(Problem(file, error.line, None, str(error)))
    return Sheet(file, columns, lines, cells), problems


def _decode(data: bytes) -> str:
    if data.startswith(_ZIP):
        raise _UnreadableError(f"这是 Excel 工作簿，不是 CSV：{_HOW_TO_SAVE}")
    if data.startswith(_UTF16_BOMS):
        raise _UnreadableError(f"文件编码是 UTF-16：{_HOW_TO_SAVE}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        damaged = _UnreadableError(f"这一行含有不是 UTF-8 的字节，文件可能已损坏：{_HOW_TO_SAVE}", line)
    if data.startswith(_BOM) or _mostly_utf8(data):
        raise damaged
    try:
        return data.decode("gb18030").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _UnreadableError(f"文件编码既不是 UTF-8，也不是 GB18030：{_HOW_TO_SAVE}", line) from None


def _mostly_utf8(data: bytes) -> bool:
    """Return whether a file is damaged UTF-8: as GB18030, which accepts nearly any bytes, it would be nonsense."""
    beyond_ascii = [line for line in data.splitlines() if not line.isascii()]
    return sum(map(_is_utf8, beyond_ascii)) * 2 > len(beyond_ascii)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line of each row, and its cells."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, [cell.strip() for cell in row]
            line = reader.line_num + 1
    except csv.Error as error:
        raise _UnreadableError(f"从这一行起无法读取，双引号可能没有成对出现（{error}）", line) from error


def _header(cells: list[str]) -> tuple[str, ...]:
    """Return the column names without the empty cells that spreadsheets append."""
    while cells and not cells[-1]:
        cells.pop()
    if not cells:
        raise _UnreadableError("文件是空的：第一行应为列名")
    for delimiter, name in _OTHER_DELIMITERS.items():
        if len(cells) == 1 and delimiter in cells[0]:
            raise _UnreadableError(f"列之间用的是{name}，应为英文逗号：{_HOW_TO_SAVE}", 1)
    return tuple(cells)
