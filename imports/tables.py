"""Sheets of text turned into typed tables, with the problems of their cells. Pure: no files, no database."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from devices.text import visible
from imports.cells import CellError, quoted, suggestion
from imports.damage import means_nothing
from imports.forms import Column, Form
from store.database import StoreError
from store.registry.upsert import CellValue, TableRows

NO_COMMUNITIES: Mapping[str, str] = {}

_MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason to refuse an import. `line` counts from 1; a problem of a whole file has none.

    `last_line` is that of the last of several consecutive lines with the same problem. A note to the author of a file,
    which refuses nothing, has the same form.
    """

    file: str
    line: int | None
    column: str | None
    message: str
    last_line: int | None = None

    def __str__(self) -> str:
        column = "" if self.column is None else f" {self.column} 列"
        return f"{self.file}{self._lines()}{column}：{self.message}"

    def _lines(self) -> str:
        if self.line is None:
            return ""
        if self.last_line is None:
            return f" 第 {self.line} 行（line {self.line}）"
        return f" 第 {self.line} 至 {self.last_line} 行（lines {self.line}-{self.last_line}）"


def join_lines(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems with each run of one problem on consecutive lines as one, where the runs began.

    The problems of one column of a file are in the order of their lines.
    """
    joined: list[Problem] = []
    runs: dict[tuple[str, str | None, str], int] = {}
    for problem in problems:
        key = (problem.file, problem.column, problem.message)
        run = joined[runs[key]] if key in runs else None
        if run and run.line and problem.line == (run.last_line or run.line) + 1:
            joined[runs[key]] = replace(run, last_line=problem.line)
        else:
            runs[key] = len(joined)
            joined.append(problem)
    return joined


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
    """The cells of a file as text, below the headers of its columns.

    Each row has one cell for each column; `lines` holds its line number in the file.
    """

    file: str
    columns: tuple[str, ...] = ()
    lines: Sequence[int] = ()
    rows: Sequence[Sequence[str]] = ()
    header_line: int = 1


@dataclass(frozen=True, slots=True)
class Table:
    """The values of a sheet. A required or identifying cell with a problem is None.

    `headers` holds the header of each column in the file, by its name. `notes` tells of each code that was folded into
    its one spelling.
    """

    file: str
    form: Form
    columns: tuple[Column, ...]
    lines: Sequence[int]
    values: Sequence[tuple[CellValue, ...]]
    headers: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[Problem] = ()

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


def read_table(
    form: Form, sheet: Sheet, community_ids: Mapping[str, str] = NO_COMMUNITIES
) -> tuple[Table, list[Problem]]:
    """Return the values of a sheet, and every problem of its header and cells.

    A line may refer to a community by its name instead of its id; `community_ids` holds the ids by name.
    """
    positions, header_faults = _read_header(form, sheet.columns)
    problems = [Problem(sheet.file, sheet.header_line, header, message) for header, message in header_faults]
    columns = tuple(column for column in form.columns if column.name in positions)
    values: list[list[CellValue]] = []
    notes: list[Problem] = []
    for column in columns:
        header = sheet.columns[positions[column.name]]
        cells = [row[positions[column.name]] for row in sheet.rows]
        known = community_ids if column.name == "community" else NO_COMMUNITIES
        column_values, faults, folds = _column_values(column, cells, known)
        values.append(column_values)
        problems += _of_lines(sheet, header, cells, faults)
        notes += _of_lines(sheet, header, cells, folds)
    rows = list(zip(*values, strict=True)) or [()] * len(sheet.lines)
    headers = {name: sheet.columns[position] for name, position in positions.items()}
    return Table(sheet.file, form, columns, sheet.lines, rows, headers, notes), problems


def _of_lines(sheet: Sheet, header: str, cells: Sequence[str], messages: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the message of each cell of a column that has one."""
    if messages:
        for line, cell in zip(sheet.lines, cells, strict=True):
            if cell in messages:
                yield Problem(sheet.file, line, header, messages[cell])


def _column_values(
    column: Column, cells: Sequence[str], ids: Mapping[str, str]
) -> tuple[list[CellValue], dict[str, str], dict[str, str]]:
    """Return the values of a column, the message of each cell with a problem, and the note on each folded cell.

    Most columns repeat few texts, so each text is parsed once.
    """
    values: dict[str, CellValue] = {}
    faults: dict[str, str] = {}
    folds: dict[str, str] = {}
    for cell in set(cells):
        try:
            value = values[cell] = column.value(ids.get(cell, cell))
        except CellError as error:
            values[cell] = None
            faults[cell] = str(error)
        else:
            if column.is_code and value and value != cell:
                folds[cell] = f"{quoted(cell)} 按 {quoted(str(value))} 读取"
            elif means_nothing(cell):
                folds[cell] = f"{quoted(cell)} 按空单元格读取"
    return [values[cell] for cell in cells], faults, folds


def _read_header(form: Form, headers: Sequence[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return the position of each column by its name, and (header, message) for each problem.

    A sheet without columns stands for no file.
    """
    positions: dict[str, int] = {}
    faults = []
    for at, header in enumerate(headers):
        column = form.column(header)
        if column is None:
            names = "、".join(f"{each.name}（{each.zh[0]}）" for each in form.columns)
            closest = suggestion(header, form.headers)
            faults.append(
                (visible(header), f"没有名为 {quoted(header)} 的列，多余的列请删除：可用的列为 {names}{closest}")
            )
        elif column.name in positions:
            faults.append((header, f"与 {headers[positions[column.name]]} 是同一列：每列只能有一个"))
        else:
            positions[column.name] = at
    faults += [
        (column.name, f"缺少这一必填列（{column.zh[0]}）")
        for column in form.columns
        if headers and column.required and column.name not in positions
    ]
    return positions, faults
