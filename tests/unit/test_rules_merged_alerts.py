"""Merged alerts: most devices of a unit, a building, a community or a gateway are one alert, in any order."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.device import Device, Service
from laws import examples
from rules.analysis.backtest import collect_alerts
from rules.analysis.explain import ProcessTransition, explain
from rules.engine.engine import Engine
from rules.engine.state_machine import Reason
from rules.language.loader import load_rules
from rules.model.condition import Happens
from rules.model.device_group import FIRST_GROUP_ID, DeviceGroups
from rules.model.rule import OPEN_PHASES, RulePack, Severity
from rules.model.sample import Sample
from tests.unit.rules_fixtures.world import START, at

PACK = load_rules(Path(__file__).parents[2] / "rules" / "definitions")
MERGED = sorted(rule.name for rule in PACK.rules if rule.merge_as)
HEALTHY = {
    "electricity_meter": {"voltage_v": 228.0},
    "water_meter": {"pressure_mpa": 0.3},
    "heat_meter": {"flow_m3_h": 1.2, "supply_c": 44.0, "return_c": 38.0, "power_kw": 20.0},
    "gas_meter": {"pressure_kpa": 2.0},
    "camera": {"video_ok": True},
    "gateway": {"mains_ok": True, "children_online": 9.0, "children_total": 9.0},
    "access_control": {"mains_ok": True, "backup_battery_v": 13.0},
}


def flats(*, buildings=1, units=3, rooms=12, kind="electricity_meter", first=1, gateway=None):
    """Meters of the flats of some buildings, with ids from `first` on."""
    places = [(str(b + 1), str(u + 1)) for b in range(buildings) for u in range(units) for _ in range(rooms)]
    return [
        Device(first + number, "c1", f"{kind}-{number}", kind, gateway, building=building, unit=unit)
        for number, (building, unit) in enumerate(places)
    ]


class Estate:
    """A community under the rules of Anju, its engine, and all transitions."""

    def __init__(self, devices, pack=PACK):
        self.pack, self.transitions = pack, []
        self.register(devices)
        self.engine = self._engine(START)
        self.tick(0)
        for device in devices:
            self.send(0, device.id)

    def register(self, devices):
        self.devices = {device.id: device for device in devices}
        if hasattr(self, "groups"):
            self.groups.read(devices)
        else:
            self.groups = DeviceGroups(devices)

    def find(self, device_id):
        group = self.groups.by_id(device_id)
        return group.as_device if group else self.devices[device_id]

    def _engine(self, now):
        return Engine(self.pack, now, self.find, groups=self.groups)

    def change(self, minute, **changed):
        """Register changes of devices, as attributes by id."""
        numbers = {int(key[1:]): value for key, value in changed.items()}
        self.register([replace(device, **numbers.get(number, {})) for number, device in self.devices.items()])
        self.transitions += self.engine.update_services(at(minute))

    def restart(self, minute):
        states, devices = self.engine.drain_changes().saved, list(self.engine.drain_device_states())
        groups = [self.groups.by_id(state.device_id) for state in states if state.device_id <= FIRST_GROUP_ID]
        self.groups = DeviceGroups(self.devices.values())
        for group in groups:
            self.groups.remember(group)
        self.engine = self._engine(at(minute))
        self.transitions += self.engine.restore(states, devices, at(minute))

    def send(self, minute, *numbers, **values):
        for number in numbers:
            kind = self.devices[number].kind
            sample = Sample(number, at(minute), at(minute), values or HEALTHY[kind])
            self.transitions += self.engine.evaluate(sample, kind, at(minute))

    def report(self, minute, event, *numbers):
        for number in numbers:
            sample = Sample(number, at(minute), at(minute), {}, event)
            self.transitions += self.engine.evaluate(sample, self.devices[number].kind, at(minute))

    def tick(self, minute):
        self.transitions += self.engine.tick(at(minute), caught_up=True)

    def live(self, first, last, *talking, step=1):
        """Let minutes pass; the `talking` devices send every minute."""
        minute = first
        while minute <= last:
            self.send(minute, *talking)
            self.tick(minute)
            minute += step

    @property
    def open(self):
        """The open alerts, as rule and name; those that another alert suppresses have a `-` in front."""
        latest, suppressed = {}, {}
        for each in self.transitions:
            latest[each.alert_id] = each
            if each.suppressed:
                suppressed[each.alert_id] = True
            elif each.raises or each.reason is Reason.PARENT:
                suppressed[each.alert_id] = False
        return sorted(
            f"{'-' if suppressed[alert_id] else ''}{each.rule} {self.find(each.device_id).name}"
            for alert_id, each in latest.items()
            if alert_id and each.to_phase in OPEN_PHASES
        )

    @property
    def told(self):
        """The open alerts that are notified."""
        return [alert for alert in self.open if not alert.startswith("-")]


@pytest.mark.parametrize("spread", [0, 0.001, 0.1])
@pytest.mark.parametrize("backwards", [False, True])
def test_the_flats_of_a_building_without_power_are_one_alert_of_the_building(spread, backwards):
    estate = Estate(flats(buildings=3))
    lost = range(36, 0, -1) if backwards else range(1, 37)
    for number, meter in enumerate(lost):
        estate.report(10 + spread * number, "power_lost", meter)
    estate.live(14, 30)
    assert estate.told == ["family_power_lost 1号楼"]
    assert len(estate.open) == 37
    (raised,) = [each for each in estate.transitions if each.raises and each.rule == "family_power_lost"]
    assert raised.message == "1号楼：电表等设备 36 台全部停电，逐户的停电报警已合并到这一条。"
    assert raised.at == at(15)


@pytest.mark.parametrize(
    ("buildings", "lost", "expected"),
    [
        (3, range(13, 25), "1号楼2单元"),
        (3, range(13, 20), "1号楼2单元"),
        (3, range(1, 25), "1号楼"),
        (3, range(1, 109), "整个小区"),
        (3, range(1, 73), "整个小区"),
        (1, range(1, 37), "1号楼"),
    ],
    ids=["unit", "most of a unit", "two of three units", "community", "two of three buildings", "one building"],
)
def test_the_narrowest_place_of_all_affected_flats_has_the_alert(buildings, lost, expected):
    estate = Estate(flats(buildings=buildings))
    estate.report(10, "power_lost", *lost)
    estate.live(11, 20)
    assert estate.told == [f"family_power_lost {expected}"]
    assert len(estate.open) == len(lost) + 1


@pytest.mark.parametrize("lost", [(1,), (1, 13, 25), (1, 2, 3, 13, 14, 15, 25, 26, 27)])
def test_the_flats_of_a_minority_have_alerts_of_their_own(lost):
    estate = Estate(flats())
    estate.report(10, "power_lost", *lost)
    estate.live(11, 20)
    assert len(estate.told) == len(estate.open) == len(lost)


def test_two_devices_are_enough_and_one_is_not():
    for devices, expected in ((2, ["family_power_lost 1号楼"]), (1, ["electricity_power_lost electricity_meter-0"])):
        estate = Estate(flats(units=1, rooms=devices))
        estate.report(10, "power_lost", *range(1, devices + 1))
        estate.live(11, 20)
        assert estate.told == expected


def test_alerts_that_come_before_that_of_the_building_are_merged_into_it():
    estate = Estate(flats())
    for number in range(1, 37):
        estate.report(10 + number, "power_lost", number)
        estate.tick(10 + number)
    estate.live(47, 60)
    assert estate.told == ["family_power_lost 1号楼"]
    assert [each.reason for each in estate.transitions if each.reason is Reason.MERGED]


@pytest.mark.parametrize("gateway_first", [True, False])
def test_a_power_cut_is_one_alert_whichever_kind_of_device_reports_it_first(gateway_first):
    devices = [*flats(), Device(100, "c1", "g1", "gateway", building="1"), Device(101, "c1", "d1", "access_control")]
    devices[-1] = replace(devices[-1], building="1", unit="1")
    estate = Estate(devices)
    order = (100, *range(1, 37)) if gateway_first else (*range(1, 37), 100)
    estate.report(10, "power_lost", *order)
    for minute in range(10, 40):
        estate.send(minute, 100, mains_ok=False)
        estate.send(minute, 101, mains_ok=False, backup_battery_v=13.0)
        estate.tick(minute)
    assert estate.told == ["family_power_lost 1号楼"]
    told = [each for each in estate.transitions if each.raises and not each.suppressed]
    assert [each.rule for each in told] == ["family_power_lost"]


def test_an_alert_that_waited_for_its_group_is_notified_if_the_others_are_well():
    estate = Estate([*flats(units=1, rooms=4), Device(100, "c1", "g1", "gateway", building="1")])
    estate.live(0, 9, 100)
    estate.report(10, "power_lost", 100, 1, 2, 3, 4)
    for minute in (11, 12):
        estate.send(minute, 100, mains_ok=False)
        estate.tick(minute)
    assert estate.open == ["-gateway_power_lost g1"]
    estate.report(13, "power_restored", 1, 2, 3, 4)
    for minute in range(13, 30):
        estate.send(minute, 100, mains_ok=False)
        estate.tick(minute)
    assert estate.told == estate.open == ["gateway_power_lost g1"]


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


def test_a_flat_that_has_been_without_power_for_long_does_not_disappear_in_a_power_cut():
    estate = Estate(flats(units=1))
    estate.report(10, "power_lost", 1)
    estate.live(11, 100, *range(2, 13))
    estate.report(100, "power_lost", *range(2, 13))
    estate.live(101, 120)
    assert estate.told == ["electricity_power_lost electricity_meter-0", "family_power_lost 1号楼"]


def test_a_group_counts_those_that_are_well_too():
    estate = Estate(flats())
    estate.report(10, "power_lost", *range(1, 31))
    estate.live(11, 20, *range(31, 37))
    (raised,) = [each for each in estate.transitions if each.raises and each.rule == "family_power_lost"]
    assert raised.message.startswith("1号楼：电表等设备 36 台中有 30 台停电")


def test_an_alert_whose_group_grows_says_so():
    estate = Estate(flats(units=1))
    for number in range(1, 13):
        estate.report(10 + number, "power_lost", number)
        estate.tick(10 + number)
    estate.live(23, 30)
    group = [each for each in estate.transitions if each.rule == "family_power_lost"]
    assert "12 台中有 7 台停电" in group[0].message
    assert "12 台全部停电" in group[-1].message
    assert {each.reason for each in group[1:]} == {Reason.RECOUNTED}
    (alert,) = [each for each in collect_alerts(estate.transitions) if each.rule == "family_power_lost"]
    assert "12 台全部停电" in alert.message


def test_the_steps_of_a_group_and_of_its_devices_are_explained():
    estate = Estate(flats(units=1))
    for number in range(1, 13):
        estate.report(10 + number, "power_lost", number)
        estate.tick(10 + number)
    estate.live(23, 29)
    estate.report(30, "power_restored", *range(1, 9))
    estate.live(30, 60, *range(1, 9))
    lines = {}
    for each in estate.transitions:
        kind = estate.find(each.device_id).kind
        step = ProcessTransition(
            kind=kind, from_phase=each.from_phase, to_phase=each.to_phase, at=each.at, reason=each.reason,
            inputs=each.inputs,
        )  # fmt: skip
        lines[kind, each.reason.value, each.to_phase.value] = explain(step)
    assert lines["family", "condition", "active"][0] == "1月1日 08:17:00，同组能判断的设备 12 台中有 7 台有这一情况。"
    assert lines["family", "condition", "normal"][0] == (
        "1月1日 08:30:00，有这一情况的设备减少到 4 台，已不超过最多时（12 台）的一半。"
    )
    assert lines["electricity_meter", "merged", "active"][1:] == (
        "1月1日 08:17:00起合并到原因相同的另一条报警。", "1号楼的报警“成片停电”已说明原因，这一条不单独通知。",
    )  # fmt: skip
    assert lines["electricity_meter", "parent", "active"][1:] == (
        "合并的报警不再包括这一台，而情况仍在，1月1日 08:45:00起单独报警。",
    )


def test_a_rule_of_a_group_that_quotes_no_number_ends_as_any_other():
    texts = [replace(rule, message="{device}") if rule.kind == "family" else rule for rule in PACK.rules]
    estate = Estate(flats(units=1), RulePack(tuple(texts)))
    estate.report(10, "power_lost", *range(1, 13))
    estate.live(11, 20)
    estate.report(21, "power_restored", *range(1, 7))
    estate.tick(21)
    assert "family_power_lost 1号楼" not in estate.open


def test_a_child_that_is_still_affected_after_its_group_has_an_alert_of_its_own():
    estate = Estate(flats(units=1))
    estate.report(10, "power_lost", *range(1, 13))
    estate.live(11, 39)
    estate.report(40, "power_restored", *range(2, 13))
    estate.live(40, 54, *range(2, 13))
    assert (estate.told, len(estate.open)) == ([], 1)
    estate.live(55, 57, *range(2, 13))
    assert estate.told == ["electricity_power_lost electricity_meter-0"]
    (ended,) = [each for each in estate.transitions if each.rule == "family_power_lost" and each.to_phase == "normal"]
    assert ended.at == at(40)


def test_most_of_a_unit_that_stay_without_power_after_the_building_are_one_alert_again():
    estate = Estate(flats())
    estate.report(10, "power_lost", *range(1, 37))
    estate.live(11, 39)
    estate.report(40, "power_restored", *range(13, 37))
    estate.live(40, 70, *range(13, 37))
    assert estate.told == ["family_power_lost 1号楼1单元"]


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


@pytest.mark.parametrize(
    ("kind", "values", "minutes", "expected"),
    [
        ("water_meter", {"pressure_mpa": 0.0}, 60, "family_water_lost"),
        ("heat_meter", {"flow_m3_h": 1.2, "supply_c": 20.0, "return_c": 20.0, "power_kw": 0.0}, 60, "family_heat_lost"),
        ("heat_meter", {"flow_m3_h": 0.0, "supply_c": 20.0, "return_c": 20.0, "power_kw": 0.0}, 60, "family_heat_lost"),
        ("heat_meter", {"flow_m3_h": 1.2, "supply_c": 28.0, "return_c": 20.0, "power_kw": 5.0}, 60, "family_heat_low"),
        ("gas_meter", {"pressure_kpa": 4.0}, 60, "family_gas_pressure"),
        ("camera", {"video_ok": False}, 1, "family_video_lost"),
        ("electricity_meter", {"voltage_v": 250.0}, 15, "family_voltage_high"),
        ("electricity_meter", {"voltage_v": 190.0}, 15, "family_voltage_low"),
    ],
)
def test_each_supply_of_a_building_is_one_alert(kind, values, minutes, expected):
    estate = Estate(flats(kind=kind, rooms=4, buildings=2))
    for number in range(1, 13 * 60 // minutes):
        for meter in range(1, 13):
            estate.send(number * minutes + meter * minutes / 100, meter, **values)
        estate.send(number * minutes, *range(13, 25))
        estate.tick((number + 0.5) * minutes)
    assert estate.told == [f"{expected} 1号楼"]
    assert len(estate.open) == 13


def test_a_critical_or_latched_alert_is_never_merged():
    merged = [rule for rule in PACK.rules if rule.symptom]
    assert {rule.name for rule in merged} == {*MERGED, *(rule.name for rule in PACK.rules if rule.no_data)}
    assert not [rule.name for rule in merged if rule.latch or rule.severity == "critical"]
    grave = RulePack(tuple(replace(rule, severity=Severity.CRITICAL) if rule.merge_as else rule for rule in PACK.rules))
    estate = Estate([*flats(units=1), *flats(kind="gas_meter", first=100, units=1)], grave)
    estate.report(10, "power_lost", *range(1, 13))
    estate.report(10, "gas_leak", *range(100, 112))
    estate.live(11, 30)
    assert len(estate.told) == len(estate.open) == 24


@examples(100)
@given(
    st.permutations(range(1, 13)),
    st.lists(st.floats(0, 4.9), min_size=12, max_size=12),
    st.sets(st.integers(1, 12), min_size=7),
)
def test_most_flats_of_a_unit_are_one_alert_in_every_order(order, delays, lost):
    estate = Estate(flats(units=1))
    for delay, meter in sorted(zip(delays, order, strict=True)):
        if meter in lost:
            estate.report(10 + delay, "power_lost", meter)
    estate.live(15, 25, *({*range(1, 13)} - lost))
    assert estate.told == ["family_power_lost 1号楼"]
    assert len(estate.open) == len(lost) + 1


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
        rules = [estate.engine.instance(rule.name, each) for rule in PACK.rules for each in around]
        own = {state.rule} if state.parent == state.device_id else set()
        assert any(each and each.phase in OPEN_PHASES and each.rule not in own for each in rules), state
    assert all(each.alert_id for each in estate.transitions if each.raises)


def test_a_power_cut_of_1440_flats_is_one_alert():
    estate = Estate(flats(buildings=40))
    estate.report(10, "power_lost", *range(1, 1441))
    estate.live(15, 16)
    assert estate.told == ["family_power_lost 整个小区"]
    assert len(estate.open) == 1441


def test_an_alert_that_is_over_in_the_step_that_raises_it_has_no_parent_afterwards():
    quick = [replace(rule, on_delay=timedelta(), off_delay=timedelta(), until=None, when=Happens(("power_lost",)))
             if rule.name == "electricity_power_lost" else rule for rule in PACK.rules]  # fmt: skip
    estate = Estate(flats(units=1), RulePack(tuple(quick)))
    estate.report(10, "power_lost", *range(1, 13))
    estate.live(11, 12)
    assert estate.open == []
    assert {state.parent for state in estate.engine.drain_changes().saved} == {None}


def test_reports_of_one_batch_without_a_delay_are_one_alert():
    hasty = [replace(rule, on_delay=timedelta()) if rule.merge_as else rule for rule in PACK.rules]
    estate = Estate(flats(units=1), RulePack(tuple(hasty)))
    estate.report(10, "power_lost", *range(1, 13))
    estate.tick(10)
    assert estate.told == ["family_power_lost 1号楼"]
    assert len(estate.open) == 13


def test_only_a_gateway_has_devices_behind_it():
    meters = [Device(n, "c1", f"m{n}", "electricity_meter", "g1") for n in (1, 2)]
    groups = DeviceGroups([*meters, Device(500, "c1", "g1", "gateway")])
    assert groups.group_behind(meters[0]) is None
    assert groups.group_behind(Device(500, "c1", "g1", "gateway")).children == (1, 2)
    assert groups.group_behind(Device(500, "c2", "g1", "gateway")) is None


def test_the_alert_of_a_group_that_was_over_before_its_data_came_ends_at_its_own_time():
    estate = Estate(flats(units=1))
    late = timedelta(hours=6)
    for event, minute in (("power_lost", 10), ("power_restored", 40)):
        for number in range(1, 13):
            sample = Sample(number, at(minute), at(minute) + late, {}, event)
            estate.transitions += estate.engine.evaluate(sample, "electricity_meter", at(minute) + late)
    estate.tick(371)
    assert not [alert for alert in estate.open if "power_lost" in alert]
    group = [each.at for each in estate.transitions if each.rule == "family_power_lost"]
    assert group in ([], [at(15), at(40)])
