"""Every fault is visible in the messages, as with a real device."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from app.demo import COMMUNITIES, HOUSEHOLDS
from app.demo import FAULTS as DEMO_FAULTS
from devices.catalogue import KIND_BY_NAME
from devices.device import Device
from devices.payload import ConnectionReport, DeviceEvent, Reading, Rejection, decode
from devices.schema import Reason
from faulty_community import (
    BY_NAME,
    DEVICES,
    GAS,
    GATEWAY,
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
from simulators.community_plan import plan_community
from simulators.faults import FAULTS, Fault, FaultError, parse_fault
from simulators.fleet import Fleet


def test_all_messages_of_faulty_devices_are_decoded():
    faults = [
        Fault(kind.name, device.name, NOW, NOW + 40 * MINUTE)
        for kind in FAULTS.values()
        if kind.name != "clock_drift"
        for device in [next(device for device in DEVICES if device.kind in kind.devices)]
    ]
    fleet = Fleet(DEVICES, 1, faults)
    messages = [*fleet.statuses(NOW), *fleet.messages(NOW - timedelta(hours=1), NOW + timedelta(hours=2))]
    rejected = [
        item
        for message in messages
        for item in decode(message.topic, message.payload, message.at, lambda _, name: BY_NAME.get(name), PSEUDONYMISER)
        if isinstance(item, Rejection)
    ]
    assert len(messages) > 1000
    assert rejected == []


def test_a_flapping_camera_loses_its_signal_repeatedly():
    camera = "b01-u1-camera"
    device_events = events(messages_with(fault_of("camera_flapping", camera, every_s=600, lost_s=60)), camera)
    assert [ts for event, ts in device_events if event == "video_lost"] == [NOW + 10 * n * MINUTE for n in range(6)]
    assert [ts for event, ts in device_events if event == "video_restored"] == [
        NOW + (10 * n + 1) * MINUTE for n in range(6)
    ]


def test_a_gate_with_a_dirty_camera_reads_fewer_plates():
    fault = fault_of("gate_misreads", "gate-01", minutes=180, read_percent=50)
    messages = messages_with(fault)
    passes = [item for _, item in items_of(messages, "gate-01") if isinstance(item, DeviceEvent)]
    recognised_flags = [item.data["recognised"] for item in passes if fault.start <= item.ts < fault.end]
    assert len(recognised_flags) > 30
    assert sum(recognised_flags) / len(recognised_flags) == pytest.approx(0.5, abs=0.06)
    recognised = series(messages, "gate-01", "passes_recognised")
    assert recognised[-1][1] - recognised[0][1] == sum(
        item.data["recognised"] for item in passes if recognised[0][0] < item.ts <= recognised[-1][0]
    )


def test_a_clock_that_runs_ahead_dates_readings_into_the_future():
    fault = fault_of("clock_drift", "b01-u1-camera", offset_s=900)
    rejected = [
        (at, item) for at, item in items_of(messages_with(fault), "b01-u1-camera") if isinstance(item, Rejection)
    ]
    assert {item.reason for _, item in rejected} == {Reason.FUTURE_TIMESTAMP}
    assert len(rejected) == 60
    assert all(fault.start <= at < fault.end for at, _ in rejected)


def test_a_small_clock_error_shows_in_the_reported_offset():
    fault = fault_of("clock_drift", GATEWAY, offset_s=120)
    messages = messages_with(fault)
    offsets = [value for ts, value in series(messages, GATEWAY, "clock_offset_s") if abs(value) > 60]
    assert len(offsets) == 60


def test_a_gateway_without_uplink_sends_nothing_and_then_the_backlog_of_all_its_devices():
    fault = fault_of("gateway_outage", GATEWAY, minutes=45)
    messages, healthy = (
        messages_with(fault),
        list(Fleet(DEVICES, 1).messages(NOW - timedelta(hours=3), NOW + timedelta(hours=4))),
    )
    of_gateway = [message for message in messages if message.topic.split("/")[4] == GATEWAY]
    during_outage = [message for message in of_gateway if fault.start <= message.at < fault.end]
    assert [message.payload for message in during_outage] == [b'{"state":"offline"}']
    back = next(message for message in of_gateway if message.at == fault.end)
    assert back.retain
    assert json.loads(back.payload)["state"] == "online"
    for device in (WATER, POWER):
        assert [ts for ts, _ in series(messages, device, "signal_dbm" if device == WATER else "power_w")] == [
            ts for ts, _ in series(healthy, device, "signal_dbm" if device == WATER else "power_w")
        ]
    late = [at - item.ts for at, item in items_of(messages, POWER) if isinstance(item, Reading)]
    assert max(late) > 30 * MINUTE


def test_a_gateway_with_an_endless_outage_sends_nothing_any_more():
    messages = messages_with(Fault("gateway_outage", GATEWAY, NOW))
    after = [message for message in messages if message.topic.split("/")[4] == GATEWAY and message.at >= NOW]
    assert [message.payload for message in after] == [b'{"state":"offline"}']


def test_a_forced_door_is_reported_and_stands_open():
    fault = fault_of("door_forced", "b01-u1-door", minutes=5)
    messages = messages_with(fault)
    assert ("door_forced", NOW) in events(messages, "b01-u1-door")
    assert set(during(series(messages, "b01-u1-door", "door_open"), fault)) == {True}
    assert ("door_closed", fault.end) in events(messages, "b01-u1-door")
    unlocks = during(series(messages, "b01-u1-door", "unlocks"), fault)
    assert len(set(unlocks)) == 1


def test_a_door_held_open_is_reported_after_its_time():
    fault = fault_of("door_held_open", "b01-u1-door", minutes=5, hold_s=40)
    device_events = events(messages_with(fault), "b01-u1-door")
    assert ("door_opened", NOW) in device_events
    assert ("door_held_open", NOW + timedelta(seconds=40)) in device_events


def test_a_ground_fault_stops_the_charger_and_its_session():
    evening = datetime(2026, 1, 9, 4, tzinfo=UTC)
    quiet = list(Fleet(DEVICES, 1).messages(evening, evening + timedelta(days=1)))
    charging = [ts for ts, status in series(quiet, "ev-01", "status") if status == "charging"][30]
    fault = Fault("charger_fault", "ev-01", charging, charging + 20 * MINUTE)
    messages = messages_with(fault, evening, evening + timedelta(days=1))
    event_times = dict(events(messages, "ev-01"))
    assert event_times["ground_fault"] == charging
    assert event_times["fault_cleared"] == fault.end
    assert set(during(series(messages, "ev-01", "status"), fault)) == {"faulted"}
    assert set(during(series(messages, "ev-01", "power_kw"), fault)) == {0}
    stops = [item for _, item in items_of(messages, "ev-01") if isinstance(item, DeviceEvent)]
    reasons = [item.data["reason"] for item in stops if item.event == "session_stopped" and item.ts == charging]
    assert reasons == ["ground_fault"]
    energy = [value for _, value in series(messages, "ev-01", "energy_kwh")]
    assert energy == sorted(energy)


def test_an_overheating_ebike_battery_gets_hot_and_is_reported():
    fault = fault_of("ebike_over_temperature", "ebike-01", minutes=10, peak_c=90, port=4)
    messages = messages_with(fault)
    over = [item for _, item in items_of(messages, "ebike-01") if isinstance(item, DeviceEvent) and item.ts == NOW]
    assert [(item.event, item.data) for item in over] == [("over_temperature", {"port": 4})]
    hottest = max(during(series(messages, "ebike-01", "battery_temperature_c"), fault))
    assert hottest == 90
    assert ("fault_cleared", fault.end) in events(messages, "ebike-01")


def test_an_offline_camera_sends_nothing_but_its_last_will():
    camera = "b01-u1-camera"
    fault = fault_of("camera_offline", camera, minutes=20)
    items = [(at, item) for at, item in items_of(messages_with(fault), camera) if fault.start <= at <= fault.end]
    states = [(at, item.state) for at, item in items if isinstance(item, ConnectionReport)]
    assert states == [(fault.start, "offline"), (fault.end, "online")]
    assert not [item for at, item in items if isinstance(item, Reading) and at < fault.end]


def test_the_connection_states_at_the_start_include_offline_devices():
    fleet = Fleet(DEVICES, 1, [fault_of("camera_offline", "b01-u1-camera")])
    states = {
        message.topic.split("/")[4]: json.loads(message.payload)["state"] for message in fleet.statuses(NOW + MINUTE)
    }
    assert states.pop("b01-u1-camera") == "offline"
    assert set(states.values()) == {"online"}
    assert WATER not in states


def test_nothing_passes_a_stuck_barrier():
    fault = fault_of("barrier_stuck", "gate-01", minutes=30)
    messages = messages_with(fault)
    assert set(during(series(messages, "gate-01", "barrier_state"), fault)) == {"stuck"}
    device_events = [(event, ts) for event, ts in events(messages, "gate-01") if fault.start <= ts <= fault.end]
    assert device_events == [("barrier_stuck", fault.start), ("barrier_restored", fault.end)]
    assert len(set(during(series(messages, "gate-01", "passes"), fault))) == 1


def test_a_gas_leak_closes_the_valve_and_stops_the_flow():
    fault = fault_of("gas_leak", GAS, minutes=120)
    messages = messages_with(fault)
    assert [event for event, _ in events(messages, GAS)] == [
        "gas_leak",
        "valve_closed",
        "gas_leak_cleared",
        "valve_opened",
    ]
    assert set(during(series(messages, GAS, "flow_m3_h"), fault)) == {0}
    assert during(series(messages, GAS, "valve_state"), fault)[1:] == ["closed"] * 3


def test_a_high_voltage_is_measured():
    fault = fault_of("voltage_high", POWER, voltage_v=250)
    assert during(series(messages_with(fault), POWER, "voltage_v"), fault) == pytest.approx([250] * 4, abs=0.5)


def test_a_meter_without_mains_reports_it_and_sends_nothing_more():
    fault = fault_of("power_lost", POWER)
    messages = messages_with(fault)
    assert events(messages, POWER) == [("power_lost", fault.start), ("power_restored", fault.end)]
    assert during(series(messages, POWER, "energy_kwh"), fault) == []
    online = [value for ts, value in series(messages, GATEWAY, "children_online") if fault.start <= ts < fault.end]
    assert set(online) == {36}


def test_a_door_without_mains_drains_its_battery():
    fault = fault_of("power_lost", "b01-u1-door", minutes=120)
    messages = messages_with(fault)
    assert set(during(series(messages, "b01-u1-door", "mains_ok"), fault)) == {False}
    battery = during(series(messages, "b01-u1-door", "backup_battery_v"), fault)
    assert battery[-1] < battery[0] - 0.2


@pytest.mark.parametrize("device", [POWER, "b01-u1-camera"])
def test_a_late_batch_comes_at_the_end_with_the_times_of_its_readings(device):
    fault = fault_of("late_batch", device)
    messages = messages_with(fault)
    healthy = list(Fleet(DEVICES, 1).messages(NOW - timedelta(hours=3), NOW + timedelta(hours=4)))
    field = "power_w" if device == POWER else "image_quality"
    assert series(messages, device, field) == series(healthy, device, field)
    arrivals = [
        at
        for at, item in items_of(messages, device)
        if isinstance(item, Reading) and fault.start <= item.ts < fault.end
    ]
    assert len(arrivals) in {4, 60}
    assert all(fault.end <= at <= fault.end + MINUTE for at in arrivals)


@pytest.mark.parametrize("device", [POWER, "b01-u1-camera", "b01-u1-door"])
def test_duplicates_repeat_everything_unchanged(device):
    fault = fault_of("duplicates", device)
    items = [item for _, item in items_of(messages_with(fault), device) if fault.start <= item.ts < fault.end]
    assert items
    assert all(items.count(item) == 2 for item in items)


# A meter shows a rollover in advance, in its digits.
@pytest.mark.parametrize("kind", [kind for kind in FAULTS if kind != "meter_rollover"])
def test_a_fault_changes_nothing_before_it_starts(kind):
    device = next(device for device in DEVICES if device.kind in FAULTS[kind].devices)
    window = (NOW - timedelta(hours=1), NOW)
    faulty = list(Fleet(DEVICES, 1, [Fault(kind, device.name, NOW, NOW + 10 * MINUTE)]).messages(*window))
    assert faulty == list(Fleet(DEVICES, 1).messages(*window))


@pytest.mark.parametrize("kind", FAULTS)
def test_two_runs_that_meet_inside_a_fault_send_the_same_as_one(kind):
    device = next(device for device in DEVICES if device.kind in FAULTS[kind].devices)
    faults = [Fault(kind, device.name, NOW, NOW + 20 * MINUTE)]
    start, end = NOW - 10 * MINUTE, NOW + 40 * MINUTE
    whole = list(Fleet(DEVICES, 1, faults).messages(start, end))
    for cut in (NOW, NOW + 7 * MINUTE, NOW + 20 * MINUTE, NOW + 20 * MINUTE + timedelta(seconds=1.2)):
        parts = [*Fleet(DEVICES, 1, faults).messages(start, cut), *Fleet(DEVICES, 1, faults).messages(cut, end)]
        assert parts == whole


def test_a_fault_of_one_community_leaves_the_same_device_name_elsewhere_alone():
    west = [Device(900, "west", "b01-u1-camera", "camera")]
    fault = fault_of("camera_offline", "east/b01-u1-camera")
    fleet = Fleet([*DEVICES, *west], 1, [fault])
    communities = {
        message.topic.split("/")[2]
        for message in fleet.messages(NOW, NOW + MINUTE)
        if "b01-u1-camera" in message.topic and message.topic.endswith("telemetry")
    }
    assert communities == {"west"}


def test_a_fault_is_read_from_one_line():
    assert parse_fault("leak:b03-u2-0501-water@+30s/10m", NOW) == Fault(
        "leak", "b03-u2-0501-water", NOW + timedelta(seconds=30), NOW + timedelta(seconds=630)
    )
    assert parse_fault("leak:east/w@-2h,flow_m3_h=0.05", NOW) == Fault(
        "leak", "east/w", NOW - timedelta(hours=2), None, {"flow_m3_h": 0.05}
    )
    assert parse_fault("gas_leak:g@2026-01-10T18:00:00+08:00/500ms", NOW).end == NOW + timedelta(milliseconds=500)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "kind:device@start"),
        ("leak", "kind:device@start"),
        ("leak:w", "kind:device@start"),
        ("leak:@+1s", "kind:device@start"),
        ("flood:w@+1s", "no fault 'flood'; known: leak"),
        ("leak:w@soon", "not a start"),
        ("leak:w@+1", "not a duration"),
        ("leak:w@+1s/", "not a duration"),
        ("leak:w@+1s/0s", "end after it starts"),
        ("leak:w@2026-01-10T18:00:00", "offset from UTC"),
        ("leak:w@+1s,colour=3", "no parameter 'colour'; it has: flow_m3_h"),
        ("leak:w@+1s,flow_m3_h=much", "name=number"),
        ("leak:w@+1s,flow_m3_h=nan", "name=number"),
    ],
)
def test_an_invalid_fault_line_is_refused_with_the_correct_form(text, message):
    with pytest.raises(FaultError, match=message):
        parse_fault(text, NOW)


def test_a_fault_must_name_a_device_of_a_suitable_kind():
    with pytest.raises(FaultError, match="no simulated device is called 'unknown'"):
        Fleet(DEVICES, 1, [fault_of("leak", "unknown")])
    with pytest.raises(FaultError, match="leak cannot happen to ev-01, a ev_charger; it happens to water_meter"):
        Fleet(DEVICES, 1, [fault_of("leak", "ev-01")])


def test_a_device_of_the_demo_is_heard_once_before_it_falls_silent():
    devices = [each for site in COMMUNITIES for each in plan_community(*site, HOUSEHOLDS, seed=1).numbered_devices()]
    silenced = [
        (fault, device)
        for fault in (parse_fault(text, NOW) for text in DEMO_FAULTS)
        for device in devices
        if fault.applies_to(device) and fault.stops_sending(device)
    ]
    assert silenced
    for fault, device in silenced:
        assert fault.start - NOW > KIND_BY_NAME[device.kind].reporting_period
