"""Garbage is counted under its reason, valid items are stored, and ingest continues."""

import json
import time

import psycopg
import pytest

from patience import eventually, patient, steady
from running import epoch_ms, event, query, reading, register, rejected_by_reason, running_ingest
from simulators.publisher import Publisher

COMMUNITY = "laji"
TOPIC = f"anju/v1/{COMMUNITY}/water_meter/w1"


@pytest.fixture
def publish_and_wait(services, database_url, session, tmp_path):
    """Return a function that publishes (topic, payload) pairs and waits until ingest has handled them."""
    register(database_url, COMMUNITY, [("w1", "water_meter"), ("gate", "vehicle_gate")])
    register(database_url, "other", [("w7", "water_meter")])

    def publish(pairs):
        with running_ingest(database_url, services.mqtt_url, tmp_path), Publisher(services.publish_mqtt_url) as out:
            for topic, payload in pairs:
                out.publish(topic, payload)
            out.publish(f"{TOPIC}/event", event(epoch_ms(), "cover_opened"))
            out.flush(patient(30))
            eventually(lambda: query(database_url, "SELECT 1 FROM event WHERE event = 'cover_opened'"))
            steady(lambda: query(database_url, "SELECT sum(count) FROM rejection_count"), for_s=0.5)

    return publish


def test_each_kind_of_garbage_is_counted_under_its_reason_and_ingest_continues(publish_and_wait, database_url):
    now = epoch_ms()
    good = {"ts": now, "values": {"volume_m3": 1.5}}
    garbage = [
        (f"{TOPIC}/telemetry", b'{"ts": 17953', "bad_json"),
        (f"{TOPIC}/telemetry", b"\xff\xfe\xfd", "bad_json"),
        (f"{TOPIC}/telemetry", b"[" * 250_000, "bad_json"),
        (f"{TOPIC}/telemetry", b"[" * 1_000_000, "too_large"),
        (f"{TOPIC}/telemetry", reading(now, volume_m3=float("nan")), "impossible_value"),
        (f"{TOPIC}/telemetry", reading(now, volume_m3="twelve"), "impossible_value"),
        (f"{TOPIC}/telemetry", reading(now, power_w=3), "unknown_field"),
        (f"{TOPIC}/telemetry", reading(0, volume_m3=1), "bad_timestamp"),
        (f"{TOPIC}/telemetry", reading(4_102_444_800_000, volume_m3=1), "future_timestamp"),
        (f"{TOPIC}/telemetry", b'{"values": {"volume_m3": 1}}', "missing_timestamp"),
        (f"{TOPIC}/event", event(now, "exploded"), "unknown_event"),
        (f"anju/v1/{COMMUNITY}/water_meter/unknown/telemetry", reading(now, volume_m3=1), "unknown_device"),
        (f"anju/v1/{COMMUNITY}/water_meter/w7/telemetry", reading(now, volume_m3=1), "unknown_device"),
        (f"anju/v1/{COMMUNITY}/gas_meter/w1/telemetry", reading(now, volume_m3=1), "wrong_kind"),
        (f"anju/v1/{COMMUNITY}/water_meter/W1/telemetry", reading(now, volume_m3=1), "bad_topic"),
        ("anju/v1/somewhere", b"{}", "bad_topic"),
    ]
    expected = {}
    for _, _, reason in garbage:
        expected[reason] = expected.get(reason, 0) + 1
    mixed = json.dumps([good, {**good, "ts": now - 1, "values": {"volume_m3": -1}}, {**good, "ts": now - 2}]).encode()
    expected["impossible_value"] += 1
    publish_and_wait([(topic, payload) for topic, payload, _ in garbage] + [(f"{TOPIC}/telemetry", mixed)])
    assert rejected_by_reason(database_url) == expected
    assert query(database_url, "SELECT count(*) FROM telemetry_water_meter") == [(2,)]
    rejections = query(database_url, "SELECT reason, length(payload) <= 4096, detail <> '' FROM rejection")
    assert {reason for reason, *_ in rejections} == set(expected)
    assert all(short and has_detail for _, short, has_detail in rejections)


def test_of_each_topic_and_reason_the_newest_twenty_are_kept_and_all_are_counted(publish_and_wait, database_url):
    unreadable = [(f"{TOPIC}/telemetry", b"no JSON %d" % n) for n in range(3)]
    early = [(f"{TOPIC}/telemetry", reading(1000 + n, volume_m3=n)) for n in range(50)]
    publish_and_wait([*unreadable, *early])
    assert rejected_by_reason(database_url) == {"bad_timestamp": 50, "bad_json": 3}
    by_device = query(database_url, "SELECT d.name, reason, sum(count)::int FROM device_rejection_count AS c "
                      "JOIN device AS d ON d.id = c.device_id GROUP BY 1, 2 ORDER BY 2")  # fmt: skip
    assert by_device == [("w1", "bad_json", 3), ("w1", "bad_timestamp", 50)]
    kept = query(database_url, "SELECT payload FROM rejection WHERE reason = 'bad_timestamp'")
    assert {json.loads(payload)["ts"] for (payload,) in kept} == {1000 + n for n in range(30, 50)}
    assert query(database_url, "SELECT count(*) FROM rejection WHERE reason = 'bad_json'") == [(3,)]


def test_a_bad_field_costs_no_other_and_is_counted(publish_and_wait, database_url):
    now = epoch_ms()
    mixed = reading(now, volume_m3=412.6, rssi=-71, flow_m3_h=float("nan"), pressure_mpa="high")
    publish_and_wait([(f"{TOPIC}/telemetry", mixed)])
    assert query(database_url, "SELECT volume_m3, flow_m3_h, pressure_mpa FROM telemetry_water_meter") == [
        (412.6, None, None)
    ]
    assert rejected_by_reason(database_url) == {"unknown_field": 1, "impossible_value": 2}


def test_a_rejected_gate_message_leaves_no_plate_in_the_database(publish_and_wait, database_url):
    plate = "蒙KA1234"
    passed = {"ts": 1, "event": "vehicle_passed", "data": {"plate": plate}}
    gate = f"anju/v1/{COMMUNITY}/vehicle_gate/gate/event"
    publish_and_wait(
        [
            (gate, json.dumps(passed, ensure_ascii=False).encode()),
            (gate, json.dumps({**passed, "ts": epoch_ms()}).encode()),
            (gate, plate.encode()),
            (f"anju/v1/{COMMUNITY}/vehicle_gate/unknown/event", json.dumps(passed, ensure_ascii=False).encode()),
        ]
    )
    rejected = query(database_url, "SELECT topic, detail, payload FROM rejection")
    assert len(rejected) == 3
    assert all(payload == b"" for *_, payload in rejected)
    ((data,),) = query(database_url, "SELECT data FROM event WHERE event = 'vehicle_passed'")
    assert data["plate_masked"] == "蒙K·****4"
    assert set(data) == {"plate_masked", "plate_hash"}


def test_a_device_is_known_right_after_its_import(services, database_url, ingest):
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    with Publisher(services.publish_mqtt_url) as out:
        for n in range(5):
            register(database_url, COMMUNITY, [(f"new{n}", "water_meter")])
            out.publish(f"anju/v1/{COMMUNITY}/water_meter/new{n}/telemetry", reading(epoch_ms(), volume_m3=n))
            time.sleep(0.3)
        out.flush(patient(10))
    eventually(lambda: query(database_url, "SELECT 1 FROM telemetry_water_meter HAVING count(*) = 5"))
    assert rejected_by_reason(database_url) == {}


def test_only_the_message_refused_by_the_database_is_rejected(services, database_url, ingest):
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE telemetry_water_meter ADD CHECK (volume_m3 <> 666)")
    now = epoch_ms()
    with Publisher(services.publish_mqtt_url) as out:
        for n in range(600, 700):
            out.publish(f"{TOPIC}/telemetry", reading(now + n, volume_m3=n))
        out.flush(patient(10))
    eventually(lambda: query(database_url, "SELECT 1 FROM telemetry_water_meter HAVING count(*) = 99"))
    assert eventually(lambda: rejected_by_reason(database_url)) == {"impossible_value": 1}
    ((topic, detail),) = query(database_url, "SELECT topic, detail FROM rejection")
    assert topic == f"{TOPIC}/telemetry"
    assert "check constraint" in detail
