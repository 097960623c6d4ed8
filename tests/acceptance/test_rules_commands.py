"""`anju rules check` and `anju rules test`, for authors of rules."""

import json
from collections import Counter
from pathlib import Path

import pytest

from cli import anju, invoke

BAD = Path(__file__).parents[1] / "unit" / "rules_fixtures" / "bad"


def test_the_built_in_rules_are_valid(tmp_path):
    checked = invoke("rules", "check", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert checked.stderr == ""
    head, *kinds, total, _, last = checked.stdout.splitlines()
    assert head.split() == ["kind", "rules", "紧急", "重要", "一般", "提示", "examples"]
    counts = [int(line.split()[1]) for line in kinds]
    assert int(total.split()[0]) == sum(counts)
    assert last.startswith(f"{sum(counts)} rules in ")
    assert last.endswith(", all examples hold")


def test_every_rule_is_listed_with_the_number_of_its_examples(tmp_path):
    listed = json.loads(invoke("rules", "test", "--json", cwd=tmp_path).stdout)
    counted = json.loads(invoke("rules", "check", "--json", cwd=tmp_path).stdout)
    assert listed["problems"] == counted["problems"] == []
    assert Counter(rule["kind"] for rule in listed["rules"]) == counted["rules"]
    assert all(rule["holds"] and rule["examples"] >= 1 and "played" not in rule for rule in listed["rules"])
    shown = invoke("rules", "test", cwd=tmp_path).stdout.splitlines()
    for rule in listed["rules"]:
        assert any(line.split()[:2] == ["ok", rule["rule"]] and rule["title"] in line for line in shown)


@pytest.mark.parametrize(("command", "folder"), [("check", "above_a_flag"), ("test", "example_disagrees")])
def test_a_mistake_is_shown_with_file_and_line_above_the_line_itself(command, folder, tmp_path):
    done = invoke("rules", command, BAD / folder, cwd=tmp_path)
    assert done.returncode == 1
    expected = (BAD / folder / "expected.txt").read_text().splitlines()
    file, number, _ = expected[0].split(":", 2)
    output, line = done.stderr.splitlines()[:2]
    assert output == f"{BAD / folder}/{expected[0]}"
    assert line == f"{number:>5} | {(BAD / folder / file).read_text().splitlines()[int(number) - 1]}"


def test_a_failing_example_is_shown_step_by_step(tmp_path):
    lines = invoke("rules", "test", BAD / "example_disagrees", cwd=tmp_path).stderr.splitlines()
    first, second = (line.split() for line in lines[lines.index("  example on line 9") + 2 :][:2])
    assert first == [">", "0s", "voltage_v", "245", "yes", "no", "pending", "to", "10m", "active"]
    assert second == ["15m", "voltage_v", "230", "no", "yes", "normal", "normal"]
    assert lines[-1] == "1 of 1 rule failed"


def test_a_rule_is_shown_step_by_step_with_its_derived_values(tmp_path):
    done = invoke("rules", "test", "--rule", "water_leak", cwd=tmp_path)
    assert done.returncode == 0
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("  ok")] == ["water_leak"]
    assert "... 22 more readings" in done.stdout
    assert "= flow_m3_h_minimum_1d_gap_4h 0.03" in done.stdout


def test_a_program_can_read_a_failing_example(tmp_path):
    done = invoke("rules", "test", BAD / "example_disagrees", "--json", cwd=tmp_path)
    assert done.returncode == 1
    [rule] = json.loads(done.stdout)["rules"]
    [[first, second]] = rule["played"]
    assert rule["holds"] is False
    assert first == {
        "line": 9,
        "at_s": 0,
        "event": None,
        "values": {"voltage_v": 245},
        "made": {},
        "when": True,
        "until": False,
        "phase": "pending",
        "due_s": 600,
        "expected": "active",
        "holds": False,
    }
    assert second["holds"] is True


@pytest.mark.parametrize("command", ["check", "test"])
def test_a_program_can_read_the_mistakes(command, tmp_path):
    done = invoke("rules", command, BAD / "several_problems", "--json", cwd=tmp_path)
    assert done.returncode == 1
    expected = (BAD / "several_problems" / "expected.txt").read_text().splitlines()
    content = json.loads(done.stdout)
    assert [f"{each['file']}:{each['line']}: {each['message']}" for each in content["problems"]] == expected
    assert content["folder"] == str(BAD / "several_problems")


@pytest.mark.parametrize(("forced", "colours"), [({}, False), ({"FORCE_COLOR": "1"}, True)])
def test_only_a_terminal_gets_colours(forced, colours, tmp_path):
    done = anju("rules", "check", BAD / "above_a_flag", cwd=tmp_path, **forced)
    assert ("\x1b[" in done.stderr) is colours


@pytest.mark.parametrize("command", ["check", "test"])
def test_a_file_is_no_folder_of_rules(command, tmp_path):
    done = invoke("rules", command, BAD / "above_a_flag" / "electricity_meter.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "isafile" in "".join(filter(str.isalpha, done.stderr))  # in a box whose lines break anywhere


def test_a_test_of_one_rule_needs_its_right_name(tmp_path):
    done = invoke("rules", "test", "--rule", "water_laek", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean `water_leak`?" in done.stderr


def test_the_folder_in_the_settings_is_the_one_in_force(tmp_path):
    done = invoke("rules", "check", cwd=tmp_path, ANJU_RULES_DIR=str(BAD / "above_a_flag"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"{BAD}/above_a_flag/electricity_meter.yaml:4:")


def test_a_folder_without_rules_fails(tmp_path):
    done = invoke("rules", "check", tmp_path, cwd=tmp_path)
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


def test_a_backtest_lists_the_alerts_of_the_rules(tmp_path):
    file = recorded(tmp_path, 230, 245, 245, 245, 245, 230, 230, 230, 230)
    done = invoke("rules", "backtest", "--file", file, cwd=tmp_path)
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
    content = json.loads(invoke("rules", "backtest", "--file", file, "--json", cwd=tmp_path).stdout)
    [alert] = content["occurrences"]
    assert (alert["rule"], alert["community"], alert["device"]) == ("electricity_voltage_high", "jinhe-yuan", "e-101")
    assert [goal["met"] for goal in content["communities"][0]["goals"]] == [True, True, True, True, True, None]
    assert content["met"] is True


def test_a_backtest_that_misses_a_goal_ends_with_1(tmp_path):
    """Twelve overloads are twelve alerts; high voltage at twelve meters would be one of their building."""
    line = json.loads(recorded(tmp_path, 245).read_text()) | {"values": {"current_a": 60}}
    lines = [
        json.dumps({**line, "device": f"e-{device}", "ts": line["ts"] + quarter * 900_000 + device * 31_000})
        for quarter in range(5)
        for device in range(12)
    ]
    (tmp_path / "storm.jsonl").write_text("\n".join(lines))
    done = invoke("rules", "backtest", "--file", tmp_path / "storm.jsonl", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    [peak] = [line for line in done.stdout.splitlines() if "in 10 minutes, peak" in line]
    assert "12 (2026-11-01 00:30)" in peak
    assert "MISSED" in peak


def test_a_backtest_of_one_rule_needs_its_right_name(tmp_path):
    file = recorded(tmp_path, 230)
    done = invoke("rules", "backtest", "--file", file, "--rule", "electricity_voltage_hihg", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean `electricity_voltage_high`?" in done.stderr


def test_a_backtest_without_samples_fails(tmp_path):
    file = recorded(tmp_path, 230)
    done = invoke("rules", "backtest", "--file", file, "--device", "jinhe-yuan/e-999", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stdout == ""
