"""Decoding is pure and total: any bytes on any topic give readings, events, states, or rejections with a reason."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.catalogue import KINDS
from devices.device import Device, Service
from devices.kind import Identity
from devices.payload import ConnectionReport, ConnectionState, DeviceEvent, Reading, Rejection, decode
from devices.privacy import Pseudonymiser
from devices.schema import Reason
from devices.topic import Channel, Topic

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
TS = 1_795_320_000_000  # 2026-11-22T04:00:00Z
PSEUDONYMISER = Pseudonymiser(b"a key for the tests only")

METER = Device(1, "yangguang", "w1", "water_meter")
GATEWAY = Device(2, "yangguang", "g1", "gateway")
CHILD = Device(3, "yangguang", "w2", "water_meter", gateway="g1")
GATE = Device(4, "yangguang", "gate", "vehicle_gate", gateway="g1")
DOOR = Device(5, "yangguang", "door", "access_control")
WITHDRAWN = Device(6, "yangguang", "w6", "water_meter", gateway="g1", service=Service.WITHDRAWN)
REGISTRY = {(device.community, device.name): device for device in (METER, GATEWAY, CHILD, GATE, DOOR, WITHDRAWN)}


def decode_one(topic, payload):
    return decode(topic, payload, NOW, lambda community, name: REGISTRY.get((community, name)), PSEUDONYMISER)


def send(device, channel, content):
    topic = f"anju/v1/{device.community}/{device.kind}/{device.name}/{channel}"
    return decode_one(topic, json.dumps(content).encode())


def reason_of(decoded):
    assert isinstance(decoded, Rejection), decoded
    return decoded.reason


def test_a_reading_carries_its_values_and_the_devices_time():
    assert send(METER, "telemetry", {"ts": TS, "values": {"volume_m3": 12, "flow_m3_h": 0.5}, "seq": 4}) == [
        Reading(METER, NOW, {"volume_m3": 12.0, "flow_m3_h": 0.5})
    ]


def test_a_timestamp_may_be_rfc_3339_with_an_offset():
    (reading,) = send(METER, "telemetry", {"ts": "2026-11-22T12:00:00+08:00", "values": {"volume_m3": 1}})
    assert reading.ts == NOW


def test_a_value_the_device_could_not_measure_is_left_out():
    (reading,) = send(METER, "telemetry", {"ts": TS, "values": {"volume_m3": 1, "flow_m3_h": None}})
    assert reading.values == {"volume_m3": 1.0}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"values": {"volume_m3": 1}}, Reason.MISSING_TIMESTAMP),
        ({"ts": 0, "values": {"volume_m3": 1}}, Reason.BAD_TIMESTAMP),
        ({"ts": TS // 1000, "values": {"volume_m3": 1}}, Reason.BAD_TIMESTAMP),
        ({"ts": True, "values": {"volume_m3": 1}}, Reason.BAD_TIMESTAMP),
        ({"ts": "2026-11-22T12:00:00", "values": {"volume_m3": 1}}, Reason.BAD_TIMESTAMP),
        ({"ts": "2026-02-30T12:00:00Z", "values": {"volume_m3": 1}}, Reason.BAD_TIMESTAMP),
        ({"ts": 10**300, "values": {"volume_m3": 1}}, Reason.BAD_TIMESTAMP),
        ({"ts": TS + 300_001, "values": {"volume_m3": 1}}, Reason.FUTURE_TIMESTAMP),
        ({"ts": 4_102_444_800_000, "values": {"volume_m3": 1}}, Reason.FUTURE_TIMESTAMP),
        ({"ts": TS, "values": {"power_w": 1}}, Reason.UNKNOWN_FIELD),
        ({"ts": TS, "values": {"volume_m3": -1}}, Reason.IMPOSSIBLE_VALUE),
        ({"ts": TS, "values": {"volume_m3": "1"}}, Reason.IMPOSSIBLE_VALUE),
        ({"ts": TS, "values": {"volume_m3": True}}, Reason.IMPOSSIBLE_VALUE),
        ({"ts": TS, "values": {"volume_m3": float("nan")}}, Reason.IMPOSSIBLE_VALUE),
        ({"ts": TS, "values": {"volume_m3": float("inf")}}, Reason.IMPOSSIBLE_VALUE),
        ({"ts": TS, "values": {"valve_state": "ajar"}}, Reason.IMPOSSIBLE_VALUE),
        ({"ts": TS, "values": {}}, Reason.IMPOSSIBLE_VALUE),
        ({"ts": TS, "values": {"volume_m3": None}}, Reason.IMPOSSIBLE_VALUE),
        ({"ts": TS}, Reason.IMPOSSIBLE_VALUE),
        ({"ts": None, "values": {"volume_m3": 1}}, Reason.MISSING_TIMESTAMP),
        ({"ts": TS, "values": None}, Reason.IMPOSSIBLE_VALUE),
        ({"ts": TS, "values": [1]}, Reason.IMPOSSIBLE_VALUE),
        ([], Reason.BAD_JSON),
        ([1], Reason.BAD_JSON),
        ("text", Reason.BAD_JSON),
    ],
)
def test_an_unusable_item_is_rejected_with_its_reason(item, reason):
    assert [reason_of(decoded) for decoded in send(METER, "telemetry", item)] == [reason]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.BAD_JSON),
        (b'{"ts": 17953', Reason.BAD_JSON),
        (b"\xff\xfe\x00", Reason.BAD_JSON),
        (b'{"ts": 1, "values": {"volume_m3": "\xff"}}', Reason.BAD_JSON),
        (b"[" * 200_000, Reason.BAD_JSON),
        (b"[" * 1_000_000, Reason.TOO_LARGE),
    ],
)
def test_invalid_bytes_are_rejected_as_a_whole(payload, reason):
    (rejection,) = decode_one("anju/v1/yangguang/water_meter/w1/telemetry", payload)
    assert (rejection.reason, rejection.size) == (reason, len(payload))
    assert len(rejection.payload) <= 4096


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("anju/v1/yangguang/water_meter/w1", Reason.BAD_TOPIC),
        ("anju/v1/yangguang/water_meter/w1/telemetry/more", Reason.BAD_TOPIC),
        ("anju/v1/yangguang/water_meter/W1/telemetry", Reason.BAD_TOPIC),
        ("anju/v1/yangguang/toaster/w1/telemetry", Reason.BAD_TOPIC),
        ("anju/v1/yangguang/water_meter/w1/command", Reason.BAD_TOPIC),
        ("anju/v2/yangguang/water_meter/w1/telemetry", Reason.BAD_TOPIC),
        ("", Reason.BAD_TOPIC),
        ("anju/v1/yangguang/water_meter/w9/telemetry", Reason.UNKNOWN_DEVICE),
        ("anju/v1/elsewhere/water_meter/w1/telemetry", Reason.UNKNOWN_DEVICE),
        ("anju/v1/yangguang/gas_meter/w1/telemetry", Reason.WRONG_KIND),
    ],
)
def test_a_topic_must_name_a_registered_device_of_its_kind(topic, reason):
    assert [reason_of(decoded) for decoded in decode_one(topic, b'{"ts": 1, "values": {}}')] == [reason]


@pytest.mark.parametrize("service", [each for each in Service if each is not Service.WITHDRAWN])
def test_a_registered_device_may_send_in_every_service_state(service):
    device = Device(1, "yangguang", "w1", "water_meter", service=service)
    topic = "anju/v1/yangguang/water_meter/w1/telemetry"
    item = {"ts": TS, "values": {"volume_m3": 1}}
    (decoded,) = decode(topic, json.dumps(item).encode(), NOW, lambda *_: device, PSEUDONYMISER)
    assert isinstance(decoded, Reading)


def test_a_withdrawn_device_is_unknown_and_the_rejection_says_why():
    item = {"ts": TS, "values": {"volume_m3": 1}}
    own = send(WITHDRAWN, "telemetry", item)
    behind_its_gateway = send(GATEWAY, "telemetry", {**item, "kind": "water_meter", "device": "w6"})
    for rejection in (*own, *behind_its_gateway, *send(WITHDRAWN, "status", {"state": "online"})):
        assert reason_of(rejection) is Reason.UNKNOWN_DEVICE
        assert "was withdrawn from the registry" in rejection.detail
        assert rejection.device == WITHDRAWN
    assert send(GATEWAY, "telemetry", [{**item, "kind": "water_meter", "device": "w2"}])[0].device == CHILD


def test_one_bad_item_of_an_array_rejects_that_item_only():
    good = {"ts": TS, "values": {"volume_m3": 1}}
    bad = {"ts": TS, "values": {"volume_m3": -1}}
    first, second, third = send(METER, "telemetry", [good, bad, {**good, "ts": TS - 1}])
    assert isinstance(first, Reading)
    assert reason_of(second) is Reason.IMPOSSIBLE_VALUE
    assert isinstance(third, Reading)


@pytest.mark.parametrize(("gateway", "child", "stored"), [(1, 1, True), (1, 0, False), (0, 1, True), (0, 0, True)])
def test_a_simulated_gateway_speaks_for_no_real_device(gateway, child, stored):
    devices = {"g": replace(GATEWAY, name="g", simulated=bool(gateway))}
    devices["c"] = replace(CHILD, name="c", gateway="g", simulated=bool(child))
    item = {"kind": "water_meter", "device": "c", "ts": TS, "values": {"volume_m3": 1}}
    topic = "anju/v1/yangguang/gateway/g/telemetry"
    (decoded,) = decode(topic, json.dumps(item).encode(), NOW, lambda _, name: devices.get(name), PSEUDONYMISER)
    assert isinstance(decoded, Reading) == stored
    if not stored:
        assert decoded.reason is Reason.UNKNOWN_DEVICE
        assert "its gateway simulated" in decoded.detail


def test_a_gateway_sends_items_for_itself_and_for_its_children():
    decoded = send(
        GATEWAY,
        "telemetry",
        [
            {"ts": TS, "values": {"mains_ok": True}},
            {"ts": TS, "kind": "water_meter", "device": "w2", "values": {"volume_m3": 3}},
            {"ts": TS, "kind": "water_meter", "device": "w1", "values": {"volume_m3": 3}},
            {"ts": TS, "kind": "gas_meter", "device": "w2", "values": {"volume_m3": 3}},
            {"ts": TS, "device": "w2", "values": {"volume_m3": 3}},
        ],
    )
    assert decoded[:2] == [Reading(GATEWAY, NOW, {"mains_ok": True}), Reading(CHILD, NOW, {"volume_m3": 3.0})]
    assert [reason_of(item) for item in decoded[2:]] == [
        Reason.UNKNOWN_DEVICE,
        Reason.WRONG_KIND,
        Reason.WRONG_KIND,
    ]


def test_an_event_may_come_without_an_id():
    assert send(METER, "event", {"ts": TS, "event": "cover_opened"}) == [
        DeviceEvent(METER, NOW, "cover_opened", "", {})
    ]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"ts": TS, "event": "exploded"}, Reason.UNKNOWN_EVENT),
        ({"ts": TS}, Reason.UNKNOWN_EVENT),
        ({"ts": TS, "event": ["cover_opened"]}, Reason.UNKNOWN_EVENT),
        ({"ts": TS, "event": None}, Reason.UNKNOWN_EVENT),
        ({"ts": None, "event": "cover_opened"}, Reason.MISSING_TIMESTAMP),
    ],
)
def test_an_unusable_event_is_rejected_with_its_reason(item, reason):
    assert [reason_of(decoded) for decoded in send(METER, "event", item)] == [reason]


def test_a_last_will_has_no_timestamp():
    assert send(METER, "status", {"state": "offline"}) == [ConnectionReport(METER, None, ConnectionState.OFFLINE)]


def test_a_state_that_is_neither_online_nor_offline_is_rejected():
    assert [reason_of(item) for item in send(METER, "status", {"state": "asleep", "ts": TS})] == [
        Reason.IMPOSSIBLE_VALUE
    ]


PLATE, USER = "蒙KA1234", "王小明"


def test_a_number_plate_leaves_only_as_hash_and_mask():
    (event,) = send(GATE, "event", {"ts": TS, "event": "vehicle_passed", "data": {"plate": PLATE, "direction": "in"}})
    assert event.data["plate_masked"] == "蒙K·****4"
    assert event.data["plate_hash"] == PSEUDONYMISER.hash(Identity.PLATE, "蒙K·A1234")
    assert PLATE not in repr(event)


@pytest.mark.parametrize("device", [GATE, DOOR, GATEWAY])
@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize(
    "content",
    [
        {"ts": TS, "event": "vehicle_passed", "data": {"plate": PLATE, "user": USER, "speed": 3}},
        {"ts": 1, "event": "unlocked", "data": {"user": USER, "plate": PLATE}},
        {"ts": TS, "event": USER, PLATE: PLATE},
        [{"ts": TS, "kind": "vehicle_gate", "device": "gate", "event": "vehicle_passed", "data": {PLATE: USER}}],
        [{"ts": TS, "kind": "vehicle_gate", "device": "nowhere", "event": "vehicle_passed", "data": {"plate": PLATE}}],
        {"state": PLATE, "ts": USER},
    ],
)
def test_a_rejection_contains_no_personal_value(device, channel, content):
    for decoded in (
        *send(device, channel, content),
        *decode_one(f"anju/v1/yangguang/{device.kind}/unknown/{channel}", json.dumps(content).encode()),
        *decode_one("anju/v1/nonsense", json.dumps(content, ensure_ascii=False).encode()),
        *decode_one(f"anju/v1/yangguang/water_meter/{device.name}/{channel}", json.dumps(content).encode()),
    ):
        stored = repr(decoded) + (decoded.payload.decode("utf-8", "replace") if isinstance(decoded, Rejection) else "")
        for secret in (PLATE, USER, json.dumps(PLATE), json.dumps(USER)):
            assert secret not in stored


@given(st.datetimes(min_value=datetime(2000, 1, 2), max_value=datetime(2026, 11, 22)))  # noqa: DTZ001
def test_both_forms_of_a_timestamp_are_the_same_instant(moment):
    ts = moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
    milliseconds = round((ts - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
    (by_number,) = send(METER, "telemetry", {"ts": milliseconds, "values": {"volume_m3": 1}})
    (by_text,) = send(METER, "telemetry", {"ts": ts.isoformat(), "values": {"volume_m3": 1}})
    assert by_number.ts == by_text.ts == ts


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_bounds_of_every_field_are_possible_and_nothing_beyond(kind):
    device = Device(9, "c", "d", kind.name)
    topic = str(Topic("c", kind.name, "d", Channel.TELEMETRY))
    for field in kind.fields:
        if not hasattr(field, "possible"):
            continue
        for value, fits in (
            (field.possible.low, True),
            (field.possible.high, True),
            (field.possible.low - 1e-6, False),
            (field.possible.high * (1 + 1e-6) + 1e-6, False),
        ):
            payload = json.dumps({"ts": TS, "values": {field.name: value}}).encode()
            (decoded,) = decode(topic, payload, NOW, lambda *_: device, PSEUDONYMISER)
            assert isinstance(decoded, Reading) is fits, (field.name, value)
