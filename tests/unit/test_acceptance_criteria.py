"""Plan items and criteria: complete, consistent with the device kinds, and honest about their basis."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from acceptance.criteria import CRITERIA, CRITERIA_VERSION, DEFAULT_WINDOW, MEASURED, version_of
from acceptance.criterion import Basis, Coverage, EventDelivery, OnlineRate, ReadSuccess, WitnessedDelivery
from acceptance.plan_items import PLAN_ITEM_BY_ID, PLAN_ITEM_IDS, PLAN_ITEMS, Method, PlanClass
from acceptance.witnessed import EXPECTED_EVENTS
from devices.catalogue import KIND_BY_NAME, KINDS
from devices.kind import Counter
from store.telemetry.witnessed_tests import SPACING, WATCH_TOLERANCE

ANNEX_4 = {
    "basic": (
        "drainage roads waste metering.water metering.electricity metering.gas heating telecom fire building "
        "gates_walls lighting video access"
    ),
    "improved": (
        "illegal_buildings insulation windows greening parking charging.car charging.ebike elevator accessibility "
        "culture fitness mailbox parcel property_rooms"
    ),
    "upgraded": "community_services special_services vehicle_gate sensing",
}


def test_every_item_of_the_plan_is_in_the_catalogue_once():
    expected = [f"{plan_class}.{name}" for plan_class, names in ANNEX_4.items() for name in names.split()]
    assert [item.id for item in PLAN_ITEMS] == expected


def test_an_item_without_a_device_kind_is_inspected_by_a_person():
    assert PLAN_ITEM_BY_ID["basic.roads"].method is Method.MANUAL
    assert PLAN_ITEM_BY_ID["basic.drainage"].method is Method.DEVICE
    assert PLAN_ITEM_BY_ID["improved.parcel"].plan_class is PlanClass.IMPROVED


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kinds_and_items_name_each_other(kind):
    assert set(kind.plan_items) == {item.id for item in PLAN_ITEMS if kind.name in item.kinds + item.carriers}


def test_every_item_has_a_criterion_and_every_criterion_an_item():
    assert {item for criterion in CRITERIA for item in criterion.plan_items} == PLAN_ITEM_IDS


def test_criterion_ids_are_unique():
    assert len({criterion.id for criterion in CRITERIA}) == len(CRITERIA)


@pytest.mark.parametrize("criterion", MEASURED, ids=lambda criterion: criterion.id)
def test_a_measured_criterion_asks_for_data_that_its_kind_can_report(criterion):
    measure = criterion.measure
    kind = KIND_BY_NAME[measure.kind]
    assert set(criterion.plan_items) <= set(kind.plan_items)
    match measure:
        case Coverage(register=register) | ReadSuccess(register=register):
            assert isinstance(kind.field(register), Counter)
        case EventDelivery(events=events) | WitnessedDelivery(events=events):
            assert events
            assert all(kind.event(event) for event in events)
        case OnlineRate():
            assert kind.reporting_period == timedelta(minutes=1)


def test_no_event_proves_two_tests():
    assert all(WATCH_TOLERANCE + expected.within <= SPACING for expected in EXPECTED_EVENTS)


def test_an_event_has_one_limit():
    assert len({(each.kind, each.event) for each in EXPECTED_EVENTS}) == len(EXPECTED_EVENTS)


def test_life_safety_rests_on_witnessed_tests():
    assert {(each.kind, each.event) for each in EXPECTED_EVENTS} == {
        ("gas_meter", "gas_leak"),
        ("ebike_charger", "over_temperature"),
        ("ebike_charger", "smoke_detected"),
    }


def test_every_kind_with_a_heartbeat_has_an_online_rate():
    heartbeats = {kind.name for kind in KINDS if kind.reporting_period <= timedelta(minutes=1)}
    assert heartbeats == {each.measure.kind for each in MEASURED if isinstance(each.measure, OnlineRate)}


def test_the_three_meters_have_coverage_and_read_success():
    meters = {"water_meter", "electricity_meter", "gas_meter"}
    assert {each.measure.kind for each in MEASURED if isinstance(each.measure, Coverage)} == meters
    assert meters <= {each.measure.kind for each in MEASURED if isinstance(each.measure, ReadSuccess)}


def test_a_chosen_number_says_so_and_any_other_names_its_source():
    for criterion in CRITERIA:
        assert criterion.source
        if criterion.basis is Basis.CHOSEN and criterion in MEASURED:
            assert "自定" in criterion.source
        if criterion.basis is not Basis.CHOSEN:
            assert "自定指标" not in criterion.source


def test_the_default_window_satisfies_every_criterion():
    assert timedelta(days=7) == DEFAULT_WINDOW
    assert all(criterion.target.window <= DEFAULT_WINDOW for criterion in MEASURED)


def test_any_change_of_a_criterion_changes_the_version():
    first = MEASURED[0]
    stricter = replace(first, target=replace(first.target, at_least=first.target.at_least - Decimal("0.001")))
    assert version_of(CRITERIA) == CRITERIA_VERSION
    assert version_of((stricter, *CRITERIA[1:])) != CRITERIA_VERSION
    assert version_of(CRITERIA[1:]) != CRITERIA_VERSION
