"""Levels of free space, and the words for them."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.disk_findings import disk_findings, full_disk
from app.disk_watch import _worded
from app.disks import GIB, level_of, measure
from app.settings import Settings, SettingsError, parse_disks
from rules.model.rule import Severity
from store.admin.disks import DiskReport

NOW = datetime(2026, 12, 1, tzinfo=UTC)
ORDER = {None: 0, Severity.MAJOR: 1, Severity.CRITICAL: 2}


def disk(free: float, total: float, name: str = "database", at: datetime = NOW) -> DiskReport:
    return DiskReport(name=name, reported_at=at, free_bytes=round(free * GIB), total_bytes=round(total * GIB))


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [
        (0, 100, Severity.CRITICAL),
        (9, 100, Severity.CRITICAL),
        (11, 100, Severity.MAJOR),  # 11 %
        (19, 100, Severity.MAJOR),
        (21, 100, None),
        (60, 1000, None),  # 6 %, and room for weeks
        (49, 1000, Severity.MAJOR),
        (9, 20, None),  # half of a small disk
        (0.02, 0.3, Severity.CRITICAL),
    ],
)
def test_space_is_scarce_by_share_and_by_size(free, total, level):
    assert level_of(disk(free, total)) == level


@given(st.floats(0, 2000), st.floats(0, 2000), st.floats(0.001, 4000))
def test_less_space_is_never_a_lower_level_and_the_end_comes_later_than_the_beginning(one, other, total):
    less, more = sorted((min(one, total), min(other, total)))
    assert ORDER[level_of(disk(less, total))] >= ORDER[level_of(disk(more, total))]
    assert ORDER[level_of(disk(less, total), eased=1.1)] >= ORDER[level_of(disk(less, total))]


def test_people_read_which_disk_how_much_and_what_follows():
    alert = _worded(Severity.CRITICAL, [disk(3.44, 50), disk(1, 20, "broker"), disk(1, 20, "nas")])
    assert alert.message == (
        "数据库所在的磁盘只剩 3.4 GB（共 50 GB，剩 7%）；消息服务所在的磁盘只剩 1.0 GB（共 20 GB，剩 5%）；"
        "nas所在的磁盘只剩 1.0 GB（共 20 GB，剩 5%）。"
        "写满以后，新的读数和报警都存不下来，也不会再有任何通知，包括燃气和烟雾报警。"
    )
    assert alert.title == "服务器磁盘快满了"


def test_disks_are_pairs_of_name_and_folder():
    assert parse_disks("database=/var/lib/a=b, broker = /data") == {
        "database": Path("/var/lib/a=b"), "broker": Path("/data"),
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "/data", "database=", "=/data", "a=/x,,b=/y", "a=/x,a=/y"])
def test_anything_else_is_refused(text, monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="must be name=folder"):
        parse_disks(text)
    if text:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("ANJU_DISKS", text)
        with pytest.raises(SettingsError, match="ANJU_DISKS: must be name=folder,name=folder"):
            Settings.load()


def test_a_missing_folder_is_left_out(tmp_path):
    reports = measure({"database": tmp_path, "broker": tmp_path / "no-such-folder"}, NOW)
    assert [report.name for report in reports] == ["database"]
    (finding,) = disk_findings({"broker": tmp_path / "no-such-folder"}, [disk(80, 100, "broker")], NOW)
    assert (finding.mark, finding.name) == ("BAD", "disk broker")
    assert finding.detail.endswith("no-such-folder, which is no folder")
    status = os.statvfs(tmp_path)
    assert reports[0].free_bytes == pytest.approx(status.f_bavail * status.f_frsize, rel=0.1)


def test_the_doctor_tells_scarce_from_full_and_from_unknown():
    old = NOW - timedelta(hours=1)
    reports = [disk(80, 100, "a"), disk(15, 100, "b"), disk(1, 100, "c"), disk(80, 100, "d", old)]
    findings = disk_findings({}, reports, NOW)
    assert [(finding.mark, finding.name) for finding in findings] == [
        ("note", "disk b"), ("BAD", "disk c"), ("note", "disk d"),
    ]  # fmt: skip
    assert findings[1].detail == "1.0 of 100.0 GiB are free: make room, add disk, or shorten ANJU_RETENTION_DAYS"
    assert "no worker has reported it since" in findings[2].detail


def test_a_disk_with_room_is_no_reason_for_a_silent_server(tmp_path):
    assert full_disk({"database": tmp_path}, "database", NOW) is None
    assert full_disk({}, "database", NOW) is None
