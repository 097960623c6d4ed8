"""Laws of the simulated devices, tested on the model of each kind."""

import json
import math
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.catalogue import KINDS
from devices.device import Device
from devices.kind import Counter
from devices.payload import DeviceEvent, Reading, decode
from devices.privacy import Pseudonymiser
from laws import examples
from simulators.community_plan import plan_community
from simulators.device_model import DeviceSetup
from simulators.fleet import Fleet
from simulators.seeded_random import SeededRandom
from simulators.weather import outdoor_c

PSEUDONYMISER = Pseudonymiser(b"a key for tests only")
REGISTERS = {
    kind.name: registers
    for kind in KINDS
    if (registers := [field.name for field in kind.fields if isinstance(field, Counter)])
}
# Kind, register, rate, units of the register per hour at one unit of the rate, and resolution.
INTEGRALS = [
    ("electricity_meter", "energy_kwh", "power_w", 0.001, 0.02),
    ("water_meter", "volume_m3", "flow_m3_h", 1.0, 0.002),
    ("gas_meter", "volume_m3", "flow_m3_h", 1.0, 0.002),
    ("heat_meter", "energy_kwh", "power_kw", 1.0, 0.02),
    ("heat_meter", "volume_m3", "flow_m3_h", 1.0, 0.02),
    ("ev_charger", "energy_kwh", "power_kw", 1.0, 0.02),
    ("ebike_charger", "energy_kwh", "power_w", 0.001, 0.002),
]

moments = st.integers(0, 10 * 365 * 86_400).map(
    lambda seconds: datetime(2020, 1, 2, tzinfo=UTC) + timedelta(seconds=seconds)
)
seeds = st.integers(0, 2**32)


def device(kind, name="device-1"):
    return Device(1, "east", name, kind, simulated=True)


def items_of(one, start, end, seed):
    """Return all messages of one device after the real decoder."""
    return [
        item
        for message in Fleet([one], seed).messages(start, end)
        for item in decode(message.topic, message.payload, message.at, lambda *_: one, PSEUDONYMISER)
    ]


def readings(one, start, end, seed=1):
    return [(item.ts, item.values) for item in items_of(one, start, end, seed) if isinstance(item, Reading)]


def device_events(one, start, end, seed=1):
    return [item for item in items_of(one, start, end, seed) if isinstance(item, DeviceEvent)]


def model(kind, seed=1):
    """Return the model of a kind."""
    setup = DeviceSetup(device(kind), seed, SeededRandom.of(seed, kind))
    return import_module(f"simulators.{kind}").simulate(setup)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_simulated_device_reports_every_field_of_its_kind_at_its_reporting_period(kind):
    start = datetime(2026, 1, 10, tzinfo=UTC)
    sent_readings = readings(device(kind.name), start, start + 10 * kind.reporting_period)
    grid = [at for (at, _), (after, _) in pairwise(sent_readings) if after - at == kind.reporting_period]
    assert len(grid) >= 5
    assert all(values.keys() == {field.name for field in kind.fields} for _, values in sent_readings)


@pytest.mark.parametrize("kind", REGISTERS)
@given(seed=seeds, start=moments, minutes=st.lists(st.integers(0, 3 * 24 * 60), min_size=2, max_size=12))
@examples(25)
def test_a_register_never_falls(kind, seed, start, minutes):
    simulated = model(kind, seed)
    sampled = [simulated.values(start.timestamp() + 60 * minute) for minute in sorted(minutes)]
    for register in REGISTERS[kind]:
        values = [reading[register] for reading in sampled]
        assert values == sorted(values)


@pytest.mark.parametrize("law", INTEGRALS, ids=lambda law: f"{law[0]}-{law[1]}")
@given(seed=seeds, start=moments)
@examples(6)
def test_a_register_is_the_integral_of_its_rate(law, seed, start):
    kind, register, rate, unit, resolution = law
    simulated = model(kind, seed)
    begin, hours, step_s = start.timestamp(), 30, 5
    samples = (simulated.values(begin + step_s * (i + 0.5))[rate] for i in range(hours * 3600 // step_s))
    integral = sum(samples) * unit * step_s / 3600
    increase = simulated.values(begin + hours * 3600)[register] - simulated.values(begin)[register]
    # Sampling cuts each of the dozens of pulses a day to whole steps, and the rate is rounded.
    assert increase == pytest.approx(integral, rel=0.02, abs=resolution + 0.02 * integral)


@given(seed=seeds, start=moments, cut=st.floats(0.01, 0.99), split_fleet=st.booleans())
@examples(15)
def test_history_made_in_one_run_or_in_two_is_the_same_to_the_byte(seed, start, cut, split_fleet):
    devices = plan_community("east", "东区", "东胜区", "林荫街道", 4, seed=3).numbered_devices()
    middle, end = start + timedelta(hours=2) * cut, start + timedelta(hours=2)
    whole = list(Fleet(devices, seed).messages(start, end))
    first = Fleet(devices, seed)
    second = Fleet(devices[::-1], seed) if split_fleet else first
    assert [*first.messages(start, middle), *second.messages(middle, end)] == whole


def test_another_seed_gives_other_readings():
    start = datetime(2026, 1, 10, tzinfo=UTC)
    one, other = (readings(device("electricity_meter"), start, start + timedelta(days=1), seed) for seed in (1, 2))
    assert [values["power_w"] for _, values in one] != [values["power_w"] for _, values in other]


def test_messages_come_in_order_and_seq_counts_by_one():
    start = datetime(2026, 7, 1, tzinfo=UTC)
    messages = list(Fleet([device("camera"), device("gateway", "g")], 1).messages(start, start + timedelta(hours=3)))
    assert [message.at for message in messages] == sorted(message.at for message in messages)
    numbers = [
        json.loads(message.payload)["seq"]
        for message in messages
        if message.topic.endswith("camera/device-1/telemetry")
    ]
    assert numbers == list(range(numbers[0], numbers[0] + 180))


def test_households_use_more_electricity_in_the_evening_than_at_night():
    meters = [model("electricity_meter", seed) for seed in range(40)]
    midnight = datetime(2026, 3, 3, 16, tzinfo=UTC).timestamp()  # 00:00 in Ordos

    def use_kwh(hour, hours):
        begin, end = midnight + hour * 3600, midnight + (hour + hours) * 3600
        return sum(meter.values(end)["energy_kwh"] - meter.values(begin)["energy_kwh"] for meter in meters)

    assert use_kwh(18, 4) > 2.5 * use_kwh(1, 4)


@given(seed=seeds, start=moments)
@examples(30)
def test_a_healthy_supply_stays_inside_the_limits_of_supply_quality(seed, start):
    for hour in range(24):
        values = model("electricity_meter", seed).values(start.timestamp() + 3600 * hour)
        assert 198 < values["voltage_v"] < 235.4
        assert values["current_a"] < 60
        apparent = values["voltage_v"] * values["current_a"]
        assert values["power_w"] == pytest.approx(apparent * values["power_factor"], rel=0.01, abs=0.5)


def test_heat_flows_in_the_heating_season_only_and_more_on_colder_days():
    meter = model("heat_meter")

    def day_kwh(on):
        begin = on.timestamp()
        return meter.values(begin + 86_400)["energy_kwh"] - meter.values(begin)["energy_kwh"]

    january, april = day_kwh(datetime(2026, 1, 20, tzinfo=UTC)), day_kwh(datetime(2026, 4, 10, tzinfo=UTC))
    assert january > 2 * april > 0
    assert day_kwh(datetime(2026, 7, 10, tzinfo=UTC)) == 0
    assert day_kwh(datetime(2026, 10, 13, tzinfo=UTC)) == 0
    assert day_kwh(datetime(2026, 10, 17, tzinfo=UTC)) > 0


def test_heat_is_flow_times_the_spread_of_supply_and_return():
    for day in range(10):
        values = model("heat_meter").values(datetime(2026, 1, 5 + day, tzinfo=UTC).timestamp())
        spread = values["supply_c"] - values["return_c"]
        assert values["power_kw"] == pytest.approx(1.163 * values["flow_m3_h"] * spread, rel=0.1)


def test_gas_is_burnt_at_mealtimes_and_more_of_it_in_winter():
    meters = [model("gas_meter", seed) for seed in range(40)]

    def use_m3(start, hours):
        begin, end = start.timestamp(), start.timestamp() + 3600 * hours
        return sum(meter.values(end)["volume_m3"] - meter.values(begin)["volume_m3"] for meter in meters)

    night, dinner = datetime(2026, 1, 11, 17, tzinfo=UTC), datetime(2026, 1, 12, 9, tzinfo=UTC)  # 01:00, 17:00
    assert use_m3(dinner, 3) > 5 * use_m3(night, 3)
    assert use_m3(datetime(2026, 1, 10, tzinfo=UTC), 24 * 14) > 1.3 * use_m3(datetime(2026, 7, 10, tzinfo=UTC), 24 * 14)


@pytest.mark.parametrize(
    ("kind", "event", "counter"),
    [
        ("access_control", "unlocked", "unlocks"),
        ("access_control", "unlock_refused", "unlock_failures"),
        ("vehicle_gate", "vehicle_passed", "passes"),
    ],
)
@given(seed=st.integers(0, 1000), start=moments)
@examples(8)
def test_a_counter_agrees_with_the_events_sent(kind, event, counter, seed, start):
    one, end = device(kind), start + timedelta(days=2)
    sent_readings = readings(one, start, end, seed)
    first, last = sent_readings[0], sent_readings[-1]
    between = [
        sent_event
        for sent_event in device_events(one, start, end, seed)
        if sent_event.event == event and first[0] < sent_event.ts <= last[0]
    ]
    # ts is in whole milliseconds, so an event of the same millisecond as a reading may be on either side.
    assert last[1][counter] - first[1][counter] == pytest.approx(len(between), abs=1)


def test_a_gate_recognises_most_plates_and_they_are_of_ordos():
    start = datetime(2026, 5, 4, tzinfo=UTC)
    passes = [
        event.data
        for event in device_events(device("vehicle_gate"), start, start + timedelta(days=5))
        if event.event == "vehicle_passed"
    ]
    recognised = [data for data in passes if data["recognised"]]
    assert 0.97 < len(recognised) / len(passes) < 1
    assert all(data["plate_masked"].startswith("蒙K·") for data in recognised)
    assert all(data["confidence"] > 0.85 for data in recognised)
    assert all("plate_hash" not in data and data["confidence"] < 0.7 for data in passes if not data["recognised"])


@given(seed=seeds, start=moments)
@examples(10)
def test_a_charging_session_goes_through_its_states_in_order_and_power_tapers(seed, start):
    charger = model("ev_charger", seed)
    # Two days contain a whole charging day, whenever they begin, and so at least one complete session.
    samples = [charger.values(start.timestamp() + 20 * i) for i in range(3 * 60 * 48)]
    allowed = {
        ("available", "preparing"),
        ("preparing", "charging"),
        ("charging", "suspended_ev"),
        ("suspended_ev", "finishing"),
        ("finishing", "available"),
    }
    steps = {(a["status"], b["status"]) for a, b in pairwise(samples) if a["status"] != b["status"]}
    assert steps <= allowed
    assert {("charging", "suspended_ev"), ("suspended_ev", "finishing")} <= steps
    for before, after in pairwise(samples):
        assert (after["power_kw"] > 0) == (after["status"] == "charging")
        if before["status"] == after["status"] == "charging":
            assert after["power_kw"] <= before["power_kw"] + 0.01


@given(seed=seeds, start=moments)
@examples(10)
def test_an_ebike_rack_never_has_more_bicycles_than_ports(seed, start):
    rack = model("ebike_charger", seed)
    samples = [rack.values(start.timestamp() + 600 * i) for i in range(144)]
    assert max(values["ports_in_use"] for values in samples) in range(1, 11)
    assert all((values["power_w"] > 0) == (values["ports_in_use"] > 0) for values in samples)


def test_a_gateway_counts_the_devices_that_report_through_it():
    devices = plan_community("east", "东区", "东胜区", "林荫街道", 12, seed=3).numbered_devices()
    behind = [one for one in devices if one.gateway]
    start = datetime(2026, 1, 10, tzinfo=UTC)
    by_name = {one.name: one for one in devices}
    values = [
        item.values
        for message in Fleet(devices, 1).messages(start, start + timedelta(hours=1))
        for item in decode(message.topic, message.payload, message.at, lambda _, name: by_name[name], PSEUDONYMISER)
        if isinstance(item, Reading) and item.device.kind == "gateway"
    ]
    assert values
    assert all(reading["children_total"] == reading["children_online"] == len(behind) == 37 for reading in values)


def test_nothing_is_simulated_before_the_first_day():
    with pytest.raises(ValueError, match="2020-01-01"):
        list(
            Fleet([device("water_meter")], 1).messages(
                datetime(2019, 6, 1, tzinfo=UTC), datetime(2019, 6, 2, tzinfo=UTC)
            )
        )


def test_the_climate_is_that_of_ordos():
    def mean(year, month):
        begin = datetime(year, month, 1, tzinfo=UTC).timestamp()
        return math.fsum(outdoor_c(1, begin + 3600 * hour) for hour in range(28 * 24)) / (28 * 24)

    january = math.fsum(mean(year, 1) for year in range(2020, 2027)) / 7
    july = math.fsum(mean(year, 7) for year in range(2020, 2027)) / 7
    assert -12 < january < -7
    assert 19 < july < 24
