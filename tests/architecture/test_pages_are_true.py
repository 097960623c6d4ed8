"""The pages name all kinds, rules, faults and scenarios, and nothing that does not exist."""

import re
from pathlib import Path

import pytest

from devices.catalogue import KINDS
from rules.language.loader import load_rules
from rules.model.labels_zh import SEVERITY
from rules.model.virtual_kinds import RULE_KINDS
from simulators.faults import FAULTS
from simulators.scenarios.scenario import Scenario, all_scenarios

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
RULES = load_rules(ROOT / "rules" / "definitions").rules
RULES_PAGE = (ROOT / "docs" / "rules.zh.md").read_text("utf-8")
SIMULATORS_PAGE = (ROOT / "docs" / "simulators.md").read_text("utf-8")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def rows_of(kind):
    """Title and severity of each rule in the section of a kind, by name."""
    sections = re.split(r"(?m)^(?=## )", RULES_PAGE)
    section = next((each for each in sections if each.startswith(f"## {kind.zh} `{kind.name}`")), "")
    rows = re.findall(r"(?m)^\| (.+) `(\w+)` \| (\S+) \| .+ \| .+ \| .+ \|$", section)
    return {name: (title, severity) for title, name, severity in rows}


@pytest.mark.parametrize("kind", RULE_KINDS.values(), ids=lambda kind: kind.name)
def test_the_chinese_page_has_a_section_for_each_kind_with_its_rules(kind):
    rules = {rule.name: (rule.title, SEVERITY[rule.severity]) for rule in RULES if rule.kind == kind.name}
    assert rows_of(kind) == rules, f"docs/rules.zh.md, section “## {kind.zh} `{kind.name}`”"


@every_kind
def test_the_page_of_the_simulators_names_the_model_of_each_kind(kind):
    assert f"`{kind.name}.py`" in SIMULATORS_PAGE, "docs/simulators.md, table of the files with their physics"


@every_kind
@pytest.mark.parametrize("page", ["import.md", "import.zh.md"])
def test_the_pages_about_the_import_name_each_kind(kind, page):
    assert f"`{kind.name}`" in (ROOT / "docs" / page).read_text("utf-8"), f"docs/{page}, list of the kinds"


def test_the_page_of_the_simulators_names_no_file_that_does_not_exist():
    named = set(re.findall(r"`(\w+\.py)`", SIMULATORS_PAGE))
    assert {name for name in named if not (ROOT / "simulators" / name).is_file()} == set()


def test_the_table_of_faults_has_each_fault_with_its_parameters():
    (table,) = re.findall(r"(?m)^\| fault \|.*\n\|---.*\n((?:\|.*\n)+)", SIMULATORS_PAGE)
    named = {}
    for row in table.splitlines():
        names, *_, parameters = (cell.strip() for cell in row.strip("|").split(" | "))
        for fault in re.findall(r"`(\w+)`", names):
            named[fault] = set(re.findall(r"`(\w+)`", parameters))
    assert named == {name: set(fault.parameters) for name, fault in FAULTS.items()}


def test_the_example_of_a_scenario_is_that_scenario():
    name, content = re.search(r"here `(\w+\.yaml)`:\n\n```yaml\n(.*?)```", SIMULATORS_PAGE, re.DOTALL).groups()
    assert content == (ROOT / "simulators" / "scenarios" / name).read_text("utf-8")


def test_every_key_of_a_scenario_is_on_the_page():
    shown = re.findall(r"(?m)^- `(\w+)|`(\w+): true`|^(\w+):", SIMULATORS_PAGE)
    assert set(Scenario.model_fields) - {"name"} - {name for names in shown for name in names} == set()


@every_page
def test_what_a_command_on_a_page_names_exists(page):
    text = page.read_text("utf-8")
    scenarios = {scenario.name for scenario in all_scenarios()}
    assert set(re.findall(r"--scenario (\w+)|simulators\.scenarios (\w+)", text)) <= {
        pair for name in scenarios for pair in ((name, ""), ("", name))
    }
    assert set(re.findall(r"--fault (\w+):", text)) <= set(FAULTS)
    if page.name not in {"rules.md", "backtest.md"}:
        assert set(re.findall(r"--rule ([a-z_]+)", text)) <= {rule.name for rule in RULES}
