"""A flooding device affects itself and not others; rejected messages are counted and fill no disk."""

import time
from contextlib import closing

import httpx
import psycopg

from ingest.device_limit import BURST_BYTES, price
from ingest.rejection_limit import AT_ONCE, UNREGISTERED_PER_S
from local.ports import Ports
from patience import eventually, patient
from running import epoch_ms, query, reading, register, rejected_by_reason, running_ingest
from simulators.publisher import Publisher

COMMUNITY = "hongshui"
OTHERS = 100
FLOOD = 50_000


def stored(url, devices):
    statement = """
        SELECT count(*) FROM telemetry_water_meter JOIN device ON device.id = device_id WHERE device.name LIKE %s
    """
    return query(url, statement, devices)[0][0]


def test_a_flood_of_one_device_waits_in_the_spool_and_nothing_of_it_or_of_a_hundred_others_is_lost(
    services, database_url, ingest
):
    register(database_url, COMMUNITY, [(f"w{n}", "water_meter") for n in range(OTHERS)] + [("flood", "water_meter")])
    topic = f"anju/v1/{COMMUNITY}/water_meter/%s/telemetry"
    now = epoch_ms()
    with Publisher(services.publish_mqtt_url) as out:
        for n in range(FLOOD):
            flood = reading(now - n, volume_m3=n, pressure_mpa=0.3).ljust(200)
            out.publish(topic % "flood", flood)
            if n % 10 == 0:
                out.publish(topic % f"w{n // 10 % OTHERS}", reading(now - n, volume_m3=n))
        out.flush(patient(120))
    spooled_at_once = query(database_url, "SELECT coalesce(sum(messages), 0)::int FROM spool_total")[0][0]
    eventually(lambda: stored(database_url, "w%") == FLOOD // 10, timeout_s=10)
    eventually(lambda: stored(database_url, "flood") == FLOOD, timeout_s=60)
    assert spooled_at_once <= FLOOD - BURST_BYTES // price(flood)
    assert rejected_by_reason(database_url) == {}
    assert query(database_url, "SELECT count(*) FROM spool") == [(0,)]
    assert query(database_url, "SELECT count(*) FROM spool_total") == [(0,)]


def test_messages_that_waited_for_ingest_do_not_exceed_the_limit_of_their_device(
    services, database_url, session, tmp_path
):
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    with running_ingest(database_url, services.mqtt_url, tmp_path) as ingest:
        eventually(lambda: query(database_url, "SELECT 1 FROM partition_report WHERE present_at IS NOT NULL"))
        ingest.terminate()
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE partition_report SET present_at = now() - interval '1 hour'")
        large, now = 200_000, epoch_ms()
        waiting = 2 * BURST_BYTES // large
        with Publisher(services.publish_mqtt_url) as out:
            for n in range(waiting):
                payload = reading(now - n, volume_m3=n).ljust(large)
                out.publish(f"anju/v1/{COMMUNITY}/water_meter/w1/telemetry", payload)
            out.flush(patient(60))
        ingest.start()
        eventually(lambda: stored(database_url, "w1") == waiting)
        assert rejected_by_reason(database_url) == {}


def test_invented_topics_are_all_counted_and_few_are_stored(services, database_url, session, tmp_path):
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    made_up, began = 3 * AT_ONCE, time.monotonic()
    with closing(Ports(tmp_path)) as ports:
        port = ports.claim("metrics", 9464)
    with (
        running_ingest(database_url, services.mqtt_url, tmp_path, ANJU_METRICS_PORT=str(port)),
        Publisher(services.publish_mqtt_url) as out,
    ):
        for n in range(made_up):
            out.publish(f"anju/v1/{COMMUNITY}/water_meter/{n}-unknown/telemetry", reading(epoch_ms(), volume_m3=n))
        out.publish(f"anju/v1/{COMMUNITY}/water_meter/w1/telemetry", b"no JSON")
        out.flush(patient(60))
        eventually(lambda: rejected_by_reason(database_url) == {"unknown_device": made_up, "bad_json": 1})
        metric = f'anju_rejections_total{{reason="unknown_device"}} {made_up:.1f}'
        eventually(lambda: metric in httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=patient(20)).text)
    stored_reasons = dict(query(database_url, "SELECT reason, count(*) FROM rejection GROUP BY reason"))
    allowed = AT_ONCE + UNREGISTERED_PER_S * (time.monotonic() - began)
    assert AT_ONCE <= stored_reasons["unknown_device"] <= allowed
    assert stored_reasons["bad_json"] == 1
