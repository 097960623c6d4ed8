"""Summary of a verification for a terminal, in Chinese, and its exit code."""

import unicodedata
from collections.abc import Sequence

from acceptance import labels
from acceptance.criterion import MeasuredCriterion
from acceptance.result import Outcome, Report, Result, Verdict
from acceptance.wording import measured_percent, percent, span
from devices.local_time import CITY

_HEADER = ("指标", "结论", "实测", "合格线", "做到/应有", "保守估计", "依据", "说明")

_EXIT_CODE = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.INSUFFICIENT_DATA: 3}


def exit_code(report: Report) -> int:
    """Return 0 if every counted criterion passed, 1 if any failed, 3 if the data are insufficient.

    A demonstration proves nothing and never returns 0: it returns 1 if a criterion failed, otherwise 3.
    """
    if report.outcome is not Outcome.DEMO:
        return _EXIT_CODE[report.outcome]
    return 1 if any(result.counted and result.verdict is Verdict.FAIL for result in report.results) else 3


def summary(report: Report) -> str:
    """Return a few lines and a table, aligned for terminals with Chinese characters two columns wide."""
    measured = [result for result in report.results if result.verdict is not Verdict.MANUAL]
    manual = len(report.results) - len(measured)
    start, end = (f"{at.astimezone(CITY):%Y-%m-%d %H:%M}" for at in (report.window.start, report.window.end))
    version = report.criteria_version[:12]
    lines = [
        f"{report.community.name}（{report.community.id}） {report.community.banner} {report.community.street}",
        f"测量时段 {start} 至 {end}（{span(report.window.length)}），指标版本 {version}",
        "",
        *_table([_HEADER, *(_row(result, demo=report.demo) for result in measured)]),
        "",
        f"结论：{labels.OUTCOME[report.outcome]}；另有{manual}项由人工查验",
    ]
    if report.waiting:
        lines.append(labels.WAITING_NOTICE.format(report.waiting))
    if refused := sum(each.times for each in report.refused):
        lines.append(f"时段内有{refused:,}条数据被拒收，没有计入")
    simulated = sum(device.simulated for device in report.excluded)
    if simulated:
        lines.append(f"已排除{simulated}台模拟设备：{labels.DEMO_NOTICE}")
    if retired := len(report.excluded) - simulated:
        lines.append(f"已排除{retired}台报废设备")
    return "\n".join(lines)


def _row(result: Result, *, demo: bool) -> tuple[str, ...]:
    criterion, figure = result.criterion, result.figure
    remarks = [
        "模拟数据" if demo else "",
        labels.REASON[result.reason] if result.reason else "",
        "" if result.counted else "没有登记这类设备，不计入结论",
    ]
    return (
        criterion.title,
        labels.VERDICT[result.verdict],
        measured_percent(figure.share) if figure else "-",
        percent(criterion.target.at_least) if isinstance(criterion, MeasuredCriterion) else "-",
        f"{figure.passed}/{figure.total}" if figure else "-",
        measured_percent(figure.lower_bound) if figure else "-",
        labels.BASIS[criterion.basis],
        "；".join(filter(None, remarks)),
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _width(text: str) -> int:
    """Return the terminal columns of a text: wide and full-width characters take two (Unicode Standard Annex 11)."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
