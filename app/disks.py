"""Free space of the disks of database and broker, and how scarce it is."""

import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from rules.model.rule import Severity
from store.admin.disks import DiskReport

GIB = 2**30
LEVELS = ((Severity.CRITICAL, 0.10, 10 * GIB), (Severity.MAJOR, 0.20, 50 * GIB))


def measure(disks: Mapping[str, Path], now: datetime) -> list[DiskReport]:
    """Return the free space of each disk whose folder is there."""
    usages = {name: shutil.disk_usage(folder) for name, folder in disks.items() if folder.is_dir()}
    return [
        DiskReport(name=name, reported_at=now, free_bytes=usage.free, total_bytes=usage.total)
        for name, usage in usages.items()
    ]


def level_of(disk: DiskReport, *, eased: float = 1.0) -> Severity | None:
    """Return how scarce the space is: a share of the disk and a number of bytes both have to be undercut."""
    share, free = disk.free_bytes / disk.total_bytes / eased, disk.free_bytes / eased
    return next((level for level, low_share, low in LEVELS if share < low_share and free < low), None)


def words(disk: DiskReport) -> str:
    """Return the free space in English."""
    return f"{disk.free_bytes / GIB:,.1f} of {disk.total_bytes / GIB:,.1f} GiB are free"
