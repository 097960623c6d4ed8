"""Group suppression: one alert for devices that lose their data together, released once the outage is over."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.device import Device, Service
from devices.electricity_meter import ELECTRICITY_METER
from devices.gateway import GATEWAY
from laws import examples
from rules.analysis.explain import ProcessTransition, explain
from rules.engine.engine import Engine
from rules.engine.state_machine import Reason
from rules.model.condition import Compare, NoData
from rules.model.device_group import DeviceGroups, LastArrival, with_device_groups
from rules.model.rule import RulePack
from rules.model.sample import Sample
from shipped_rules import SHIPPED
from tests.unit.rules_fixtures.world import START, at, minutes, no_data_rule, rule

GROUP_RULES = SHIPPED.of_kind("family")
METERS = no_data_rule()  # 50 minutes
GATEWAYS = no_data_rule(name="gateway_silent", kind=GATEWAY.name, when=NoData(3, minutes(1), timedelta(seconds=30)))
LOST_BUS = rule(
    name="bus_lost", kind=GATEWAY.name, when=Compare("children_online", "below", 1.0), until=None, message="{device}",
    on_delay=timedelta(), off_delay=timedelta(), explains_children=True,
)  # fmt: skip


class Town:
    """A gateway with the id 1000, meters behind it with ids from 1, and their transitions."""

    def __init__(self, meters, *, gateway=None, building="", gateways=GATEWAYS):
        self.meters = range(1, meters + 1)
        kind, name = ELECTRICITY_METER.name, gateway or ""
        self.devices = [Device(n, "c1", f"m{n}", kind, gateway, building=building) for n in self.meters]
        if gateway:
            self.devices.append(Device(1000, "c1", name, GATEWAY.name))
        self.groups = DeviceGroups(self.devices)
        self.pack = RulePack((METERS, gateways, LOST_BUS, *GROUP_RULES))
        self.transitions, self.minute = [], 0
        self.engine = self._engine(START)
        self.engine.tick(START, caught_up=True)

    def _engine(self, now):
        return Engine(self.pack, now, self.find, groups=self.groups)

    def find(self, device_id):
        group = self.groups.by_id(device_id)
        return group.as_device if group else next(device for device in self.devices if device.id == device_id)

    def add(self, device):
        self.devices.append(device)
        self.groups.read(self.devices)

    def move(self, places):
        """Give devices another gateway, or another building where they have none, by id."""
        moved = {
            device.id: replace(device, gateway=places[device.id])
            if device.gateway and places[device.id].startswith("g")
            else replace(device, gateway=None, building=places[device.id])
            for device in self.devices
            if device.id in places
        }
        self.devices = [moved.get(device.id, device) for device in self.devices]
        self.groups.read(self.devices)

    def speak(self, minute, numbers, **values):
        for number in numbers:
            kind = self.find(number).kind
            sample = Sample(number, at(minute), at(minute), values or {"voltage_v": 230.0})
            self.transitions += self.engine.evaluate(sample, kind, at(minute))

    def tick(self, *minutes_):
        for minute in minutes_:
            self.transitions += self.engine.tick(at(minute), caught_up=True)

    def restart(self, minute):
        states = self.engine.drain_changes().saved
        device_states = self.engine.drain_device_states()
        self.engine = self._engine(at(minute))
        self.transitions += self.engine.restore(states, device_states, at(minute))

    def raised(self, rule_name):
        return [transition for transition in self.transitions if transition.rule == rule_name and transition.raises]

    def notices(self):
        """Transitions that cause a notice, one an alert: raised without suppression, or released."""
        told = [t for t in self.transitions if (t.raises and not t.suppressed) or t.reason is Reason.PARENT]
        return list({transition.alert_id: transition for transition in reversed(told)}.values())[::-1]


def staggered(town, first=0):
    """All meters send once, spread over one period of a quarter of an hour."""
    for number in town.meters:
        town.speak(first + 15 * number / len(town.meters), [number])


def test_two_hundred_children_behind_one_gateway_are_one_notice():
    town = Town(200, gateway="g1")
    staggered(town)
    town.tick(*range(15, 120))
    (notice,) = town.notices()
    assert (notice.rule, notice.inputs["values"]["children_silent"]) == ("family_silent", 200)
    assert notice.message.startswith("网关 g1：应上报的 200 台全部没有数据，")
    silent = town.raised("meter_silent")
    assert len(silent) == 200
    assert {transition.suppressed[0].cause for transition in silent} == {"caused_by_parent"}
    assert {transition.inputs["caused_by"] for transition in silent} == {"网关 g1"}


def test_a_gateway_without_data_has_the_parent_alert():
    town = Town(200, gateway="g1")
    staggered(town)
    town.speak(15, [1000], children_online=200.0)
    town.tick(*range(15, 120))
    assert [transition.rule for transition in town.notices()] == ["gateway_silent"]
    assert len(town.raised("meter_silent")) == 200


def test_a_gateway_that_explains_the_lack_of_data_has_the_parent_alert():
    town = Town(200, gateway="g1")
    staggered(town)
    for minute in range(15, 120):
        town.speak(minute, [1000], children_online=0.0)
        town.tick(minute)
    assert [transition.rule for transition in town.notices()] == ["bus_lost"]
    assert len(town.raised("meter_silent")) == 200


def test_a_gateway_that_has_no_data_after_its_devices_adds_no_notice():
    patient = replace(GATEWAYS, when=NoData(2, minutes(60), minutes(1)))
    town = Town(20, gateway="g1", gateways=patient)
    staggered(town)
    town.speak(15, [1000], children_online=20.0)
    town.tick(*range(15, 200))
    assert [transition.rule for transition in town.notices()] == ["family_silent"]
    assert town.raised("gateway_silent")[0].suppressed


def test_the_devices_of_a_building_are_a_group_too():
    town = Town(12, building="3")
    staggered(town)
    town.tick(*range(15, 120))
    (notice,) = town.notices()
    assert notice.message.startswith("3号楼：应上报的 12 台全部没有数据，")


def test_a_few_devices_without_data_among_many_have_their_own_alerts():
    town = Town(20, gateway="g1")
    for minute in range(0, 120, 15):
        town.speak(minute, range(1, 21) if minute == 0 else range(6, 21))
        town.tick(minute + 14)
    assert [transition.rule for transition in town.notices()] == ["meter_silent"] * 5


def test_two_devices_of_a_building_are_enough_for_an_outage():
    town = Town(2, building="3")
    staggered(town)
    town.tick(*range(15, 120))
    assert [transition.rule for transition in town.notices()] == ["family_silent"]
    assert len(town.raised("meter_silent")) == 2


def test_devices_still_without_data_after_the_outage_are_released_after_a_period():
    town = Town(20, gateway="g1")
    staggered(town)
    town.tick(*range(15, 120))
    town.speak(120, range(3, 21))
    town.tick(*range(120, 140))
    (back,) = [t for t in town.transitions if t.rule == "family_silent" and t.to_phase == "normal"]
    assert back.at == at(120)
    assert [transition.rule for transition in town.notices()] == ["family_silent"]
    town.tick(140)
    alone = [transition for transition in town.notices() if transition.reason is Reason.PARENT]
    assert sorted((transition.device_id, transition.at) for transition in alone) == [(1, at(140)), (2, at(140))]
    assert {transition.alert_id for transition in alone} < {
        transition.alert_id for transition in town.raised("meter_silent")
    }


def test_devices_that_send_within_the_period_are_never_notified():
    town = Town(20, gateway="g1")
    staggered(town)
    town.tick(*range(15, 120))
    for minute in range(120, 135):
        town.speak(minute, [number for number in town.meters if 120 + number % 15 == minute])
        town.tick(minute)
    town.tick(*range(135, 150))
    assert [transition.rule for transition in town.notices()] == ["family_silent"]


def test_an_outage_that_returns_before_the_period_is_over_keeps_its_devices_suppressed():
    town = Town(6, gateway="g1")
    staggered(town)
    town.speak(15, [1000], children_online=6.0)
    town.tick(*range(15, 100))
    town.speak(100, [1000], children_online=0.0)
    town.tick(*range(100, 130))
    assert not [transition for transition in town.notices() if transition.rule == "meter_silent"]
    town.speak(130, [1000], children_online=6.0)
    town.tick(*range(130, 134))
    town.tick(150)
    assert not [transition for transition in town.notices() if transition.rule == "meter_silent"]


def test_one_child_that_is_back_does_not_end_the_outage_of_the_others():
    town = Town(20, gateway="g1")
    staggered(town)
    town.tick(*range(15, 55))
    town.speak(55, [1])
    town.tick(*range(55, 100))
    assert [transition.rule for transition in town.notices()] == ["family_silent"]


def test_a_restart_forgets_no_outage_and_no_child():
    town = Town(20, gateway="g1")
    staggered(town)
    town.tick(*range(15, 70))
    town.restart(70)
    town.tick(*range(70, 120))
    town.speak(120, range(2, 21))
    town.tick(121)
    town.restart(122)
    town.tick(*range(122, 145))
    assert [transition.rule for transition in town.notices()] == ["family_silent", "meter_silent"]


@examples(60)
@given(
    st.lists(st.tuples(st.integers(30, 400), st.integers(30, 400)), min_size=1, max_size=14),
    st.integers(0, 1000),
)
def test_every_no_data_alert_is_notified_in_the_end_and_none_twice(absences, seed):
    town = Town(len(absences), gateway="g1")
    for minute in range(600):
        for number, (first, second) in zip(town.meters, absences, strict=True):
            away = min(first, second) < minute < max(first, second) or ((number + seed) % 3 == 0 and minute > 300)
            if not away and minute % 15 == number % 15:
                town.speak(minute, [number])
        town.tick(minute)
    out = any(transition.rule == "family_silent" for transition in town.transitions)
    for number in town.meters:
        own = [
            transition
            for transition in town.transitions
            if transition.device_id == number and transition.rule == "meter_silent"
        ]
        told_of = [(transition.alert_id) for transition in town.notices() if transition.device_id == number]
        assert len(told_of) == len(set(told_of))
        if not out:
            assert len(told_of) == sum(transition.raises for transition in own)
    steps = [transition for transition in town.transitions if transition.rule == "family_silent"]
    outages = [transition.to_phase for transition in steps if transition.reason is not Reason.RECOUNTED]
    assert outages == ["active", "normal"] * (len(outages) // 2) + ["active"] * (len(outages) % 2)


def test_a_device_counts_as_missing_present_or_neither():
    first = LastArrival(at(0), minutes(1), minutes(1))
    cases = {
        LastArrival(at(0), minutes(1), minutes(1)): True,
        LastArrival(at(-1), minutes(1), minutes(1)): True,
        LastArrival(at(3), minutes(1), minutes(1)): False,
        LastArrival(at(-5), minutes(15), minutes(1)): None,  # no report was due since
        LastArrival(at(-20), minutes(1), minutes(1)): None,  # without data long before: another cause
    }
    assert {device: device.is_missing_with(first, at(4)) for device in cases} == cases


def test_a_group_is_in_the_building_of_its_devices_and_does_not_belong_to_a_group():
    behind, beside = Town(4, gateway="g1", building="3"), Town(4, building="3")
    group = behind.groups.group_of_gateway(behind.devices[0]).as_device
    assert group.building == beside.groups.places_of(beside.devices[0])[0].as_device.building == "3"
    again = DeviceGroups(with_device_groups({device.id: device for device in behind.devices}).values())
    assert {each.id for each in again.all()} == {each.id for each in behind.groups.all()}
    scattered = DeviceGroups([replace(behind.devices[0], building="4"), *behind.devices[1:]])
    assert scattered.group_of_gateway(behind.devices[0]).building == ""


def test_a_group_that_leaves_the_registry_ends_its_alert_and_releases_its_devices():
    town = Town(6, building="3")
    staggered(town)
    town.tick(*range(15, 80))
    town.move({number: "4" if number > 2 else "5" for number in town.meters})
    (ended,) = town.engine.update_services(at(80))
    assert (ended.rule, ended.to_phase, ended.reason) == ("family_silent", "normal", Reason.SERVICE)
    assert ended.alert_id == town.raised("family_silent")[0].alert_id
    assert (
        "台账中已没有设备属于这个网关或地点"
        in explain(
            ProcessTransition(
                kind="family",
                from_phase="active",
                to_phase="normal",
                at=ended.at,
                reason="service",
                inputs=ended.inputs,
            )
        )[0]
    )
    town.tick(80)
    assert [t.device_id for t in town.notices() if t.rule == "meter_silent"] == []
    assert [t.message[:3] for t in town.raised("family_silent")] == ["3号楼", "5号楼", "4号楼"]


@pytest.mark.parametrize("place", [{"building": "3"}, {"gateway": "g1"}])
def test_a_device_that_moves_leaves_the_suppression_of_its_old_group_at_once(place):
    town = Town(6, **place)
    staggered(town)
    town.tick(*range(15, 80))
    town.move({6: "4"})
    assert town.engine.update_services(at(80)) == []
    town.tick(80)
    alone = [transition for transition in town.notices() if transition.reason is Reason.PARENT]
    assert [(transition.device_id, transition.at) for transition in alone] == [(6, at(80))]
    town.speak(100, range(1, 6))
    town.tick(*range(100, 140))
    assert [transition.rule for transition in town.notices()] == ["family_silent", "meter_silent"]


def test_a_device_that_moves_to_another_gateway_without_data_is_suppressed_by_that_one():
    town = Town(6, gateway="g1")
    town.add(Device(2000, "c1", "g2", GATEWAY.name))
    staggered(town)
    town.speak(15, [1000, 2000], children_online=6.0)
    town.tick(*range(15, 80))
    town.move({6: "g2"})
    town.engine.update_services(at(80))
    town.tick(80)
    (merged,) = [t for t in town.transitions if t.reason is Reason.MERGED]
    assert (merged.device_id, merged.inputs["caused_by"]) == (6, "网关 g2")
    assert {transition.rule for transition in town.notices()} <= {"gateway_silent", "family_silent"}


def test_a_withdrawn_device_is_in_no_group():
    behind = Town(4, gateway="g1")
    behind.devices[0] = replace(behind.devices[0], service=Service.WITHDRAWN)
    group = DeviceGroups(behind.devices).group_behind(behind.devices[-1])
    assert group.children == (2, 3, 4)
