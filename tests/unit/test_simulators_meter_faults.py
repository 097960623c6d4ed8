"""What goes wrong at a meter can be seen from outside, in what a real meter would send."""

from datetime import timedelta

import pytest

from devices.device import Device
from devices.payload import DeviceEvent, Reading, decode
from faulty_community import (
    GAS,
    MINUTE,
    NOW,
    POWER,
    PSEUDONYMISER,
    TOWN,
    WATER,
    decoded,
    during,
    events,
    lasting,
    sent,
    series,
)
from simulators.faults import Fault
from simulators.fleet import Fleet


def test_a_leak_keeps_the_flow_above_zero_and_is_reported_after_a_while():
    fault = lasting("leak", WATER, minutes=120, flow_m3_h=0.05, detect_after_s=90)
    messages = sent(fault)
    found = events(messages, WATER)
    assert found == [("leak_detected", NOW + timedelta(seconds=90)), ("leak_cleared", fault.end)]
    flows = during(series(messages, WATER, "flow_m3_h"), fault)
    assert len(flows) >= 3
    assert min(flows) >= 0.05


def test_what_leaks_is_counted():
    fault = lasting("leak", WATER, minutes=120, flow_m3_h=0.05)
    healthy = list(Fleet(TOWN, 1).messages(NOW, NOW + timedelta(hours=4)))
    with_leak, without = series(sent(fault), WATER, "volume_m3")[-1], series(healthy, WATER, "volume_m3")[-1]
    assert with_leak[1] - without[1] == pytest.approx(0.1, abs=0.002)


def test_a_leak_that_ends_before_it_is_noticed_raises_nothing():
    assert events(sent(lasting("leak", WATER, minutes=1, detect_after_s=120)), WATER) == []


def test_a_burst_is_reported_with_its_flow_at_once():
    fault = lasting("burst", WATER)
    messages = sent(fault)
    assert events(messages, WATER) == [("burst_detected", NOW + timedelta(seconds=10))]
    assert min(during(series(messages, WATER, "flow_m3_h"), fault)) >= 4
    arrived = [at for at, item in decoded(messages, WATER) if isinstance(item, DeviceEvent)]
    assert arrived == [NOW + timedelta(seconds=10)]


@pytest.mark.parametrize(("device", "field"), [(WATER, "volume_m3"), (POWER, "energy_kwh"), (GAS, "volume_m3")])
def test_a_stuck_meter_stands_still_and_goes_on_from_there(device, field):
    fault = Fault("meter_stuck", device, NOW, NOW + timedelta(hours=10))
    messages = sent(fault, end=NOW + timedelta(hours=30))
    found = series(messages, device, field)
    assert len(set(during(found, fault))) == 1
    assert found[-1][1] > during(found, fault)[0]
    assert [value for _, value in found] == sorted(value for _, value in found)


@pytest.mark.parametrize(("device", "field"), [(WATER, "volume_m3"), (POWER, "energy_kwh"), (GAS, "volume_m3")])
def test_a_meter_that_was_reset_begins_at_zero(device, field):
    found = series(sent(Fault("meter_reset", device, NOW)), device, field)
    before, after = [v for ts, v in found if ts < NOW], [v for ts, v in found if ts >= NOW]
    assert after[0] < 5 < before[-1]
    assert after == sorted(after)


@pytest.mark.parametrize(
    ("device", "field", "modulus"),
    [(WATER, "volume_m3", 100_000), (POWER, "energy_kwh", 1_000_000), (GAS, "volume_m3", 100_000)],
)
def test_a_meter_that_rolls_over_counts_the_same_use_through_its_last_digit(device, field, modulus):
    found = series(sent(Fault("meter_rollover", device, NOW)), device, field)
    healthy = series(list(Fleet(TOWN, 1).messages(found[0][0] - MINUTE, found[-1][0] + 2 * MINUTE)), device, field)
    before, after = [v for ts, v in found if ts < NOW], [v for ts, v in found if ts >= NOW]
    assert modulus - 5 < before[0] <= before[-1] < modulus
    assert 0 <= after[0] <= after[-1] < 5
    assert after[-1] + modulus - before[0] == pytest.approx(healthy[-1][1] - healthy[0][1], abs=0.02)


@pytest.mark.parametrize(("device", "field"), [(WATER, "volume_m3"), (POWER, "energy_kwh"), (GAS, "volume_m3")])
def test_a_glitch_reads_zero_and_leaves_no_trace(device, field):
    fault = lasting("meter_glitch", device)
    found = series(sent(fault), device, field)
    healthy = dict(
        series(list(Fleet(TOWN, 1).messages(NOW - 3 * timedelta(hours=1), NOW + timedelta(hours=4))), device, field)
    )
    assert set(during(found, fault)) == {0}
    assert all(value == healthy[ts] for ts, value in found if not fault.start <= ts < fault.end)


def test_water_that_flows_back_is_counted_apart_and_reported():
    fault = lasting("reverse_flow", WATER, minutes=120, flow_m3_h=0.2)
    messages = sent(fault)
    assert events(messages, WATER) == [("reverse_flow", NOW)]
    assert set(during(series(messages, WATER, "flow_m3_h"), fault)) == {-0.2}
    assert len(set(during(series(messages, WATER, "volume_m3"), fault))) == 1
    assert series(messages, WATER, "volume_reverse_m3")[-1][1] == pytest.approx(0.4)


def test_a_sagging_supply_is_as_low_as_the_fault_says():
    fault = lasting("voltage_sag", POWER, voltage_v=180)
    assert during(series(sent(fault), POWER, "voltage_v"), fault) == pytest.approx([180] * 4, abs=0.5)


def test_without_heat_the_water_circulates_and_cools_to_the_building():
    fault = lasting("heat_lost", "b01-u1-heat", minutes=240)
    messages = sent(fault, end=NOW + timedelta(hours=8))
    supply = during(series(messages, "b01-u1-heat", "supply_c"), fault)
    assert supply == sorted(supply, reverse=True)
    assert 15 < supply[-1] < 25
    assert min(during(series(messages, "b01-u1-heat", "flow_m3_h"), fault)) > 0
    assert len(set(during(series(messages, "b01-u1-heat", "energy_kwh"), fault))) == 1
    assert series(messages, "b01-u1-heat", "supply_c")[-1][1] > 35


@pytest.mark.parametrize(("device", "field"), [(WATER, "battery_v"), ("b01-u1-door", "backup_battery_v")])
def test_a_low_battery_shows_in_its_voltage(device, field):
    fault = lasting("battery_low", device, minutes=120)
    found = series(sent(fault), device, field)
    healthy = [value for ts, value in found if ts < NOW]
    assert max(during(found, fault)) < 0.9 * min(healthy)


def test_a_meter_reports_its_low_battery():
    assert events(sent(lasting("battery_low", WATER)), WATER) == [("battery_low", NOW)]


def test_a_master_meter_counts_what_its_flats_use_and_what_its_main_loses():
    master = Device(999, "east", "b01-water", "water_meter", building="1", simulated=True)
    start, end = NOW, NOW + timedelta(hours=5)

    def used(device, *faults):
        by_name = {one.name: one for one in (*TOWN, master)}
        found = [
            item.values["volume_m3"]
            for message in Fleet([*TOWN, master], 1, faults).messages(start, end)
            for item in decode(message.topic, message.payload, message.at, lambda _, n: by_name.get(n), PSEUDONYMISER)
            if isinstance(item, Reading) and item.device.name == device
        ]
        return found[-1] - found[0]

    flats = sum(used(device.name) for device in TOWN if device.kind == "water_meter")
    assert used("b01-water") == pytest.approx(flats, abs=0.5)  # their hours begin at different minutes
    leak = Fault("leak", "b01-water", start, None, {"flow_m3_h": 2.0, "detect_after_s": 1e6})
    assert used("b01-water", leak) - used("b01-water") == pytest.approx(4 * 2.0, abs=0.01)
