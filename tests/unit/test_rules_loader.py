"""Rule files: every mistake is reported with file and line; valid files become a rule pack."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from devices.catalogue import KINDS
from rules.language.check import check_folder
from rules.language.loader import RuleFileError, load_rules
from rules.model.condition import Compare, NoData
from rules.model.rule import OnClose, RulesError, Severity, Unknown
from tests.unit.rules_fixtures.world import minutes, rule

BAD = sorted((Path(__file__).parent / "rules_fixtures" / "bad").iterdir())
DEFINITIONS = Path(__file__).parents[2] / "rules" / "definitions"

FULL = """
- name: voltage_high
  kind: electricity_meter
  severity: major
  when: {field: voltage_v, above: 242}
  until: {field: voltage_v, below: 238}
  on_delay: 30m
  off_delay: 1h
  gap: 20m
  unknown: pause
  latch: true
  title: 电压过高
  message: "{place} {device}：电压 {voltage_v} V"
  advice: 检查零线
  examples:
    - - {at: 0s, voltage_v: 245, then: pending}
      - {at: 15m, voltage_v: 245, then: pending}
      - {at: 30m, voltage_v: 245, then: active}
      - {at: 45m, voltage_v: 230, then: recovering}
      - {at: 60m, voltage_v: 230}
      - {at: 75m, voltage_v: 230}
      - {at: 90m, voltage_v: 230}
      - {at: 105m, then: latched}
"""
SILENT = """
- name: meter_silent
  kind: electricity_meter
  severity: info
  when: {silent: {periods: 2}}
  title: 没有数据
  message: "{device} 已 {silent_for} 没有数据"
  advice: 检查通信
  examples: [[{at: 0s, arrives: true}, {at: 31m, then: normal}, {at: 32m, then: active},
              {at: 40m, arrives: true, then: normal}]]
"""


def write(folder, text, name="electricity_meter.yaml"):
    (folder / name).write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize("case", BAD, ids=[case.name for case in BAD])
def test_a_bad_rule_file_is_refused_with_line_and_remedy(case):
    with pytest.raises(RuleFileError) as refused:
        load_rules(case)
    expected = (case / "expected.txt").read_text("utf-8").splitlines()
    assert [str(problem) for problem in refused.value.diagnostics] == expected
    assert str(refused.value).splitlines()[1:] == expected


def test_enough_bad_files_are_tested():
    assert len(BAD) >= 25
    assert all((case / "expected.txt").stat().st_size for case in BAD)


def test_every_word_of_a_rule_is_read(tmp_path):
    (read,) = load_rules(write(tmp_path, FULL)).rules
    assert read.examples[0][3].values == {"voltage_v": 230.0}
    expected = rule(
        severity=Severity.MAJOR,
        on_delay=minutes(30),
        off_delay=minutes(60),
        allowed_gap=minutes(20),
        unknown=Unknown.PAUSE,
        latch=True,
        message="{place} {device}：电压 {voltage_v} V",
        source="electricity_meter.yaml:2",
    )
    assert replace(read, examples=()) == expected


def test_a_missing_key_has_its_default(tmp_path):
    (read,) = load_rules(write(tmp_path, SILENT)).rules
    assert read.when == NoData(2, minutes(15), minutes(1.5))
    assert (read.until, read.on_delay, read.off_delay) == (None, timedelta(), timedelta())
    assert (read.scope, read.unknown, read.latch) == ("device", Unknown.HOLD, False)
    assert read.allowed_gap == minutes(30)


def test_rules_of_several_files_make_one_pack(tmp_path):
    write(tmp_path, FULL + SILENT)
    pipeline = (DEFINITIONS / "pipeline.yaml").read_text("utf-8")
    pack = load_rules(write(tmp_path, pipeline, "pipeline.yaml"))
    assert [one.name for one in pack.rules] == [
        "voltage_high",
        "meter_silent",
        "pipeline_behind",
        "notices_undelivered",
        "data_refused",
        "session_lost",
    ]
    assert [one.name for one in pack.of_kind("electricity_meter")] == ["voltage_high", "meter_silent"]


def test_the_mistakes_of_all_files_are_reported_together(tmp_path):
    write(tmp_path, FULL.replace("major", "loud"))
    write(
        tmp_path, SILENT.replace("electricity_meter", "gas_meter").replace("title: 没有数据\n  ", ""), "gas_meter.yaml"
    )
    write(tmp_path, FULL.replace("electricity_meter", "water_meter"), "water_meter.yaml")
    files = {problem.file for problem in check_folder(tmp_path).diagnostics}
    assert files == {"electricity_meter.yaml", "gas_meter.yaml", "water_meter.yaml"}


def test_a_name_is_used_once_in_the_whole_pack(tmp_path):
    write(tmp_path, FULL + SILENT)
    gas = (
        SILENT.replace("electricity_meter", "gas_meter").replace("31m", "2h").replace("32m", "3h").replace("40m", "4h")
    )
    (problem,) = check_folder(write(tmp_path, gas, "gas_meter.yaml")).diagnostics
    assert str(problem) == (
        "gas_meter.yaml:2: `meter_silent` is already the name of the rule in electricity_meter.yaml:25: choose another"
    )


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_a_folder_without_rule_files_is_an_error(tmp_path, folder):
    with pytest.raises(RulesError, match="no rule file here: name a folder that has"):
        load_rules(tmp_path / folder)


def test_a_change_of_texts_or_severity_keeps_the_version():
    changed = replace(rule(), title="别的", message="别的", advice="别的", severity=Severity.CRITICAL, source="x:9")
    assert changed.version == rule().version


@pytest.mark.parametrize(
    "logic",
    [
        {"when": Compare("voltage_v", "above", 243.0)},
        {"until": None},
        {"on_delay": minutes(9)},
        {"off_delay": minutes(9)},
        {"allowed_gap": minutes(9)},
        {"unknown": Unknown.RESET},
        {"latch": True},
        {"kind": "gas_meter"},
    ],
    ids=lambda logic: next(iter(logic)),
)
def test_a_change_of_logic_changes_the_version(logic):
    assert rule(**logic).version != rule().version


def test_equal_numbers_make_the_same_version(tmp_path):
    (first,) = load_rules(write(tmp_path, FULL)).rules
    (second,) = load_rules(write(tmp_path, FULL.replace("242", "242.0").replace("1h", "60m"))).rules
    assert first.version == second.version


def test_the_built_in_rules_are_valid_and_cover_every_kind():
    result = check_folder(DEFINITIONS)
    counts = Counter(each.rule.kind for each in result.checked)
    assert result.diagnostics == ()
    assert all(counts[kind.name] >= 3 for kind in KINDS)
    assert counts["pipeline"] == 4


def test_a_rule_may_name_a_built_in_calendar_or_one_of_the_folder(tmp_path):
    (tmp_path / "calendars.yaml").write_text("shift: {zone: Asia/Shanghai, label: 班次, weekdays: [mon]}", "utf-8")
    (own,) = load_rules(write(tmp_path, FULL.replace("  latch: true", "  latch: true\n  schedule: shift"))).rules
    assert (own.schedule.label, own.on_close) == ("班次", OnClose.CLEAR)
    held = "  latch: true\n  schedule: heating_season\n  on_close: hold"
    (shipped,) = load_rules(write(tmp_path, FULL.replace("  latch: true", held))).rules
    assert (shipped.schedule.label, shipped.on_close) == ("供暖季", OnClose.HOLD)
    (always,) = load_rules(write(tmp_path, FULL.replace("  latch: true", "  latch: true\n  schedule: always"))).rules
    assert always.schedule is None
