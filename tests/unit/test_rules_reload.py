"""Reload of the folder of rules after a change; an invalid file changes nothing."""

import os

import pytest

from rules.language.file_changes import FileChanges
from rules.language.loader import RuleFileError
from rules.language.reload import RuleFolder
from tests.unit.test_rules_loader import SILENT, write


@pytest.fixture
def source(tmp_path):
    return RuleFolder(write(tmp_path, SILENT))


def change(tmp_path, text):
    """Writes the file at a time of its own, however fast the test is."""
    path = write(tmp_path, text) / "electricity_meter.yaml"
    newest = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(newest, newest))


def test_unchanged_files_are_not_read_again(source):
    before = source.pack
    assert not source.reload()
    assert source.pack is before


def test_a_changed_file_changes_the_rules_in_force(source, tmp_path):
    change(tmp_path, SILENT.replace("severity: info", "severity: major"))
    assert source.reload()
    assert source.pack.rules[0].severity == "major"
    assert not source.reload()


def test_a_touched_file_changes_nothing(source, tmp_path):
    change(tmp_path, SILENT)
    assert not source.reload()


def test_invalid_rules_are_refused_once_and_the_previous_rules_stay(source, tmp_path):
    before = source.pack
    change(tmp_path, SILENT.replace("periods: 2", "periods: none"))
    with pytest.raises(RuleFileError):
        source.reload()
    assert source.pack is before
    assert not source.reload()
    with pytest.raises(RuleFileError):
        source.reload(force=True)


def test_a_calendar_of_the_folder_is_part_of_the_rules(source, tmp_path):
    change(tmp_path, SILENT + "  schedule: shift")
    (tmp_path / "calendars.yaml").write_text("shift: {zone: Asia/Shanghai, label: 班次, weekdays: [mon]}", "utf-8")
    assert source.reload()
    assert source.pack.rules[0].schedule.label == "班次"


def test_an_added_and_a_removed_file_are_changes(tmp_path):
    changes = FileChanges(lambda: tmp_path.glob("*.yaml"))
    (tmp_path / "a.yaml").touch()
    assert changes.detect()
    assert not changes.detect()
    (tmp_path / "a.yaml").unlink()
    assert changes.detect()


def test_a_missing_file_is_no_change_until_it_appears(tmp_path):
    changes = FileChanges(lambda: [tmp_path / "notify.yaml"])
    assert not changes.detect()
    (tmp_path / "notify.yaml").touch()
    assert changes.detect()
