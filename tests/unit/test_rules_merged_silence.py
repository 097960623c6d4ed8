"""Merged alerts about missing data, of gateways and of places, over restarts and moves."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.device import Device, Service
from laws import examples
from rules.model.device_group import DeviceGroups
from rules.model.rule import OPEN_PHASES
from shipped_rules import SHIPPED
from tests.unit.rules_fixtures.estate import Estate, flats


def test_without_mains_a_whole_building_falls_silent_in_one_alert():
    cameras = [Device(200 + n, "c1", f"k{n}", "camera", building="1", unit=str(n)) for n in (1, 2, 3)]
    others = [Device(210 + n, "c1", f"k{n}", "camera", building="2", unit=str(n)) for n in (1, 2, 3, 4)]
    estate = Estate([*flats(), *cameras, *others])
    watching = [device.id for device in others]
    estate.live(0, 9, *watching, 201, 202, 203)
    estate.report(10, "power_lost", *range(1, 37))
    estate.live(10, 100, *watching)
    told = [each for each in estate.transitions if each.raises and not each.suppressed]
    assert [(each.rule, estate.find(each.device_id).name) for each in told] == [("family_power_lost", "1号楼")]
    assert estate.open.count("-camera_silent k1") == 1
    assert sum("electricity_silent" in alert for alert in estate.open) == 36


@pytest.mark.parametrize("gateways", [2, 12])
def test_all_uplinks_of_a_community_are_one_alert_and_the_meters_behind_them_none(gateways):
    devices = [Device(500 + n, "c1", f"g{n}", "gateway", building=str(n)) for n in range(gateways)]
    for n in range(gateways):
        devices += [
            Device(n * 10 + k + 1, "c1", f"m{n}-{k}", "electricity_meter", f"g{n}", building=str(n)) for k in range(4)
        ]
    cameras = [Device(900 + n, "c1", f"k{n}", "camera") for n in range(20)]
    estate = Estate([*devices, *cameras])
    watching = [camera.id for camera in cameras]
    for minute in range(60):
        for n in range(gateways):
            estate.send(minute + n / gateways, 500 + n)
        estate.live(minute + 1, minute + 1, *watching)
        estate.send(minute, *(n * 10 + k + 1 for n in range(gateways) for k in range(4)))
    estate.live(61, 150, *watching)
    assert estate.told == ["family_silent 整个小区的采集网关"]
    assert len(estate.open) == 1 + gateways + 4 * gateways


def test_the_meters_of_a_building_that_hang_on_two_gateways_are_one_alert_of_the_building():
    gateways = [Device(500 + n, "c1", f"g{n}", "gateway", building="1") for n in (0, 1)]
    meters = [replace(each, gateway=f"g{each.id % 2}") for each in flats(buildings=2)]
    estate = Estate([*gateways, *meters])
    estate.report(10, "power_lost", *range(1, 37))
    estate.live(10, 30, 500, 501)
    assert estate.told == ["family_power_lost 1号楼的电表"]
    assert len(estate.open) == 37


@pytest.mark.parametrize(("first", "children"), [("gateway", 1), ("gateway", 2), ("children", 2), ("children", 5)])
def test_gateway_and_children_without_data_are_one_alert_whichever_comes_first(first, children):
    """Meters fall silent after 65 minutes: where they are first, they had sent nothing for an hour when it failed."""
    gateway = Device(500, "c1", "g1", "gateway")
    meters = [Device(n + 1, "c1", f"m{n}", "electricity_meter", "g1") for n in range(children)]
    estate = Estate([gateway, *meters])
    until = 120 if first == "gateway" else 75
    for minute in range(until):
        estate.send(minute, 500)
        if minute <= (until if first == "gateway" else 10) and minute % 15 == 0:
            estate.send(minute, *range(1, children + 1))
        estate.tick(minute)
    estate.live(until, until + 90)
    assert len(estate.told) == 1
    assert len(estate.open) == children + (2 if first == "children" else 1)


def test_a_child_without_data_waits_for_a_gateway_that_has_missed_its_report():
    devices = [
        Device(500, "c1", "g1", "gateway"),
        *(Device(n, "c1", f"m{n}", "electricity_meter", "g1") for n in (1, 2)),
    ]
    estate = Estate([*devices, Device(600, "c1", "k", "camera")])
    estate.live(0, 63, 500, 600)
    estate.send(30, 2)
    estate.live(64, 66, 600)
    estate.live(67, 80, 600)
    told = [each for each in estate.transitions if each.raises and not each.suppressed]
    assert [each.rule for each in told] == ["gateway_silent"]


NEUTRAL = {
    "out of service": {"service": Service.OUT_OF_SERVICE},
    "retired": {"service": Service.RETIRED},
    "in commissioning": {"service": Service.COMMISSIONING},
}


@pytest.mark.parametrize("reason", [*NEUTRAL, "never seen"])
def test_children_that_are_silent_for_a_reason_of_their_own_count_neither_way(reason):
    gateway = Device(500, "c1", "g1", "gateway")
    meters = [Device(n, "c1", f"m{n}", "electricity_meter", "g1") for n in range(1, 9)]
    estate = Estate([gateway, *meters])
    if reason == "never seen":
        estate = Estate([gateway, *meters[:3]])
        estate.register([gateway, *meters])
    else:
        estate.change(1, **{f"_{n}": NEUTRAL[reason] for n in range(4, 9)})
    estate.live(1, 90, 500)
    assert estate.told == ["family_silent 网关 g1"]
    (raised,) = [each for each in estate.transitions if each.raises and each.rule == "family_silent"]
    assert raised.message.startswith("网关 g1：应上报的 3 台全部没有数据")


@pytest.mark.parametrize("minute", [12, 15, 16, 40, 41, 54])
def test_a_restart_changes_nothing(minute):
    estates = [Estate(flats()), Estate(flats())]
    for number, estate in enumerate(estates):
        estate.report(10, "power_lost", *range(1, 37))
        for now in range(11, 64):
            if now == 40:
                estate.report(now, "power_restored", *range(2, 37))
            if now >= 40:
                estate.send(now, *range(2, 37))
            if number and now == minute:
                estate.restart(now)
            estate.tick(now)
    plain, restarted = estates
    assert restarted.open == plain.open == ["electricity_power_lost electricity_meter-0"]
    assert [t for t in restarted.transitions if t.raises] == [t for t in plain.transitions if t.raises]


def test_a_device_that_moved_while_ingest_was_away_leaves_the_suppression_of_its_old_group():
    estate = Estate(flats(units=1))
    estate.report(10, "power_lost", *range(1, 13))
    estate.live(11, 20)
    estate.devices[1] = replace(estate.devices[1], building="9")
    estate.restart(21)
    estate.tick(21)
    assert estate.told == ["electricity_power_lost electricity_meter-0", "family_power_lost 1号楼"]


actions = st.lists(
    st.tuples(
        st.integers(0, 150),
        st.integers(1, 8),
        st.sampled_from(["power_lost", "power_restored", "silent", "talks", "moves"]),
    ),
    max_size=40,
)


@examples(60)
@given(actions, st.booleans())
def test_no_alert_stays_suppressed_without_a_parent_and_none_is_lost(steps, restarts):
    """After an hour of calm every open alert is notified, or the alert that stands for it is."""
    meters = [replace(each, gateway=f"g{each.id % 2}") for each in flats(units=2, rooms=4)]
    estate = Estate([*meters, *(Device(500 + n, "c1", f"g{n}", "gateway", building="1") for n in (0, 1))])
    talking = {device.id: True for device in estate.devices.values()}
    for minute in range(151):
        for _, number, action in (step for step in steps if step[0] == minute):
            if action in {"silent", "talks"}:
                talking[number + 499 if number < 3 else number] = action == "talks"
            elif action == "moves":
                device = estate.devices[number]
                estate.change(minute, **{f"_{number}": {"gateway": "g1" if device.gateway == "g0" else "g0"}})
            else:
                estate.report(minute + 0.5, action, number)
        for number, talks in talking.items():
            if talks and (minute % 15 == number % 15 or number >= 500):
                states = [estate.engine.instance("electricity_power_lost", number)]
                if not (states[0] and states[0].verdict):
                    estate.send(minute + 0.75, number)
        if restarts and minute == 75:
            estate.restart(minute + 0.8)
        estate.tick(minute + 0.9)
    estate.live(152, 215)
    for state in estate.engine.drain_changes().saved:
        if state.phase not in OPEN_PHASES or state.parent is None:
            continue
        parent = estate.groups.by_id(state.parent)
        around = [state.parent, *([parent.gateway_id] if parent and parent.gateway_id else [])]
        rules = [estate.engine.instance(rule.name, each) for rule in SHIPPED.rules for each in around]
        own = {state.rule} if state.parent == state.device_id else set()
        assert any(each and each.phase in OPEN_PHASES and each.rule not in own for each in rules), state
    assert all(each.alert_id for each in estate.transitions if each.raises)


def test_only_a_gateway_has_devices_behind_it():
    meters = [Device(n, "c1", f"m{n}", "electricity_meter", "g1") for n in (1, 2)]
    groups = DeviceGroups([*meters, Device(500, "c1", "g1", "gateway")])
    assert groups.group_behind(meters[0]) is None
    assert groups.group_behind(Device(500, "c1", "g1", "gateway")).children == (1, 2)
    assert groups.group_behind(Device(500, "c2", "g1", "gateway")) is None
