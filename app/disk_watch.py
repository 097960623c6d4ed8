"""Free space of the disks of database and broker: measured by the worker, with an alert before they are full.

A database with a full disk can store no alert, and a broker with one takes no message. So people hear of it while there
is room.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import structlog
from prometheus_client import Gauge

from app.disks import GIB, level_of, measure, words
from app.own_alert import OwnAlert, end_own_alert, raise_own_alert
from rules.model.rule import Severity
from store.admin.disks import DiskReport, save_disk_reports
from store.database import Connection, DatabaseUnavailableError, connect, repeat_over_outages, translated_errors
from store.outage import Outage

log = structlog.get_logger()

FREE = Gauge("anju_disk_free_bytes", "Free space of a disk that the servers use", ["disk"])
TOTAL = Gauge("anju_disk_total_bytes", "Size of a disk that the servers use", ["disk"])

_EASED = 1.1
"""An alert ends when a tenth more than its limit is free, so that it does not come and go."""
_EVERY_S = 30.0
_ZH = {"database": "数据库", "broker": "消息服务", "data": "平台数据", "backups": "备份"}
_RULES = {Severity.MAJOR: "disk_low", Severity.CRITICAL: "disk_nearly_full"}
_TITLES = {Severity.MAJOR: "服务器磁盘空间不足", Severity.CRITICAL: "服务器磁盘快满了"}
_CONSEQUENCES = {
    Severity.MAJOR: "写满以后，读数和报警都存不下来。",
    Severity.CRITICAL: "写满以后，新的读数和报警都存不下来，也不会再有任何通知，包括燃气和烟雾报警。",
}
_ADVICE = "请通知系统管理员：清理磁盘或扩容，或者缩短原始数据的保存天数（ANJU_RETENTION_DAYS）。"


def run_disk_watch(
    database_url: str, disks: Mapping[str, Path], stop: threading.Event, *, every_s: float = _EVERY_S
) -> None:
    """Measure until `stop` is set, with the database or without it."""
    outage = Outage()

    def look() -> bool:
        with translated_errors(), closing(connect(database_url, application_name="anju disks")) as connection:
            connection.autocommit = True
            while True:
                reports, now = _measured(disks), datetime.now(UTC)
                with connection.transaction():
                    save_disk_reports(connection, reports, now)
                for severity in Severity.MAJOR, Severity.CRITICAL:
                    _alert(connection, severity, reports, now)
                outage.end()
                if stop.wait(every_s):
                    return True

    def pause() -> None:
        _measured(disks)
        stop.wait(every_s)

    def report(error: DatabaseUnavailableError) -> None:
        outage.report(error, watches="disks")

    repeat_over_outages(look, stop, report=report, pause=pause)


def _measured(disks: Mapping[str, Path]) -> list[DiskReport]:
    reports = measure(disks, datetime.now(UTC))
    if missing := disks.keys() - {report.name for report in reports}:
        log.warning("folders of ANJU_DISKS are missing", disks=sorted(missing))
    for report in reports:
        FREE.labels(report.name).set(report.free_bytes)
        TOTAL.labels(report.name).set(report.total_bytes)
    return reports


def _alert(connection: Connection, severity: Severity, reports: Sequence[DiskReport], now: datetime) -> None:
    """Raise the alert of a level if a disk is below it, and end it if all disks are well above it."""
    worse = {Severity.CRITICAL, severity}
    if scarce := [disk for disk in reports if level_of(disk) in worse]:
        if raise_own_alert(connection, _worded(severity, scarce), now):
            log.error("a disk is nearly full", severity=severity, disks={disk.name: words(disk) for disk in scarce})
        return
    eased = not any(level_of(disk, eased=_EASED) in worse for disk in reports)
    if eased and end_own_alert(connection, _RULES[severity], now):
        log.info("the disks have room again", severity=severity)


def _worded(severity: Severity, disks: Sequence[DiskReport]) -> OwnAlert:
    lines = "；".join(
        f"{_ZH.get(disk.name, disk.name)}所在的磁盘只剩 {disk.free_bytes / GIB:.1f} GB"
        f"（共 {disk.total_bytes / GIB:.0f} GB，剩 {disk.free_bytes / disk.total_bytes:.0%}）"
        for disk in disks
    )
    return OwnAlert(
        rule=_RULES[severity],
        severity=severity,
        title=_TITLES[severity],
        message=f"{lines}。{_CONSEQUENCES[severity]}",
        advice=_ADVICE,
    )
