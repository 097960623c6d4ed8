"""Merged alerts: most devices of a unit, a building or a community that report the same are one alert, in any order."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.device import Device
from laws import examples
from rules.analysis.backtest import collect_alerts
from rules.analysis.explain import ProcessTransition, explain
from rules.engine.state_machine import Reason
from rules.model.condition import Happens
from rules.model.rule import RulePack, Severity
from rules.model.sample import Sample
from shipped_rules import SHIPPED
from tests.unit.rules_fixtures.estate import Estate, flats
from tests.unit.rules_fixtures.world import at

MERGED = sorted(rule.name for rule in SHIPPED.rules if rule.merge_as)


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
    texts = [replace(rule, message="{device}") if rule.kind == "family" else rule for rule in SHIPPED.rules]
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
    merged = [rule for rule in SHIPPED.rules if rule.symptom]
    assert {rule.name for rule in merged} == {*MERGED, *(rule.name for rule in SHIPPED.rules if rule.no_data)}
    assert not [rule.name for rule in merged if rule.latch or rule.severity == "critical"]
    grave = [replace(rule, severity=Severity.CRITICAL) if rule.merge_as else rule for rule in SHIPPED.rules]
    estate = Estate([*flats(units=1), *flats(kind="gas_meter", first=100, units=1)], RulePack(tuple(grave)))
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


def test_a_power_cut_of_1440_flats_is_one_alert():
    estate = Estate(flats(buildings=40))
    estate.report(10, "power_lost", *range(1, 1441))
    estate.live(15, 16)
    assert estate.told == ["family_power_lost 整个小区"]
    assert len(estate.open) == 1441


def test_an_alert_that_is_over_in_the_step_that_raises_it_has_no_parent_afterwards():
    quick = [replace(rule, on_delay=timedelta(), off_delay=timedelta(), until=None, when=Happens(("power_lost",)))
             if rule.name == "electricity_power_lost" else rule for rule in SHIPPED.rules]  # fmt: skip
    estate = Estate(flats(units=1), RulePack(tuple(quick)))
    estate.report(10, "power_lost", *range(1, 13))
    estate.live(11, 12)
    assert estate.open == []
    assert {state.parent for state in estate.engine.drain_changes().saved} == {None}


def test_reports_of_one_batch_without_a_delay_are_one_alert():
    hasty = [replace(rule, on_delay=timedelta()) if rule.merge_as else rule for rule in SHIPPED.rules]
    estate = Estate(flats(units=1), RulePack(tuple(hasty)))
    estate.report(10, "power_lost", *range(1, 13))
    estate.tick(10)
    assert estate.told == ["family_power_lost 1号楼"]
    assert len(estate.open) == 13


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


@examples(60)
@given(
    st.dictionaries(st.integers(1, 12), st.floats(0, 8), min_size=9),
    st.dictionaries(st.integers(1, 12), st.floats(0, 8), max_size=2),
)
def test_reports_that_come_late_and_out_of_order_end_in_the_same_alerts(lost, back):
    """Each report arrives up to eight minutes after its time; some flats have power again before the delay is over."""
    estate = Estate(flats(units=1))
    back = {meter: delay for meter, delay in back.items() if meter in lost}
    reports = [(10 + delay, 10, "power_lost", meter) for meter, delay in lost.items()]
    reports += [(13 + delay, 13, "power_restored", meter) for meter, delay in back.items()]
    for minute in range(10, 35):
        for arrival, ts, event, meter in sorted(each for each in reports if minute - 1 < each[0] <= minute):
            sample = Sample(meter, at(ts), at(arrival), {}, event)
            estate.transitions += estate.engine.evaluate(sample, "electricity_meter", at(arrival))
        estate.tick(minute)
    assert estate.told == ["family_power_lost 1号楼"]
    assert len(estate.open) == 1 + len(lost) - len(back)
