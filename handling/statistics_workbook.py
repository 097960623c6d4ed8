"""Statistics of alerts as an Excel workbook (.xlsx): a sheet each for months, communities, kinds and persons."""

import io
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from devices.local_time import CITY
from handling.statistics import Statistics
from rules.model.kind_labels import kind_label
from store.alerts.statistics import AlertCounts, PersonCounts

if TYPE_CHECKING:
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Row = TypeVar("Row")
_Value = str | int | float | None
_Columns = Sequence[tuple[str, Callable[[Row], _Value]]]


class Selection(NamedTuple):
    """Words about the alerts in a workbook: its community and kind, and the time at which it was made."""

    community: str
    kind: str
    made_at: datetime


def to_workbook(statistics: Statistics, people: Sequence[PersonCounts] | None, selection: Selection) -> bytes:
    """Return the workbook; people None leaves out their sheet."""
    workbook = Workbook(write_only=True)
    _add_explanation(workbook, statistics, selection)
    _add_sheet(
        workbook, "按月", [("月份", lambda row: row.key), *_COUNTS], [*statistics.months, statistics.total], "合计"
    )
    communities: _Columns[AlertCounts] = [
        ("小区", lambda row: row.community_name or row.key or "本系统"), ("小区编号", lambda row: row.key), *_COUNTS,
    ]  # fmt: skip
    _add_sheet(workbook, "按小区", communities, statistics.communities)
    _add_sheet(workbook, "按设备类型", [("设备类型", lambda row: kind_label(row.key)), *_COUNTS], statistics.kinds)
    if people is not None:
        _add_sheet(workbook, "按人员", _PEOPLE, people)
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / 60, 1)


_COUNTS: _Columns[AlertCounts] = [
    ("报警数", lambda row: row.alerts),
    ("紧急", lambda row: row.critical),
    ("重要", lambda row: row.major),
    ("一般", lambda row: row.warning),
    ("提示", lambda row: row.info),
    ("未结束", lambda row: row.open),
    ("有人确认", lambda row: row.acknowledged),
    ("有人解决", lambda row: row.resolved),
    ("无人确认就结束", lambda row: row.unattended),
    ("其中模拟数据", lambda row: row.simulated),
    ("确认用时中位数（分钟）", lambda row: _minutes(row.acknowledge_median_s)),
    ("确认用时九成以内（分钟）", lambda row: _minutes(row.acknowledge_p90_s)),
    ("解决用时中位数（分钟）", lambda row: _minutes(row.resolve_median_s)),
    ("解决用时九成以内（分钟）", lambda row: _minutes(row.resolve_p90_s)),
]
_PEOPLE: _Columns[PersonCounts] = [
    ("人员", lambda row: row.person),
    ("最先确认", lambda row: row.acknowledged),
    ("最先解决", lambda row: row.resolved),
    ("其中模拟数据", lambda row: row.simulated),
    ("确认用时中位数（分钟）", lambda row: _minutes(row.acknowledge_median_s)),
    ("确认用时九成以内（分钟）", lambda row: _minutes(row.acknowledge_p90_s)),
    ("解决用时中位数（分钟）", lambda row: _minutes(row.resolve_median_s)),
    ("解决用时九成以内（分钟）", lambda row: _minutes(row.resolve_p90_s)),
]


def _add_explanation(workbook: Workbook, statistics: Statistics, selection: Selection) -> None:
    months = statistics.months_asked.keys()
    lines: list[tuple[str, _Value]] = [
        ("报警统计", None),
        ("月份", f"{months[0]} 至 {months[-1]}（按报警开始的时间，北京时间）"),
        ("小区", selection.community),
        ("设备类型", selection.kind),
        ("导出时间", f"{selection.made_at.astimezone(CITY):%Y-%m-%d %H:%M}"),
        ("用时", "从系统发出报警，到第一个人确认或解决为止；数据迟到、发出时已经结束的报警不算用时"),
        ("九成以内", "九成的报警不超过这个时间"),
        ("没有数字的格子", "这期间没有人确认或解决过报警"),
    ]
    if statistics.total.simulated:
        lines.append(("模拟数据", f"含模拟数据的报警 {statistics.total.simulated} 条，不能作为验收依据"))
    sheet = workbook.create_sheet("说明")
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 18, 80
    for name, value in lines:
        sheet.append([_text(sheet, name, bold=True), _cell(sheet, value)])


def _add_sheet(
    workbook: Workbook, title: str, columns: _Columns[Row], rows: Sequence[Row], last: str | None = None
) -> None:
    """Add a sheet with a bold header; `last` names the last row in its first column."""
    sheet = workbook.create_sheet(title)
    sheet.freeze_panes = "B2"
    for number, (header, _) in enumerate(columns, 1):
        sheet.column_dimensions[get_column_letter(number)].width = max(10, 2 * len(header) + 2)
    sheet.append([_text(sheet, header, bold=True) for header, _ in columns])
    for index, row in enumerate(rows, 1):
        cells = [_cell(sheet, value(row)) for _, value in columns]
        if last and index == len(rows):
            cells[0] = _text(sheet, last, bold=True)
        sheet.append(cells)


def _cell(sheet: "WriteOnlyWorksheet", value: _Value) -> Cell:
    return _text(sheet, value) if isinstance(value, str) else WriteOnlyCell(sheet, value)


def _text(sheet: "WriteOnlyWorksheet", text: str, *, bold: bool = False) -> Cell:
    """Return a cell with a text: a name that begins with `=` is no formula."""
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    if bold:
        cell.font = Font(bold=True)
    return cell
