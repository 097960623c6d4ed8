"""Reading of an import file of either format."""

from pathlib import Path

from imports.csv_file import csv_rows
from imports.forms import Form
from imports.layout import HOW_TO_SAVE, Row, UnreadableError, lay_out
from imports.tables import Problem, Sheet
from imports.xlsx_file import OLD_WORKBOOK, ZIP, read_workbook

_MAX_MIB = 256


def read_sheet(path: Path, form: Form) -> tuple[Sheet, list[Problem], list[Problem]]:
    """Return the cells of a CSV file or of a sheet of a workbook, every problem of its layout, and notes.

    The content decides on the format, not the name. An unreadable file gives a sheet without columns.
    """
    file, rows, notes, problems = path.name, list[Row](), list[str](), list[Problem]()
    try:
        if path.stat().st_size > _MAX_MIB * 2**20:
            raise UnreadableError(f"文件超过 {_MAX_MIB} MiB：请分成几个文件导入")  # noqa: TRY301
        data = path.read_bytes()
        if data.startswith(OLD_WORKBOOK):
            raise UnreadableError(f"这是旧版 .xls 工作簿，或设了打开密码：{HOW_TO_SAVE}，不设密码")  # noqa: TRY301
        if data.startswith(ZIP):
            name, rows, notes = read_workbook(data, (form.name, f"{form.zh}表", form.zh))
            file = f"{file}[{name}]"
        else:
            for row in csv_rows(data):
                rows.append(row)  # one by one, because the rows before a fault are checked too
    except OSError as error:
        return Sheet(file), [Problem(file, None, None, f"无法读取文件：{error.strerror}")], []
    except UnreadableError as error:
        problems.append(Problem(file, error.line, None, str(error)))
        if not rows:
            return Sheet(file), problems, []
    sheet, layout_problems = lay_out(file, rows, form)
    return sheet, layout_problems + problems, [Problem(file, None, None, note) for note in notes]
