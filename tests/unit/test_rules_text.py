"""What `anju rules check` and `anju rules test` print: mistakes with their line, examples step by step."""

import re

import pytest

from app import rules_text
from app.rules_text import check_as_json, print_check, print_diagnostics, print_tests
from rules.language.check import check_folder
from rules.language.yaml_document import Diagnostic

VOLTAGE = """
- name: voltage_high
  kind: electricity_meter
  severity: major
  when: {field: voltage_v, above: 242}
  until: {field: voltage_v, below: 238}
  on_delay: 30m
  title: 电压过高
  message: "{place} {device}：电压 {voltage_v} V"
  advice: 检查零线
  examples:
    - - {at: 0s, voltage_v: 245, then: pending}
      - {at: 30m, voltage_v: 245, then: active}
      - {at: 45m, voltage_v: 230, then: normal}
"""
GAS = """
- name: leak
  kind: gas_meter
  severity: critical
  when: {event: gas_leak}
  until: {event: gas_leak_cleared}
  title: 燃气泄漏
  message: "{place} {device}：燃气泄漏"
  advice: 开窗
  examples: [[{at: 0s, event: gas_leak, then: active}, {at: 1m, event: gas_leak_cleared, then: normal}]]
"""
ITS_END = "  until: {field: voltage_v, below: 238}\n"
WRONG_EXAMPLE = VOLTAGE.replace("then: normal", "then: active")
UNREADABLE = VOLTAGE.replace("above: 242", "above: many")
FLOOD = VOLTAGE.replace(
    "- {at: 30m, voltage_v: 245, then: active}",
    "- {at: 1m, every: 1m, for: 28m, voltage_v: 245, then: pending}\n      - {at: 30m, voltage_v: 245, then: active}",
)


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes rule files, and checks their folder."""

    def write(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text, "utf-8")
        return check_folder(tmp_path), tmp_path

    return write


def row_of(text, name):
    return next(line.split() for line in text.splitlines() if line.startswith(name))


def test_good_rules_are_counted_by_kind_and_severity_with_a_total(folder, capsys):
    print_check(*folder(electricity_meter=VOLTAGE, gas_meter=GAS))
    out, err = capsys.readouterr()
    assert row_of(out, "kind")[:2] == ["kind", "rules"]
    assert row_of(out, "electricity_meter") == ["electricity_meter", "1", "1", "1"]
    assert "2 rules in" in out
    assert "all examples hold" in out
    assert err == ""


def test_one_rule_is_not_called_one_rules(folder, capsys):
    print_check(*folder(electricity_meter=VOLTAGE))
    assert re.search(r"^1 rule in ", capsys.readouterr().out, re.MULTILINE)


def test_a_mistake_is_shown_with_its_file_its_line_and_the_text_of_that_line(folder, capsys):
    result, path = folder(electricity_meter=UNREADABLE)
    print_check(result, path)
    out, err = capsys.readouterr()
    assert f"{path}/electricity_meter.yaml:5: " in err
    assert "    5 |   when: {field: voltage_v, above: many}" in err
    assert "1 problem: these rules are not used" in err
    assert out == ""


def test_a_failing_example_leads_to_the_command_that_shows_its_steps(folder, capsys):
    result, path = folder(electricity_meter=WRONG_EXAMPLE)
    print_check(result, path)
    assert f"anju rules test {path} --rule voltage_high" in capsys.readouterr().err


def test_an_unreadable_rule_has_no_examples_to_look_at(folder, capsys):
    print_check(*folder(electricity_meter=UNREADABLE))
    assert "anju rules test" not in capsys.readouterr().err


def test_two_mistakes_of_one_line_are_printed_above_that_line_once(tmp_path, capsys):
    (tmp_path / "a.yaml").write_text("first\nsecond\n")
    print_diagnostics([Diagnostic("a.yaml", 2, "one"), Diagnostic("a.yaml", 2, "another")], tmp_path)
    err = capsys.readouterr().err
    assert err.count("    2 | second") == 1
    assert [line.rpartition(": ")[2] for line in err.splitlines()[:2]] == ["another", "one"]


def test_a_mistake_about_the_folder_names_it_without_a_line(tmp_path, capsys):
    print_diagnostics([Diagnostic(str(tmp_path), 1, "no rule file")], tmp_path)
    assert capsys.readouterr().err.startswith(f"{tmp_path}: no rule file\n")


def test_a_mistake_behind_the_last_line_needs_no_line_to_show(tmp_path, capsys):
    (tmp_path / "a.yaml").write_text("only\n")
    print_diagnostics([Diagnostic("a.yaml", 2, "the text ends too early")], tmp_path)
    assert "|" not in capsys.readouterr().err


def test_the_examples_of_each_rule_are_counted_and_their_steps_shown_if_asked_for(folder, capsys):
    result, path = folder(electricity_meter=VOLTAGE, gas_meter=GAS)
    print_tests(result, path, with_steps=False)
    short = capsys.readouterr().out
    assert re.search(r"ok +voltage_high +1 example +电压过高", short)
    assert "what arrives" not in short
    print_tests(result, path, with_steps=True)
    long = capsys.readouterr().out
    assert "what arrives" in long
    assert re.search(r"when +\{field: voltage_v, above: 242\}, for 30m", long)
    assert "gas_leak" in long


def test_a_rule_without_its_own_end_ends_when_its_condition_does(folder, capsys):
    print_tests(*folder(electricity_meter=VOLTAGE.replace(ITS_END, "")), with_steps=True)
    assert re.search(r"until +no longer `when`\n", capsys.readouterr().out)


def test_a_failing_step_is_marked_beside_its_expectation(folder, capsys):
    result, path = folder(electricity_meter=WRONG_EXAMPLE)
    print_tests(result, path, with_steps=False)
    out, err = capsys.readouterr()
    assert re.search(r"FAILED +voltage_high", out)
    (failing,) = [line for line in err.splitlines() if line.startswith(">")]
    assert failing.split() == [">", "45m", "voltage_v", "230", "no", "yes", "normal", "active"]
    assert "1 of 1 rule failed" in err


def test_the_number_of_failed_rules_says_what_could_not_be_read_besides(folder, capsys):
    result, path = folder(electricity_meter=WRONG_EXAMPLE, gas_meter=UNREADABLE)
    print_tests(result, path, with_steps=False)
    assert re.search(r"1 of 1 rule failed, \d+ problems? kept others from being read", capsys.readouterr().err)


def test_steps_that_change_nothing_are_left_out_and_counted(folder, capsys):
    print_tests(*folder(electricity_meter=FLOOD), with_steps=True)
    out = capsys.readouterr().out
    assert re.search(r"\.\.\. \d+ more readings", out)
    shown = re.findall(r"(\d+)m +voltage_v 245", out)
    assert "1" in shown
    assert "30" in shown
    assert "15" not in shown


def test_the_json_of_a_check_holds_the_rules_by_kind_or_the_problems(folder):
    result, path = folder(electricity_meter=VOLTAGE, gas_meter=GAS)
    assert check_as_json(result, path) == {
        "folder": str(path), "problems": [], "rules": {"electricity_meter": 1, "gas_meter": 1},
    }  # fmt: skip
    bad, _ = folder(electricity_meter=UNREADABLE)
    (problem,) = check_as_json(bad, path)["problems"]
    assert (problem["file"], problem["line"]) == ("electricity_meter.yaml", 5)


def test_the_json_of_the_examples_holds_the_steps_of_a_failing_rule_without_being_asked(folder):
    bad, path = folder(electricity_meter=WRONG_EXAMPLE)
    (rule,) = rules_text.tests_as_json(bad, path, with_steps=False)["rules"]
    assert (rule["holds"], rule["file"], rule["line"]) == (False, "electricity_meter.yaml", 2)
    last = rule["played"][0][-1]
    assert (last["at_s"], last["values"], last["phase"], last["expected"], last["holds"]) == (
        2700, {"voltage_v": 230}, "normal", "active", False,
    )  # fmt: skip


def test_the_json_of_good_rules_is_short_unless_steps_are_asked_for(folder):
    good, path = folder(electricity_meter=VOLTAGE)
    (short,) = rules_text.tests_as_json(good, path, with_steps=False)["rules"]
    (long,) = rules_text.tests_as_json(good, path, with_steps=True)["rules"]
    assert short["holds"]
    assert "played" not in short
    assert [step["phase"] for step in long["played"][0]] == ["pending", "active", "normal"]
    assert long["played"][0][0]["due_s"] == 1800
