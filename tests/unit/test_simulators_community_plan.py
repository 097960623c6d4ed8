"""Plans of communities, for the import and for the fleet."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.catalogue import KIND_BY_NAME
from devices.topic import IDENTIFIER
from laws import examples
from simulators.community_plan import SITES, plan_community
from simulators.fleet import Fleet

METERS = ("water_meter", "electricity_meter", "gas_meter")


@given(households=st.integers(1, 400), seed=st.integers(0, 2**32), site=st.sampled_from(SITES))
@examples(25)
def test_every_household_has_its_three_meters_and_every_entrance_its_door(households, seed, site):
    plan = plan_community(*site, households, seed=seed)
    homes = {(row["building"], row["unit"], row["room"]) for row in plan.households}
    entrances = {home[:2] for home in homes}
    assert len(plan.households) == len(homes) == households
    for kind in METERS:
        places = [(row["building"], row["unit"], row["room"]) for row in plan.devices if row["kind"] == kind]
        assert len(places) == households
        assert set(places) == homes
    for kind in ("access_control", "heat_meter"):
        places = [(row["building"], row["unit"]) for row in plan.devices if row["kind"] == kind]
        assert len(places) == len(entrances)
        assert set(places) == entrances


@given(households=st.integers(1, 400), seed=st.integers(0, 2**32))
@examples(25)
def test_a_plan_has_every_kind_under_names_that_are_valid_in_topics(households, seed):
    plan = plan_community(*SITES[0], households, seed=seed)
    names = [row["device"] for row in plan.devices]
    assert len(set(names)) == len(names)
    assert all(IDENTIFIER.fullmatch(name) for name in names)
    assert {row["kind"] for row in plan.devices} == set(KIND_BY_NAME)
    assert all(row["plan_item"] in KIND_BY_NAME[row["kind"]].plan_items for row in plan.devices)
    assert all(row["simulated"] == "true" for row in plan.devices)


def test_meters_report_through_the_gateway_of_their_building():
    plan = plan_community(*SITES[0], 80, seed=1)
    gateways = {row["building"]: row["device"] for row in plan.devices if row["kind"] == "gateway"}
    behind = [row for row in plan.devices if row["gateway"]]
    assert set(gateways) == {"1", "2", "3"}
    assert all(row["gateway"] == gateways[row["building"]] for row in behind)
    assert {row["kind"] for row in behind} == {*METERS, "heat_meter"}


def test_a_device_name_contains_its_place():
    rows = {row["device"]: row for row in plan_community(*SITES[0], 120, seed=1).devices}
    water = rows["b03-u2-0501-water"]
    assert (water["building"], water["unit"], water["room"]) == ("3", "2", "501")


def test_the_fleet_of_a_plan_is_marked_as_simulated_and_can_be_simulated():
    devices = plan_community(*SITES[1], 40, seed=1).numbered_devices()
    assert all(device.simulated for device in devices)
    assert Counter(device.place for device in devices)["1号楼1单元101室"] == 3
    Fleet(devices, seed=1)


def test_a_community_without_households_is_refused():
    with pytest.raises(ValueError, match="at least one household"):
        plan_community(*SITES[0], 0, seed=1)
