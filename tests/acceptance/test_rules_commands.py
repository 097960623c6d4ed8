"""`anju rules check` and `anju rules test`, for whoever writes rules."""

import json
from pathlib import Path

import pytest

from cli import anju

BAD = Path(__file__).parents[1] / "unit" / "rules_fixtures" / "bad"


def test_the_rules_that_come_with_anju_are_good(tmp_path):
    checked = anju("rules", "check", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    *kinds, total = checked.stdout.splitlines()
    counts = [int(line.split(": ")[1].removesuffix(" rules")) for line in kinds]
    assert total == f"{sum(counts)} rules, all examples hold"


def test_every_rule_and_the_number_of_its_examples_is_listed(tmp_path):
    listed = json.loads(anju("rules", "test", "--json", cwd=tmp_path).stdout)
    counted = json.loads(anju("rules", "check", "--json", cwd=tmp_path).stdout)
    assert counted["problems"] == []
    assert len(listed) == sum(counted["rules"].values())
    assert all(rule["examples"] >= 1 for rule in listed)


@pytest.mark.parametrize(("command", "folder"), [("check", "above_a_flag"), ("test", "example_disagrees")])
def test_what_is_wrong_is_said_by_file_and_line(command, folder, tmp_path):
    done = anju("rules", command, BAD / folder, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (BAD / folder / "expected.txt").read_text()


@pytest.mark.parametrize("command", ["check", "test"])
def test_a_program_can_read_what_is_wrong(command, tmp_path):
    done = anju("rules", command, BAD / "above_a_flag", "--json", cwd=tmp_path)
    assert done.returncode == 1
    expected = (BAD / "above_a_flag" / "expected.txt").read_text().splitlines()
    assert json.loads(done.stdout) == {"problems": expected, "rules": {}}


def test_the_folder_in_the_settings_is_the_one_in_force(tmp_path):
    done = anju("rules", "check", cwd=tmp_path, ANJU_RULES_DIR=str(BAD / "above_a_flag"))
    assert done.returncode == 1
    assert done.stderr.startswith("electricity_meter.yaml:4:")


def test_a_folder_without_rules_is_no_success(tmp_path):
    done = anju("rules", "check", tmp_path, cwd=tmp_path)
    assert done.returncode == 1
    assert "no rule file here" in done.stderr
