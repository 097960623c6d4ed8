"""Sheets of text turned into typed tables, with the problems of their cells. Pure: no files, no database."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from imports.cells import CellError, quoted, suggestion, visible
from imports.forms import Column, Form
from store.database import StoreError
from store.registry.upsert import CellValue, TableRows

_MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason to refuse an import. `line` counts from 1, the header; a problem of a whole file has none."""

    file: str
    line: int | None
    column: str | None
    message: str

    def __str__(self) -> str:
        line = "" if self.line is None else f" 第 {self.line} 行（line {self.line}）"
        column = "" if self.column is None else f" {self.column} 列"
        return f"{self.file}{line}{column}：{self.message}"


class ImportRefusedError(StoreError):
    """The import was refused as a whole and nothing was written; `problems` holds every reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [f"导入被拒绝，未写入任何数据：共 {len(self.problems)} 个问题，请改正后重新导入。"]
        lines += map(str, self.problems[:_MAX_SHOWN])
        if len(self.problems) > _MAX_SHOWN:
            lines.append(f"……以及另外 {len(self.problems) - _MAX_SHOWN} 个问题")
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Sheet:
    """The cells of a file as text. Each row has one cell for each column; `lines` holds its line number in the file."""

    file: str
    columns: tuple[str, ...] = ()
    lines: Sequence[int] = ()
    rows: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """The values of a sheet. A required or identifying cell with a problem is None."""

    file: str
    form: Form
    columns: tuple[Column, ...]
    lines: Sequence[int]
    values: Sequence[tuple[CellValue, ...]]

    def records(self) -> Iterator[tuple[int, dict[str, CellValue]]]:
        """Yield the number of each line and its values by column name."""
        names = [column.name for column in self.columns]
        for line, values in zip(self.lines, self.values, strict=True):
            yield line, dict(zip(names, values, strict=True))

    def line_keys(self) -> list[tuple[CellValue, ...]]:
        """Return the key of each line, in the order of the lines; a part with a problem is None."""
        names = [column.name for column in self.columns]
        positions = [names.index(name) if name in names else None for name in self.form.key]
        return [tuple(None if at is None else values[at] for at in positions) for values in self.values]

    def rows(self) -> TableRows:
        """Return the values under the column names of the database."""
        return TableRows(tuple(column.stored or column.name for column in self.columns), self.values)


def sheet_of(form: Form, rows: Iterable[Mapping[str, object]]) -> Sheet:
    """Return a sheet of rows made by a program; its file is `form.name`, and row 1 is line 1.

    A value is text, or anything with the text of a cell as its `str` (dates, numbers, booleans). None and a missing key
    are an empty cell. The sheet has every column that any row has.
    """
    all_rows = list(rows)
    columns = tuple(dict.fromkeys(name for row in all_rows for name in row))
    cells = [["" if row.get(name) is None else str(row[name]).strip() for name in columns] for row in all_rows]
    return Sheet(form.name, columns, range(1, len(all_rows) + 1), cells)


def read_table(form: Form, sheet: Sheet) -> tuple[Table, list[Problem]]:
    """Return the values of a sheet, and every problem of its header and cells."""
    problems = [Problem(sheet.file, 1, name, message) for name, message in _header_faults(form, sheet.columns)]
    columns = tuple(column for column in form.columns if column.name in sheet.columns)
    values = []
    for column in columns:
        position = sheet.columns.index(column.name)
        column_values, faults = _column_values(column, [row[position] for row in sheet.rows])
        values.append(column_values)
        problems += [Problem(sheet.file, sheet.lines[index], column.name, message) for index, message in faults]
    rows = list(zip(*values, strict=True)) or [()] * len(sheet.lines)
    return Table(sheet.file, form, columns, sheet.lines, rows), problems


def _column_values(column: Column, cells: Sequence[str]) -> tuple[list[CellValue], list[tuple[int, str]]]:
    """Return the values of a column, and the (row index, message) of each problem.

    Most columns repeat few texts, so each text is parsed once.
    """
    values: dict[str, CellValue] = {}
    messages: dict[str, str] = {}
    for cell in set(cells):
        try:
            values[cell] = column.value(cell)
        except CellError as error:
            values[cell] = None
            messages[cell] = str(error)
    faults = [(index, messages[cell]) for index, cell in enumerate(cells) if cell in messages] if messages else []
    return [values[cell] for cell in cells], faults


def _header_faults(form: Form, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield (column, message) for each problem of a header; a sheet without columns stands for no file."""
    allowed = tuple(column.name for column in form.columns)
    for name in dict.fromkeys(names):
        if name not in allowed:
            yield (
                visible(name),
                f"没有名为 {quoted(name)} 的列：可用的列为 {'、'.join(allowed)}{suggestion(name, allowed)}",
            )
        elif list(names).count(name) > 1:
            yield name, "该列出现了多次：每列只能有一个"
    for column in form.columns:
        if names and column.required and column.name not in names:
            yield column.name, "缺少这一必填列"
