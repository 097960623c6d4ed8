"""Disks and backups as findings of `anju doctor`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from app.disks import level_of, measure, words
from app.finding import Finding
from local.process import FULL_BYTES
from rules.model.rule import Severity
from store.admin.backup import last_backup
from store.admin.disks import DiskReport
from store.database import Connection

_STALE = timedelta(minutes=5)
_BACKUP_OLD = timedelta(hours=36)


def disk_findings(disks: Mapping[str, Path], reported: Sequence[DiskReport], now: datetime) -> list[Finding]:
    """Return a finding for each scarce or unknown disk, measured here where it is set, else as last reported."""
    here = measure(disks, now)
    newest = {report.name: report for report in (*reported, *here)}
    missing = sorted(disks.keys() - {report.name for report in here})
    absent = [Finding(f"disk {name}", False, f"ANJU_DISKS names {disks[name]}, which is no folder") for name in missing]
    findings = [_finding(newest[name], now) for name in sorted(newest.keys() - set(missing))]
    return [*(finding for finding in findings if finding.note or not finding.good), *absent]


def free_space(disks: Mapping[str, Path], name: str, now: datetime) -> str:
    """Return the free space of a disk of this machine in words; empty where it is not set."""
    return "".join(f"; {words(report)}" for report in measure(disks, now) if report.name == name)


def full_disk(disks: Mapping[str, Path], name: str, now: datetime) -> str | None:
    """Return the words for a full disk, the likely reason why a server does not answer; None if it has room."""
    for report in measure({each: folder for each, folder in disks.items() if each == name}, now):
        if report.free_bytes < FULL_BYTES:
            return f"the disk of the {name} is full ({report.free_bytes / 1e6:.0f} MB free in {disks[name]}): make room"
    return None


def backup_finding(connection: Connection, now: datetime) -> Finding:
    """Return the age of the newest backup; a note if there is none of the last day and a half."""
    run = last_backup(connection)
    if run is None:
        detail = 'none yet: see `anju backup`, and "Backup and restore" in docs/operations.md'
        return Finding("backup", good=True, detail=detail, note=True)
    age = now - run.finished_at
    detail = f"{run.file} of {run.finished_at:%F %T %Z}, {run.bytes / 1e6:,.1f} MB"
    figures = {"finished_at": run.finished_at, "file": run.file, "bytes": run.bytes}
    return Finding("backup", good=True, detail=detail, figures=figures, note=age > _BACKUP_OLD)


def _finding(report: DiskReport, now: datetime) -> Finding:
    level, name = level_of(report), f"disk {report.name}"
    figures = {"free_bytes": report.free_bytes, "total_bytes": report.total_bytes, "reported_at": report.reported_at}
    if now - report.reported_at > _STALE:
        detail = f"{words(report)} at {report.reported_at:%F %T %Z}, and no worker has reported it since"
        return Finding(name, True, detail, figures, note=True)
    remedy = ": make room, add disk, or shorten ANJU_RETENTION_DAYS" if level else ""
    return Finding(name, level is not Severity.CRITICAL, f"{words(report)}{remedy}", figures, note=level is not None)
