"""CSV files as spreadsheets write them: encoding, delimiter, and the line number of each row."""

import csv
import io
from collections.abc import Iterator

from imports.layout import HOW_TO_SAVE, Row, UnreadableError

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def csv_rows(data: bytes) -> Iterator[Row]:
    """Yield the rows of a CSV file, without blanks around the cells.

    The encoding is UTF-8, with or without BOM, or GB18030. The delimiter is the comma; quoting follows RFC 4180.

    Raises:
        UnreadableError: the file, or the rest of it, is not a CSV file that Anju reads.
    """
    reader = csv.reader(io.StringIO(_decode(data), newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            yield Row(line, [cell.strip() for cell in cells])
            line = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableError(f"从这一行起无法读取，双引号可能没有成对出现（{error}）", line) from error


def _decode(data: bytes) -> str:
    if data.lstrip().startswith(b"<"):
        raise UnreadableError(f"这是网页（HTML）文件，不是表格：{HOW_TO_SAVE}")
    if data.startswith(_UTF16_BOMS):
        raise UnreadableError(f"文件编码是 UTF-16：{HOW_TO_SAVE}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        damaged = UnreadableError(f"这一行含有不是 UTF-8 的字节，文件可能已损坏：{HOW_TO_SAVE}", line)
    if data.startswith(_BOM) or _mostly_utf8(data):
        raise damaged
    try:
        return data.decode("gb18030").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableError(f"文件编码既不是 UTF-8，也不是 GB18030：{HOW_TO_SAVE}", line) from None


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
