"""A device kind is one file in each of `devices/`, `rules/definitions/` and `simulators/`, and one catalogue line."""

import re
from pathlib import Path

import pytest

from devices.catalogue import KIND_BY_NAME, KINDS
from devices.kind import Choice, Counter, Gauge
from rules.language.loader import load_rules

ROOT = Path(__file__).parents[2]
WITH_NO_DATA_RULE = {rule.kind for rule in load_rules(ROOT / "rules" / "definitions").rules if rule.no_data}
ENDINGS = {"℃": "c", "%": "percent", "天": "days"}
COUNTS = {"1", "次", "个", "辆", "条"}


def ending(unit):
    """The ending of a field's name for its unit, such as `_m3_h` for m³/h."""
    return "_" + ENDINGS.get(unit, unit.lower().replace("/", "_").replace("³", "3"))


def test_names_of_kinds_are_unique():
    assert len(KIND_BY_NAME) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_has_its_three_files(kind):
    files = [f"devices/{kind.name}.py", f"rules/definitions/{kind.name}.yaml", f"simulators/{kind.name}.py"]
    assert [file for file in files if not (ROOT / file).is_file()] == [], "CONTRIBUTING.md says what stands in each"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_has_a_rule_for_a_device_without_data(kind):
    assert kind.name in WITH_NO_DATA_RULE, f"rules/definitions/{kind.name}.yaml"


def test_no_file_is_left_without_its_line_in_the_catalogue():
    definitions = {path.stem for path in (ROOT / "devices").glob("*.py") if "= DeviceKind(" in path.read_text("utf-8")}
    rules = {path.stem for path in (ROOT / "rules" / "definitions").glob("*.yaml")}
    models = {path.stem for path in (ROOT / "simulators").glob("*.py") if "\nPERIOD_S" in path.read_text("utf-8")}
    assert (definitions | rules | models) - {*KIND_BY_NAME, "pipeline", "family"} == set()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_measured_field_ends_in_its_unit(kind):
    measured = [field for field in kind.fields if isinstance(field, Gauge | Counter) and field.unit not in COUNTS]
    assert {field.name: ending(field.unit) for field in measured if not field.name.endswith(ending(field.unit))} == {}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_labels_are_chinese_and_names_are_identifiers(kind):
    for part in (kind, *kind.fields, *kind.events, *(item for event in kind.events for item in event.data)):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", part.name)
        assert re.search(r"[\u4e00-\u9fff]", part.zh), part.name
        assert part.en.isascii(), part.name


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_fields_and_events_are_unique_and_bounds_are_in_order(kind):
    assert len({field.name for field in kind.fields}) == len(kind.fields)
    assert len({event.name for event in kind.events}) == len(kind.events)
    for field in kind.fields:
        match field:
            case Gauge() | Counter():
                assert field.possible.low < field.possible.high
            case Choice():
                assert len(field.choices) > 1
    assert kind.plan_items, "name at least one item of acceptance/plan_items.py"
    assert kind.standards, "name the standards that its fields follow"
    assert kind.reporting_period.total_seconds() > 0
