"""A device kind is one file in each of `devices/`, `rules/definitions/` and `simulators/`, and one catalogue line."""

import re
from pathlib import Path

import pytest

from devices.catalogue import KIND_BY_NAME, KINDS
from devices.kind import Choice, Counter, Gauge

ROOT = Path(__file__).parents[2]
UNITS_IN_NAMES = {
    "kWh": "kwh",
    "W": "w",
    "kW": "kw",
    "V": "v",
    "A": "a",
    "Hz": "hz",
    "m³": "m3",
    "m³/h": "m3_h",
    "℃": "c",
    "MPa": "mpa",
    "kPa": "kpa",
    "dBm": "dbm",
    "s": "s",
    "kbit/s": "kbit_s",
    "%": "percent",
    "天": "days",
}
COUNTS = {"1", "次", "个", "辆", "条"}


def test_names_of_kinds_are_unique():
    assert len(KIND_BY_NAME) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("place", ["devices/{}.py", "rules/definitions/{}.yaml", "simulators/{}.py"])
def test_every_kind_has_its_file_in_each_place(kind, place):
    assert (ROOT / place.format(kind.name)).is_file()


@pytest.mark.parametrize("folder", ["rules/definitions"])
def test_no_rule_file_is_left_without_a_kind(folder):
    stems = {path.stem for path in (ROOT / folder).glob("*.yaml")}
    assert stems == {*KIND_BY_NAME, "pipeline", "family"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_measured_field_ends_in_its_unit(kind):
    for field in kind.fields:
        if isinstance(field, Gauge | Counter) and field.unit not in COUNTS:
            assert field.name.endswith("_" + UNITS_IN_NAMES[field.unit]), field.name


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
    assert kind.plan_items
    assert kind.standards
    assert kind.reporting_period.total_seconds() > 0
