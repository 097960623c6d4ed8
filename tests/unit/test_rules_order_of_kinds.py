"""The order of arrival decides nothing under the rules that come with Anju, whatever the kind."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.catalogue import KINDS
from devices.kind import Choice, Counter, Flag, Gauge
from laws import examples
from rules.model.condition import Compare, leaves
from shipped_rules import SHIPPED
from tests.unit.test_rules_order import HOUR, MINUTE, NOW, Meter


def near(field, limits):
    """Values on both sides of the limits of the rules about a field, and of a register that goes on and falls."""
    match field:
        case Gauge():
            both = {limit + sign * (abs(limit) / 10 + 0.01) for limit in limits for sign in (-1, 1)}
            return sorted(value for value in both if field.possible.low <= value <= field.possible.high)
        case Counter():
            return [0.0, 100.0, 100.1, 100.2]
        case Choice():
            return sorted(field.choices)
        case Flag():
            return [False, True]


def contents_of(kind):
    """Readings of some fields, and events, that decide about the shipped rules of a kind."""
    limits = defaultdict(set)
    for leaf in (
        leaf for one in SHIPPED.of_kind(kind.name) for part in (one.when, one.until) if part for leaf in leaves(part)
    ):
        if isinstance(leaf, Compare) and not leaf.derived:
            limits[leaf.field].update(leaf.limit if isinstance(leaf.limit, tuple) else [leaf.limit])
    values = {field.name: near(field, limits[field.name]) for field in kind.fields}
    some = {name: st.sampled_from(few) for name, few in values.items() if few}
    readings_of = st.lists(st.sampled_from(sorted(some)), min_size=1, max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: some[name] for name in names})
    )
    return readings_of | st.sampled_from([one.name for one in kind.events])


def parts_of(content, number):
    """The first `number` fields of a reading, and the others; events are whole."""
    if isinstance(content, str) or not 0 < number < len(content):
        return [content]
    fields = list(content.items())
    return [dict(fields[:number]), dict(fields[number:])]


@st.composite
def late_courses_of_a_kind(draw):
    """A kind, its items by half minutes, and their parts in the order of arrival, each late within the bound."""
    kind = draw(st.sampled_from(KINDS))
    instants = draw(st.lists(st.integers(0, 480), min_size=3, max_size=40, unique=True).map(sorted))
    items = [(instant, draw(contents_of(kind))) for instant in instants]
    lateness = st.sampled_from([0, 0, 2, 6, 14, 19])
    parts = [
        (instant + draw(lateness), instant, part)
        for instant, content in items
        for part in parts_of(content, draw(st.integers(0, 2)))
    ]
    return kind.name, items, sorted(parts, key=lambda part: part[0])


@examples(300)
@given(late_courses_of_a_kind())
def test_under_the_shipped_rules_of_every_kind_late_items_and_parts_end_in_the_same_alerts(course):
    kind, items, parts = course
    punctual, late = Meter(kind), Meter(kind)
    for instant, content in items:
        punctual.send(NOW + instant * MINUTE / 2, content, NOW + instant * MINUTE / 2)
    for arrival, instant, content in parts:
        late.tick(NOW + arrival * MINUTE / 2)
        late.send(NOW + instant * MINUTE / 2, content, NOW + arrival * MINUTE / 2)
    for hours in (5, 9, 100):
        for meter in (punctual, late):
            meter.tick(NOW + hours * HOUR)
        assert by_event_time(late) == by_event_time(punctual)


@pytest.mark.parametrize("late", [0, 1, 9])
def test_a_reading_that_comes_in_parts_is_judged_as_a_whole(late):
    door = Meter("access_control")
    for minute in range(0, 13, 3):
        door.send(NOW + minute * MINUTE, {"door_open": False})
        door.send(NOW + minute * MINUTE, {"locked": False}, NOW + (minute + late) * MINUTE)
    door.tick(NOW + 22 * MINUTE)
    assert door.phase("door_lock_not_closing") == "active"


def test_a_part_of_a_reading_that_comes_again_is_no_other_reading():
    meter = Meter("electricity_meter")
    for values in ({"energy_kwh": 100.0}, {"voltage_v": 305.0}, {"energy_kwh": 100.0}, {"voltage_v": 305.0}):
        meter.send(NOW, values)
    assert meter.open == {"electricity_neutral_fault": "active"}
    assert len(meter.alerts) == 1
    assert len(meter.transitions) == 1


def by_event_time(meter):
    """Open instances and alerts of a meter, without those of missing data."""
    absence = {one.name for one in SHIPPED.rules if one.no_data}
    alerts = [(each.rule, each.opened_at, each.ended_at) for each in meter.alerts if each.rule not in absence]
    phases = {one.name: meter.phase(one.name) for one in SHIPPED.of_kind(meter.device.kind) if one.name not in absence}
    return phases, sorted(alerts, key=str)
