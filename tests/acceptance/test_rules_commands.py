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


def recorded(folder, *voltages):
    """A recording of a meter with a reading every 15 minutes from midnight in Shanghai on."""
    lines = [
        json.dumps(
            {
                "community": "jinhe-yuan",
                "kind": "electricity_meter",
                "device": "e-101",
                "ts": 1793462400000 + number * 900_000,
                "values": {"voltage_v": voltage},
            }
        )
        for number, voltage in enumerate(voltages)
    ]
    (folder / "recorded.jsonl").write_text("\n".join(lines))
    return folder / "recorded.jsonl"


def test_a_backtest_tells_what_the_rules_would_have_raised(tmp_path):
    file = recorded(tmp_path, 230, 245, 245, 245, 245, 230, 230, 230, 230)
    done = anju("rules", "backtest", "--file", file, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2026-11-01 00:00 to 2026-11-01 02:00, local time: 9 samples of 1 devices" in done.stdout
    assert "would have raised 1 alerts" in done.stdout
    [line] = [line for line in done.stdout.splitlines() if line.startswith("electricity_voltage_high")]
    assert "电压偏高" in line
    assert line.rstrip().endswith("1 小时")
    assert "jinhe-yuan/e-101" in done.stdout
    assert "MISSED" not in done.stdout


def test_a_program_can_read_a_backtest(tmp_path):
    file = recorded(tmp_path, 230, 245, 245, 245, 245, 230, 230, 230, 230)
    found = json.loads(anju("rules", "backtest", "--file", file, "--json", cwd=tmp_path).stdout)
    [alert] = found["occurrences"]
    assert (alert["rule"], alert["community"], alert["device"]) == ("electricity_voltage_high", "jinhe-yuan", "e-101")
    assert [goal["met"] for goal in found["communities"][0]["goals"]] == [True, True, True, True, True, None]
    assert found["met"] is True


def test_a_backtest_that_misses_a_goal_ends_with_1(tmp_path):
    line = json.loads(recorded(tmp_path, 245).read_text())
    lines = [
        json.dumps({**line, "device": f"e-{device}", "ts": line["ts"] + quarter * 900_000 + device * 31_000})
        for quarter in range(5)
        for device in range(12)
    ]
    (tmp_path / "storm.jsonl").write_text("\n".join(lines))
    done = anju("rules", "backtest", "--file", tmp_path / "storm.jsonl", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    [peak] = [line for line in done.stdout.splitlines() if "in 10 minutes, peak" in line]
    assert "12 (2026-11-01 00:30)" in peak
    assert "MISSED" in peak


def test_a_backtest_of_one_rule_needs_its_right_name(tmp_path):
    file = recorded(tmp_path, 230)
    done = anju("rules", "backtest", "--file", file, "--rule", "electricity_voltage_hihg", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean `electricity_voltage_high`?" in done.stderr


def test_a_backtest_without_anything_to_look_at_is_no_success(tmp_path):
    file = recorded(tmp_path, 230)
    done = anju("rules", "backtest", "--file", file, "--device", "jinhe-yuan/e-999", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stdout == ""
