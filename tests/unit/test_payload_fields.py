"""One bad field of an item costs that field: the others are decoded, and a rejection names it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder_laws import ALONE, CHILDREN, GATEWAY, NOW, NOW_MS, PERSONAL, decoded, topic_of
from devices.catalogue import KIND_BY_NAME, KINDS
from devices.kind import Flag
from devices.payload import ConnectionReport, ConnectionState, DeviceEvent, Reading, Rejection
from devices.schema import Reason
from devices.topic import Channel
from item_strategies import readings

BY_KIND = {device.kind: device for device in ALONE}
METER, CHARGER, GATE = BY_KIND["water_meter"], BY_KIND["ebike_charger"], BY_KIND["vehicle_gate"]
GAS_METER = BY_KIND["gas_meter"]
CHILD = next(child for child in CHILDREN if child.kind == "gas_meter")


def send(device, channel, item):
    return decoded(topic_of(device, channel), json.dumps(item).encode())


def telemetry(device, **values):
    return send(device, Channel.TELEMETRY, {"ts": NOW_MS, "values": values})


def test_smoke_beside_an_impossible_temperature_is_decoded():
    reading, rejection = telemetry(CHARGER, smoke=True, battery_temperature_c=999)
    assert reading == Reading(CHARGER, NOW, {"smoke": True})
    assert (rejection.reason, rejection.device, rejection.times) == (Reason.IMPOSSIBLE_VALUE, CHARGER, 1)
    assert rejection.detail == "values.battery_temperature_c must be a number from -50 to 400 ℃"
    assert json.loads(rejection.payload)["values"]["battery_temperature_c"] == 999


def test_a_register_beside_an_unknown_field_is_decoded():
    reading, rejection = telemetry(METER, volume_m3=412.6, rssi=-71)
    assert reading == Reading(METER, NOW, {"volume_m3": 412.6})
    assert (rejection.reason, rejection.device) == (Reason.UNKNOWN_FIELD, METER)
    fields = ", ".join(field.name for field in KIND_BY_NAME["water_meter"].fields)
    assert rejection.detail == f"unknown: values.rssi; water_meter has the fields {fields}"


@pytest.mark.parametrize(
    "refused",
    [
        {"flow_m3_h": float("nan")},
        {"flow_m3_h": float("inf")},
        {"flow_m3_h": float("-inf")},
        {"flow_m3_h": 10**4000},
        {"flow_m3_h": -(2**63)},
        {"flow_m3_h": "0.5"},
        {"flow_m3_h": True},
        {"flow_m3_h": [0.5]},
        {"flow_m3_h": {"value": 0.5}},
        {"valve_state": "ajar"},
        {"valve_state": 1},
        {"valve_state": ["open"]},
        {"valve_state": True},
    ],
    ids=lambda refused: str(refused)[:40],
)
def test_a_value_of_the_wrong_type_or_range_costs_its_field(refused):
    reading, rejection = telemetry(METER, volume_m3=1, **refused)
    assert reading.values == {"volume_m3": 1.0}
    assert rejection.reason is Reason.IMPOSSIBLE_VALUE
    assert next(iter(refused)) in rejection.detail


@pytest.mark.parametrize(
    "name", ["Volume_m3", "VOLUME_M3", "volume", "volume_l", "volumeM3", "rssi", "", " ", "温度", "a" * 70]
)
def test_a_name_of_another_case_or_unit_is_unknown_and_the_known_ones_are_listed(name):
    reading, rejection = telemetry(METER, pressure_mpa=0.3, **{name: 1})
    assert reading.values == {"pressure_mpa": 0.3}
    assert rejection.reason is Reason.UNKNOWN_FIELD
    assert "water_meter has the fields volume_m3" in rejection.detail
    if name.isascii() and 0 < len(name.strip()) < 64:
        assert f"values.{name};" in rejection.detail


def test_each_reason_is_one_rejection_that_counts_its_fields():
    reading, impossible, unknown = telemetry(METER, volume_m3=1, flow_m3_h=-1e9, pressure_mpa="x", rssi=1, snr=2, lqi=3)
    assert reading.values == {"volume_m3": 1.0}
    assert (impossible.reason, impossible.times) == (Reason.IMPOSSIBLE_VALUE, 2)
    assert (unknown.reason, unknown.times) == (Reason.UNKNOWN_FIELD, 3)
    assert all(name in impossible.detail for name in ("flow_m3_h", "pressure_mpa"))
    assert "values.lqi, values.rssi, values.snr;" in unknown.detail


def test_a_reading_whose_every_field_is_refused_is_rejected_for_each_reason():
    decoded_items = telemetry(METER, volume_m3=-1, rssi=1)
    assert [(type(item), item.reason) for item in decoded_items] == [
        (Rejection, Reason.IMPOSSIBLE_VALUE),
        (Rejection, Reason.UNKNOWN_FIELD),
    ]


def test_nulls_beside_a_refused_field_are_no_reading():
    (rejection,) = telemetry(METER, volume_m3=None, flow_m3_h="x")
    assert rejection.reason is Reason.IMPOSSIBLE_VALUE
    assert "flow_m3_h" in rejection.detail


def test_thousands_of_unknown_fields_are_one_short_rejection():
    reading, rejection = telemetry(METER, volume_m3=1, **{f"f{n}": 1 for n in range(5000)})
    assert reading.values == {"volume_m3": 1.0}
    assert rejection.times == 5000
    assert "4992 more" in rejection.detail
    assert len(rejection.detail) < 1000


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("rssi", -71, Reason.UNKNOWN_FIELD),
        ("seq", -1, Reason.IMPOSSIBLE_VALUE),
        ("seq", "7", Reason.IMPOSSIBLE_VALUE),
        ("seq", 1.5, Reason.IMPOSSIBLE_VALUE),
        ("seq", True, Reason.IMPOSSIBLE_VALUE),
        ("kind", "water_meter", Reason.UNKNOWN_FIELD),
    ],
)
def test_a_bad_key_of_an_item_costs_no_value(key, value, reason):
    reading, rejection = send(METER, Channel.TELEMETRY, {"ts": NOW_MS, "values": {"volume_m3": 1}, key: value})
    assert reading == Reading(METER, NOW, {"volume_m3": 1.0})
    assert rejection.reason is reason
    assert key in rejection.detail


def test_a_null_sequence_number_is_absent():
    assert send(METER, Channel.TELEMETRY, {"ts": NOW_MS, "values": {"volume_m3": 1}, "seq": None}) == [
        Reading(METER, NOW, {"volume_m3": 1.0})
    ]


@pytest.mark.parametrize("key", ["id", "data"])
def test_a_null_key_of_an_event_is_absent(key):
    assert send(GAS_METER, Channel.EVENT, {"ts": NOW_MS, "event": "gas_leak", key: None}) == [
        DeviceEvent(GAS_METER, NOW, "gas_leak", "", {})
    ]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"id": 5}, Reason.IMPOSSIBLE_VALUE),
        ({"id": True}, Reason.IMPOSSIBLE_VALUE),
        ({"id": ["a"]}, Reason.IMPOSSIBLE_VALUE),
        ({"id": "a\x00b"}, Reason.IMPOSSIBLE_VALUE),
        ({"id": "a" * 65}, Reason.IMPOSSIBLE_VALUE),
        ({"data": []}, Reason.IMPOSSIBLE_VALUE),
        ({"data": "text"}, Reason.IMPOSSIBLE_VALUE),
        ({"data": {"concentration": 5}}, Reason.UNKNOWN_FIELD),
        ({"level": "high"}, Reason.UNKNOWN_FIELD),
    ],
    ids=str,
)
def test_a_leak_with_a_bad_field_is_an_event(more, reason):
    event, rejection = send(GAS_METER, Channel.EVENT, {"ts": NOW_MS, "event": "gas_leak", **more})
    assert event == DeviceEvent(GAS_METER, NOW, "gas_leak", "", {})
    assert (rejection.reason, rejection.device) == (reason, GAS_METER)


@pytest.mark.parametrize("ts", [{}, {"ts": None}])
def test_a_last_will_may_have_a_null_timestamp_and_a_further_key(ts):
    report, *refused = send(METER, Channel.STATUS, {"state": "offline", "cause": "will", **ts})
    assert report == ConnectionReport(METER, None, ConnectionState.OFFLINE)
    assert [rejection.reason for rejection in refused] == [Reason.UNKNOWN_FIELD]


def test_a_gateway_speaks_for_itself_where_kind_and_device_are_null():
    item = {"ts": NOW_MS, "kind": None, "device": None, "values": {"mains_ok": True, "rssi": -71}}
    reading, rejection = send(GATEWAY, Channel.TELEMETRY, item)
    assert reading == Reading(GATEWAY, NOW, {"mains_ok": True})
    assert "values.rssi; gateway has the fields children_total" in rejection.detail


def test_a_refused_field_stands_at_the_child_and_not_at_its_gateway():
    item = {"ts": NOW_MS, "kind": CHILD.kind, "device": CHILD.name}
    decoded_items = send(
        GATEWAY,
        Channel.TELEMETRY,
        [{**item, "values": {"volume_m3": 1, "rssi": 1}}, {**item, "ts": NOW_MS - 1, "values": {"volume_m3": 2}}],
    )
    assert [type(each) for each in decoded_items] == [Reading, Reading, Rejection]
    assert decoded_items[2].device == CHILD
    assert "values.rssi; gas_meter has the fields" in decoded_items[2].detail


def test_an_unknown_child_and_an_unknown_event_are_named():
    item = {"ts": NOW_MS, "kind": "water_meter", "device": "w77", "values": {"volume_m3": 1}}
    (child,) = send(GATEWAY, Channel.TELEMETRY, item)
    assert (child.reason, child.device) == (Reason.UNKNOWN_DEVICE, GATEWAY)
    assert "device w77 is not registered" in child.detail
    (unknown,) = send(GAS_METER, Channel.EVENT, {"ts": NOW_MS, "event": "gas_leek"})
    assert unknown.detail.startswith("unknown event gas_leek; gas_meter knows gas_leak")


@given(st.data())
def test_bad_fields_change_no_other_field_of_any_kind(data):
    """Law: a reading with bad fields is the reading without them, and rejections that count them all."""
    device = data.draw(st.sampled_from(ALONE))
    item, values = data.draw(readings(device))
    fields = KIND_BY_NAME[device.kind].fields
    spare = [field for field in fields if field.name not in values]
    chosen = data.draw(st.sets(st.sampled_from([field.name for field in spare])) if spare else st.just(set()))
    wrong = st.sampled_from(["no such state", [], {}, 1e300])
    bad = {
        field.name: data.draw(wrong | st.just(1 if isinstance(field, Flag) else True))
        for field in spare
        if field.name in chosen
    }
    unknown = data.draw(st.dictionaries(st.text(max_size=8).map(lambda name: f"x{name}"), st.none() | st.integers()))
    mixed = data.draw(st.permutations([*values.items(), *bad.items(), *unknown.items()]))
    reading, *refused = send(device, Channel.TELEMETRY, {**item, "values": dict(mixed)})
    assert (reading.device, reading.values) == (device, values)
    counted = {rejection.reason: rejection.times for rejection in refused}
    assert counted == {
        reason: len(names)
        for reason, names in ((Reason.IMPOSSIBLE_VALUE, bad), (Reason.UNKNOWN_FIELD, unknown))
        if names
    }
    for rejection in refused:
        assert rejection.device == device
        assert rejection.payload == b"" if device.kind in PERSONAL else rejection.payload


PERSON = "蒙KA1234"


@pytest.mark.parametrize("kind", sorted(PERSONAL))
@pytest.mark.parametrize("name", [PERSON, "KA1234", "ka1234", "wang.xiaoming"])
def test_a_name_that_may_be_a_person_is_counted_and_not_quoted(kind, name):
    device = GATEWAY if kind == "gateway" else BY_KIND[kind]
    field = next(field for field in KIND_BY_NAME[kind].fields if isinstance(field, Flag))
    reading, rejection = telemetry(device, **{field.name: True, name: PERSON})
    assert reading.values == {field.name: True}
    assert rejection.payload == b""
    assert name not in rejection.detail
    assert PERSON not in repr(rejection)
    assert f"1 of its fields; {kind} has the fields" in rejection.detail


def test_a_plate_stays_redacted_where_another_field_of_its_event_is_refused():
    data = {"plate": PERSON, "direction": "sideways", "speed": 3}
    event, *refused = send(GATE, Channel.EVENT, {"ts": NOW_MS, "event": "vehicle_passed", "data": data})
    assert event.data["plate_masked"] == "蒙K·****4"
    assert set(event.data) == {"plate_hash", "plate_masked"}
    assert [rejection.reason for rejection in refused] == [Reason.IMPOSSIBLE_VALUE, Reason.UNKNOWN_FIELD]
    assert refused[0].detail == "data.direction must be one of in, out"
    assert PERSON not in repr(refused)
    assert "speed" not in refused[1].detail


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_of_every_kind_is_named_with_its_limits(kind):
    device = GATEWAY if kind.name == "gateway" else BY_KIND[kind.name]
    for field in kind.fields:
        (rejection,) = telemetry(device, **{field.name: []})
        assert rejection.detail.startswith(f"values.{field.name} must be ")
        if hasattr(field, "choices"):
            assert all(choice in rejection.detail for choice in field.choices)


@pytest.mark.parametrize("kind", sorted(PERSONAL))
@pytest.mark.parametrize("name", [PERSON, "KA1234", f"{PERSON}/extra", f"gate\0{PERSON}"])
def test_a_plate_in_a_topic_is_masked(kind, name):
    (rejection,) = decoded(f"anju/v1/yangguang/{kind}/{name}/event", b"{}")
    assert rejection.reason is Reason.BAD_TOPIC
    assert rejection.topic.startswith(f"anju/v1/yangguang/{kind}/…/")
    assert "KA1234" not in repr(rejection)


def test_a_bad_topic_of_another_kind_is_stored_as_it_came():
    (rejection,) = decoded("anju/v1/yangguang/water_meter/水表1/telemetry", b"{}")
    assert rejection.topic == "anju/v1/yangguang/water_meter/水表1/telemetry"


NO_TIMES = [None, 0, 5, NOW_MS // 1000, NOW_MS + 300_001, NOW_MS * 1000, float(NOW_MS), str(NOW_MS), True, "yesterday"]


@pytest.mark.parametrize("ts", NO_TIMES)
def test_an_item_without_a_usable_time_is_rejected_with_what_it_tells_as_of_its_arrival(ts):
    (rejection,) = send(GAS_METER, Channel.EVENT, {"ts": ts, "event": "gas_leak", "id": "a"})
    assert rejection.undated == DeviceEvent(GAS_METER, NOW, "gas_leak", "a", {})
    rejection, _ = send(CHARGER, Channel.TELEMETRY, {"ts": ts, "values": {"smoke": True, "battery_temperature_c": 999}})
    assert rejection.undated == Reading(CHARGER, NOW, {"smoke": True})
    (rejection,) = send(GAS_METER, Channel.EVENT, {"ts": ts, "event": "leak"})
    assert rejection.undated is None
    (rejection,) = send(GATE, Channel.EVENT, {"ts": ts, "event": "vehicle_passed", "data": {"plate": PERSON}})
    assert PERSON not in repr(rejection)


def test_an_item_rejected_for_another_reason_than_its_time_tells_nothing():
    (rejection,) = send(GAS_METER, Channel.EVENT, {"ts": NOW_MS, "event": "leak"})
    assert rejection.undated is None
    (rejection,) = telemetry(CHARGER, battery_temperature_c=999)
    assert rejection.undated is None
