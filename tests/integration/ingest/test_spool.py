"""Messages beyond the share of their device wait in the spool: in order, sealed, and stored exactly once."""

import json
import time
from contextlib import contextmanager

import psycopg
import pytest

from ingest.device_limit import BURST_BYTES
from patience import eventually, patient
from running import SECRET_KEY, epoch_ms, event, query, reading, register, running_ingest
from simulators.publisher import Publisher

COMMUNITY = "jiya"
FLOOD = 10_000
LARGE = 1000  # bytes of a message; FLOOD of them are six times the share of a device
PLATE = "蒙K98765"


def telemetry(device, kind="water_meter"):
    return f"anju/v1/{COMMUNITY}/{kind}/{device}/telemetry"


def flood(out, device, count=FLOOD, since=0):
    """Publish readings of increasing time and volume."""
    began = epoch_ms() - 3_600_000
    for n in range(since, since + count):
        out.publish(telemetry(device), reading(began + n, volume_m3=n / 100).ljust(LARGE))


def stored(url, device):
    statement = "SELECT count(*) FROM telemetry_water_meter JOIN device ON device.id = device_id WHERE device.name = %s"
    return query(url, statement, device)[0][0]


def spooled(url):
    return query(url, "SELECT coalesce(sum(messages), 0)::int FROM spool_total")[0][0]


def refused(url):
    return query(url, "SELECT coalesce(sum(count), 0)::int FROM rejection_count WHERE reason = 'rate_limited'")[0][0]


@contextmanager
def ingest_behind(services, folder, database_url, publish, **environment):
    """Run ingest with a queue at the broker: `publish` sends while it is down, after it was once caught up."""
    with running_ingest(database_url, services.mqtt_url, folder, **environment) as ingest:
        eventually(lambda: query(database_url, "SELECT 1 FROM partition_report WHERE live"))
        ingest.kill()
        with Publisher(services.publish_mqtt_url) as out:
            publish(out)
            out.flush(patient(60))
        ingest.start()
        yield ingest


def test_later_messages_of_a_device_wait_behind_its_spool(services, database_url, ingest):
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    with Publisher(services.publish_mqtt_url) as out:
        flood(out, "w1")
        out.publish(f"anju/v1/{COMMUNITY}/water_meter/w1/status", json.dumps({"state": "offline"}).encode())
        out.flush(patient(60))
    look = "SELECT (SELECT count(*) FROM telemetry_water_meter), count(*) FROM event WHERE event = 'offline'"
    readings, _ = eventually(lambda: (row := query(database_url, look)[0])[1] and row, timeout_s=60)
    assert readings == FLOOD


ALARMS = [
    pytest.param("gas_meter", "event", {"event": "gas_leak"}, "gas_leak", id="an event"),
    pytest.param(
        "ebike_charger", "telemetry", {"values": {"smoke": True}}, "ebike_smoke", id="a flag", marks=pytest.mark.slow
    ),
    pytest.param(
        "electricity_meter",
        "telemetry",
        {"values": {"voltage_v": 305}},
        "electricity_neutral_fault",
        id="a number",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize(("kind", "channel", "content", "rule"), ALARMS)
def test_an_alarm_of_a_device_does_not_wait_behind_its_backlog(
    services, database_url, tmp_path, *, kind, channel, content, rule
):
    register(database_url, COMMUNITY, [("gw", "gateway"), ("d1", kind, "gw")])

    def publish(out):
        began = epoch_ms() - 3_600_000
        for n in range(FLOOD):
            out.publish(telemetry("gw", "gateway"), reading(began + n, queue_messages=n).ljust(LARGE))
        alarm = {"kind": kind, "device": "d1", "ts": epoch_ms(), **content}
        out.publish(f"anju/v1/{COMMUNITY}/gateway/gw/{channel}", json.dumps(alarm).encode())

    look = "SELECT (SELECT count(*) FROM alert WHERE rule = %s), (SELECT sum(messages) FROM spool_total)"
    with ingest_behind(services, tmp_path, database_url, publish):
        _, waiting = eventually(lambda: (row := query(database_url, look, rule)[0])[0] and row, timeout_s=60)
    assert waiting


@pytest.mark.slow
@pytest.mark.usefixtures("session")
def test_plates_and_door_users_are_in_no_table_while_they_wait(services, database_url, tmp_path):
    register(database_url, COMMUNITY, [("gw", "gateway"), ("gate", "vehicle_gate", "gw")])

    def publish(out):
        began = epoch_ms() - 5000
        for n in range(5000):
            item = {"kind": "vehicle_gate", "device": "gate", "ts": began + n, "event": "vehicle_passed"}
            passed = {**item, "data": {"plate": PLATE, "direction": "in"}}
            unknown = {**item, "event": PLATE}
            payload = json.dumps(passed if n % 10 else unknown, ensure_ascii=False).encode().ljust(LARGE)
            out.publish(f"anju/v1/{COMMUNITY}/gateway/gw/event", payload)

    with ingest_behind(services, tmp_path, database_url, publish):
        rows = eventually(lambda: query(database_url, "SELECT spool::text, sealed FROM spool LIMIT 500"))
        eventually(lambda: query(database_url, "SELECT count(*) FROM event") == [(4500,)], timeout_s=60)
    for text, sealed in rows:
        assert PLATE not in text
        assert PLATE.encode() not in sealed
        assert b"plate" not in sealed
    tables = [row[0] for row in query(database_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    for table in tables:
        found = query(database_url, f"SELECT count(*) FROM {table} AS whole WHERE whole::text LIKE %s", f"%{PLATE}%")
        assert found == [(0,)]


@pytest.mark.slow
@pytest.mark.usefixtures("session")
def test_kills_while_the_spool_is_worked_off_lose_and_double_nothing(services, database_url, tmp_path):
    register(database_url, COMMUNITY, [("w1", "water_meter"), ("w2", "water_meter")])
    with running_ingest(database_url, services.mqtt_url, tmp_path) as ingest:
        with Publisher(services.publish_mqtt_url) as out:
            for start in range(0, FLOOD, FLOOD // 4):
                flood(out, "w1", FLOOD // 8, start)
                flood(out, "w2", FLOOD // 8, start)
                out.publish(
                    f"anju/v1/{COMMUNITY}/water_meter/w1/event", event(epoch_ms(), "cover_opened", id=str(start))
                )
            out.flush(patient(60))
        for _ in range(5):
            time.sleep(0.7)
            ingest.kill()
            ingest.start()
        eventually(lambda: stored(database_url, "w1") + stored(database_url, "w2") == FLOOD, timeout_s=120)
        eventually(lambda: spooled(database_url) == 0, timeout_s=60)
    assert query(database_url, "SELECT count(*) FROM spool") == [(0,)]
    assert refused(database_url) == 0


def test_a_spooled_message_that_cannot_be_written_stops_no_other(services, database_url, ingest):
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE telemetry_water_meter ADD CHECK (volume_m3 <> 66666.5)")
    with Publisher(services.publish_mqtt_url) as out:
        flood(out, "w1", 4000)
        out.publish(telemetry("w1"), reading(epoch_ms(), volume_m3=66666.5))
        flood(out, "w1", 1000, since=4000)
        out.flush(patient(60))
    eventually(lambda: stored(database_url, "w1") == 5000, timeout_s=60)
    eventually(lambda: spooled(database_url) == 0)
    assert query(database_url, "SELECT reason, sum(times)::int FROM rejection GROUP BY 1") == [("impossible_value", 1)]


@pytest.mark.usefixtures("session")
def test_beyond_its_bound_messages_are_refused_and_an_alert_names_the_device(services, database_url, tmp_path):
    register(database_url, COMMUNITY, [("w1", "water_meter"), ("w2", "water_meter")])

    def publish(out):
        flood(out, "w1")
        out.publish(telemetry("w2"), reading(epoch_ms(), volume_m3=1.0))

    with ingest_behind(services, tmp_path, database_url, publish, ANJU_SPOOL_MIB="8"):
        eventually(lambda: stored(database_url, "w1") + refused(database_url) == FLOOD, timeout_s=60)
        eventually(lambda: stored(database_url, "w2") == 1)
        look = "SELECT message FROM alert WHERE rule = 'data_refused'"
        ((message,),) = eventually(lambda: query(database_url, look))
    assert "阳光小区 水表（w1）" in message
    assert "w2" not in message
    assert stored(database_url, "w1") >= (BURST_BYTES + 1024 * 1024) // (LARGE + 300)
    senders = "SELECT DISTINCT name FROM rejection JOIN device ON device.id = device_id WHERE reason = 'rate_limited'"
    assert query(database_url, senders) == [("w1",)]


@pytest.mark.slow
@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("old_key", ["", SECRET_KEY], ids=["forgotten", "kept"])
def test_messages_sealed_under_a_secret_key_that_is_forgotten_are_rejected_and_stop_no_other(
    services, database_url, tmp_path, old_key
):
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    with running_ingest(database_url, services.mqtt_url, tmp_path):
        with Publisher(services.publish_mqtt_url) as out:
            flood(out, "w1")
            out.flush(patient(60))
        eventually(lambda: stored(database_url, "w1") + spooled(database_url) == FLOOD)
    left, before = spooled(database_url), stored(database_url, "w1")
    assert left
    keys = {"ANJU_SECRET_KEY": "another secret key for the tests", "ANJU_SECRET_KEY_OLD": old_key}
    with running_ingest(database_url, services.mqtt_url, tmp_path, **keys):
        eventually(lambda: spooled(database_url) == 0, timeout_s=60)
    count = "SELECT coalesce(sum(count), 0)::int FROM rejection_count WHERE reason = 'impossible_value'"
    rejected, read = (0, left) if old_key else (left, 0)
    assert (query(database_url, count), stored(database_url, "w1")) == ([(rejected,)], before + read)


@pytest.mark.slow
def test_a_gateway_back_from_eight_days_without_network_loses_nothing(services, database_url, ingest):
    """Two hundred meters, a reading every quarter of an hour, fifty to a message."""
    meters = [(f"m{n}", "electricity_meter", "gw") for n in range(200)]
    register(database_url, COMMUNITY, [("gw", "gateway"), *meters])
    began, times = epoch_ms() - 8 * 86_400_000, 8 * 96
    with Publisher(services.publish_mqtt_url) as out:
        for n in range(times):
            items = [
                {"kind": kind, "device": name, "ts": began + n * 900_000, "values": {"energy_kwh": 100 + n / 8}}
                for name, kind, _ in meters
            ]
            for start in range(0, len(items), 50):
                payload = json.dumps(items[start : start + 50]).encode()
                out.publish(f"anju/v1/{COMMUNITY}/gateway/gw/telemetry", payload)
        out.flush(patient(120))
    look = "SELECT count(*) FROM telemetry_electricity_meter"
    eventually(lambda: query(database_url, look) == [(200 * times,)], timeout_s=120)
    assert query(database_url, "SELECT count(*) FROM rejection_count") == [(0,)]
