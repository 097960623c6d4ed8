"""The folder of rules: a change of it is noticed, and one that cannot be used changes nothing."""

import os

import pytest

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


def test_what_has_not_changed_is_not_read_again(source):
    before = source.pack
    assert not source.reload()
    assert source.pack is before


def test_a_changed_file_brings_other_rules_into_force(source, tmp_path):
    change(tmp_path, SILENT.replace("severity: info", "severity: major"))
    assert source.reload()
    assert source.pack.rules[0].severity == "major"
    assert not source.reload()


def test_a_file_that_is_only_touched_changes_nothing(source, tmp_path):
    change(tmp_path, SILENT)
    assert not source.reload()


def test_rules_that_cannot_be_used_are_refused_once_and_those_before_stay(source, tmp_path):
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
