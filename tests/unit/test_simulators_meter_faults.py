"""Every fault of a meter is visible in the messages, as with a real meter."""

from datetime import timedelta

import pytest

from devices.device import Device
from devices.payload import DeviceEvent, Reading, decode
from faulty_community import (
    DEVICES,
    GAS,
    MINUTE,
    NOW,
    POWER,
    PSEUDONYMISER,
    WATER,
    during,
    events,
    fault_of,
    items_of,
    messages_with,
    series,
)
from simulators.faults import Fault
from simulators.fleet import Fleet


def test_a_leak_keeps_the_flow_above_zero_and_is_reported_after_a_while():
    fault = fault_of("leak", WATER, minutes=120, flow_m3_h=0.05, detect_after_s=90)
    messages = messages_with(fault)
    device_events = events(messages, WATER)
    assert device_events == [("leak_detected", NOW + timedelta(seconds=90)), ("leak_cleared", fault.end)]
    flows = during(series(messages, WATER, "flow_m3_h"), fault)
    assert len(flows) >= 3
    assert min(flows) >= 0.05


def test_leaked_water_is_counted():
    fault = fault_of("leak", WATER, minutes=120, flow_m3_h=0.05)
    healthy = list(Fleet(DEVICES, 1).messages(NOW, NOW + timedelta(hours=4)))
    with_leak, without = series(messages_with(fault), WATER, "volume_m3")[-1], series(healthy, WATER, "volume_m3")[-1]
    assert with_leak[1] - without[1] == pytest.approx(0.1, abs=0.002)


def test_a_leak_that_ends_before_its_detection_is_not_reported():
    assert events(messages_with(fault_of("leak", WATER, minutes=1, detect_after_s=120)), WATER) == []


def test_a_burst_is_reported_with_its_flow_at_once():
    fault = fault_of("burst", WATER)
    messages = messages_with(fault)
    assert events(messages, WATER) == [("burst_detected", NOW + timedelta(seconds=10))]
    assert min(during(series(messages, WATER, "flow_m3_h"), fault)) >= 4
    arrived = [at for at, item in items_of(messages, WATER) if isinstance(item, DeviceEvent)]
    assert arrived == [NOW + timedelta(seconds=10)]


@pytest.mark.parametrize(("device", "field"), [(WATER, "volume_m3"), (POWER, "energy_kwh"), (GAS, "volume_m3")])
def test_a_stuck_meter_stands_still_and_continues_from_there(device, field):
    fault = Fault("meter_stuck", device, NOW, NOW + timedelta(hours=10))
    messages = messages_with(fault, end=NOW + timedelta(hours=30))
    values = series(messages, device, field)
    assert len(set(during(values, fault))) == 1
    assert values[-1][1] > during(values, fault)[0]
    assert [value for _, value in values] == sorted(value for _, value in values)


@pytest.mark.parametrize(("device", "field"), [(WATER, "volume_m3"), (POWER, "energy_kwh"), (GAS, "volume_m3")])
def test_a_meter_starts_from_zero_after_a_reset(device, field):
    values = series(messages_with(Fault("meter_reset", device, NOW)), device, field)
    before, after = [v for ts, v in values if ts < NOW], [v for ts, v in values if ts >= NOW]
    assert after[0] < 5 < before[-1]
    assert after == sorted(after)


@pytest.mark.parametrize(
    ("device", "field", "modulus"),
    [(WATER, "volume_m3", 100_000), (POWER, "energy_kwh", 1_000_000), (GAS, "volume_m3", 100_000)],
)
def test_a_meter_that_rolls_over_counts_the_same_use_through_its_last_digit(device, field, modulus):
    values = series(messages_with(Fault("meter_rollover", device, NOW)), device, field)
    healthy = series(list(Fleet(DEVICES, 1).messages(values[0][0] - MINUTE, values[-1][0] + 2 * MINUTE)), device, field)
    before, after = [v for ts, v in values if ts < NOW], [v for ts, v in values if ts >= NOW]
    assert modulus - 5 < before[0] <= before[-1] < modulus
    assert 0 <= after[0] <= after[-1] < 5
    assert after[-1] + modulus - before[0] == pytest.approx(healthy[-1][1] - healthy[0][1], abs=0.02)


@pytest.mark.parametrize(("device", "field"), [(WATER, "volume_m3"), (POWER, "energy_kwh"), (GAS, "volume_m3")])
def test_a_glitch_reads_zero_and_leaves_no_trace(device, field):
    fault = fault_of("meter_glitch", device)
    values = series(messages_with(fault), device, field)
    healthy = dict(
        series(list(Fleet(DEVICES, 1).messages(NOW - 3 * timedelta(hours=1), NOW + timedelta(hours=4))), device, field)
    )
    assert set(during(values, fault)) == {0}
    assert all(value == healthy[ts] for ts, value in values if not fault.start <= ts < fault.end)


def test_reverse_flow_is_counted_separately_and_reported():
    fault = fault_of("reverse_flow", WATER, minutes=120, flow_m3_h=0.2)
    messages = messages_with(fault)
    assert events(messages, WATER) == [("reverse_flow", NOW)]
    assert set(during(series(messages, WATER, "flow_m3_h"), fault)) == {-0.2}
    assert len(set(during(series(messages, WATER, "volume_m3"), fault))) == 1
    assert series(messages, WATER, "volume_reverse_m3")[-1][1] == pytest.approx(0.4)


def test_a_voltage_sag_is_as_low_as_its_parameter():
    fault = fault_of("voltage_sag", POWER, voltage_v=180)
    assert during(series(messages_with(fault), POWER, "voltage_v"), fault) == pytest.approx([180] * 4, abs=0.5)


def test_without_heat_the_water_circulates_and_cools_to_the_building():
    fault = fault_of("heat_lost", "b01-u1-heat", minutes=240)
    messages = messages_with(fault, end=NOW + timedelta(hours=8))
    supply = during(series(messages, "b01-u1-heat", "supply_c"), fault)
    assert supply == sorted(supply, reverse=True)
    assert 15 < supply[-1] < 25
    assert min(during(series(messages, "b01-u1-heat", "flow_m3_h"), fault)) > 0
    assert len(set(during(series(messages, "b01-u1-heat", "energy_kwh"), fault))) == 1
    assert series(messages, "b01-u1-heat", "supply_c")[-1][1] > 35


@pytest.mark.parametrize(("device", "field"), [(WATER, "battery_v"), ("b01-u1-door", "backup_battery_v")])
def test_a_low_battery_shows_in_its_voltage(device, field):
    fault = fault_of("battery_low", device, minutes=120)
    values = series(messages_with(fault), device, field)
    healthy = [value for ts, value in values if ts < NOW]
    assert max(during(values, fault)) < 0.9 * min(healthy)


def test_a_meter_reports_its_low_battery():
    assert events(messages_with(fault_of("battery_low", WATER)), WATER) == [("battery_low", NOW)]


def test_a_master_meter_counts_the_use_of_its_flats_and_the_leaks_of_its_main():
    master = Device(999, "east", "b01-water", "water_meter", building="1", simulated=True)
    start, end = NOW, NOW + timedelta(hours=5)

    def use_of(device, *faults):
        by_name = {one.name: one for one in (*DEVICES, master)}
        volumes = [
            item.values["volume_m3"]
            for message in Fleet([*DEVICES, master], 1, faults).messages(start, end)
            for item in decode(message.topic, message.payload, message.at, lambda _, n: by_name.get(n), PSEUDONYMISER)
            if isinstance(item, Reading) and item.device.name == device
        ]
        return volumes[-1] - volumes[0]

    flats = sum(use_of(device.name) for device in DEVICES if device.kind == "water_meter")
    assert use_of("b01-water") == pytest.approx(flats, abs=0.5)  # their hours begin at different minutes
    leak = Fault("leak", "b01-water", start, None, {"flow_m3_h": 2.0, "detect_after_s": 1e6})
    assert use_of("b01-water", leak) - use_of("b01-water") == pytest.approx(4 * 2.0, abs=0.01)
