"""From sheets of text to typed tables, and the problems found on the way. Pure: neither files nor the database."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from imports.columns import CellError, Column, Form, quoted, suggestion, visible
from store.database import StoreError
from store.registry.registry import CellValue, TableRows

_SHOWN_PROBLEMS = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason to refuse an import. `line` counts from 1, the header's; what concerns a whole file has none."""

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
        shown = [f"导入被拒绝，未写入任何数据：共 {len(self.problems)} 个问题，请改正后重新导入。"]
        shown += map(str, self.problems[:_SHOWN_PROBLEMS])
        if len(self.problems) > _SHOWN_PROBLEMS:
            shown.append(f"……以及另外 {len(self.problems) - _SHOWN_PROBLEMS} 个问题")
        super().__init__("\n".join(shown))


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of text as it was handed in. Each row has one cell for each column; `lines` says where it stood."""

    file: str
    columns: tuple[str, ...] = ()
    lines: Sequence[int] = ()
    rows: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet whose cells have become values. A required or identifying cell is None where it was a problem."""

    file: str
    form: Form
    columns: tuple[Column, ...]
    lines: Sequence[int]
    values: Sequence[tuple[CellValue, ...]]

    def records(self) -> Iterator[tuple[int, dict[str, CellValue]]]:
        """Each line's number and its values by column name."""
        names = [column.name for column in self.columns]
        for line, values in zip(self.lines, self.values, strict=True):
            yield line, dict(zip(names, values, strict=True))

    def line_keys(self) -> list[tuple[CellValue, ...]]:
        """What tells each line apart from the others, in the order of the lines; None where that was a problem."""
        names = [column.name for column in self.columns]
        positions = [names.index(name) if name in names else None for name in self.form.key]
        return [tuple(None if at is None else values[at] for at in positions) for values in self.values]

    def rows(self) -> TableRows:
        """The same, under the names of the database."""
        return TableRows(tuple(column.stored or column.name for column in self.columns), self.values)


def sheet_of(form: Form, rows: Iterable[Mapping[str, object]]) -> Sheet:
    """A sheet of rows that a program made; `form.name` stands for the file and row 1 for line 1.

    Values may be text or anything whose `str` is what a cell would hold (dates, numbers, booleans); None and a
    missing key are an empty cell. The columns are those that any of the rows has.
    """
    listed = list(rows)
    columns = tuple(dict.fromkeys(name for row in listed for name in row))
    cells = [["" if row.get(name) is None else str(row[name]).strip() for name in columns] for row in listed]
    return Sheet(form.name, columns, range(1, len(listed) + 1), cells)


def read_table(form: Form, sheet: Sheet) -> tuple[Table, list[Problem]]:
    """The sheet's values, with every problem of its header and cells."""
    problems = [Problem(sheet.file, 1, name, message) for name, message in _header_faults(form, sheet.columns)]
    columns = tuple(column for column in form.columns if column.name in sheet.columns)
    values = []
    for column in columns:
        position = sheet.columns.index(column.name)
        read, faults = _column_values(column, [row[position] for row in sheet.rows])
        values.append(read)
        problems += [Problem(sheet.file, sheet.lines[index], column.name, message) for index, message in faults]
    rows = list(zip(*values, strict=True)) or [()] * len(sheet.lines)
    return Table(sheet.file, form, columns, sheet.lines, rows), problems


def _column_values(column: Column, cells: Sequence[str]) -> tuple[list[CellValue], list[tuple[int, str]]]:
    """The values of one column, and what is wrong where. Most columns repeat few texts: each is read only once."""
    read: dict[str, CellValue] = {}
    faults: dict[str, str] = {}
    for cell in set(cells):
        try:
            read[cell] = column.value(cell)
        except CellError as error:
            read[cell] = None
            faults[cell] = str(error)
    found = [(index, faults[cell]) for index, cell in enumerate(cells) if cell in faults] if faults else []
    return [read[cell] for cell in cells], found


def _header_faults(form: Form, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """The column and what is wrong with it; a sheet without any columns was not handed in."""
    known = tuple(column.name for column in form.columns)
    for name in dict.fromkeys(names):
        if name not in known:
            yield visible(name), f"没有名为 {quoted(name)} 的列：可用的列为 {'、'.join(known)}{suggestion(name, known)}"
        elif list(names).count(name) > 1:
            yield name, "该列出现了多次：每列只能有一个"
    for column in form.columns:
        if names and column.required and column.name not in names:
            yield column.name, "缺少这一必填列"
