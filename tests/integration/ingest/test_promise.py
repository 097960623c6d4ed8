"""An acknowledged message is stored once and evaluated once, whatever is killed."""

import random
import threading
import time
from collections import Counter

import pytest

from patience import eventually, patient, slowness, steady
from running import epoch_ms, event, forget_session, meter_rows, query, reading, register, running_ingest
from simulators.publisher import Publisher

COMMUNITY = "chengnuo"
DEVICES = 200
MESSAGES = 10_000  # make chaos publishes a million


@pytest.fixture
def killable(local_services):
    """Return a database and a broker that this test may kill."""
    return local_services


def prepared(services, database_url):
    register(database_url, COMMUNITY, [(f"e{n}", "electricity_meter") for n in range(DEVICES)])
    forget_session(services)


def topic(n, channel="telemetry"):
    return f"anju/v1/{COMMUNITY}/electricity_meter/e{n % DEVICES}/{channel}"


def publish_all(url, count, started):
    """Publish `count` readings of 200 meters, and for every 500 of them an opened cover, which raises an alert.

    The pauses spread the messages over the time that the kills take.
    """
    with Publisher(url) as out:
        for n in range(count):
            out.publish(topic(n), reading(started + n // DEVICES, power_w=float(n % 3000), voltage_v=220.0))
            if n % 100 == 0:
                time.sleep(0.05)
            if n % 500 == 250:
                out.publish(topic(n // 500, "event"), event(started + n // DEVICES, "cover_opened", id=str(n)))
        out.flush(patient(120))
        assert out.acknowledged == out.sent


def assert_everything_is_stored_once(url, count):
    assert meter_rows(url) == (count, count // 500)
    assert query(url, "SELECT count(*) FROM rejection_count") == [(0,)]
    alerts = query(url, "SELECT rule, device_id, sequence FROM alert WHERE device_id IS NOT NULL")
    assert max(Counter(alerts).values()) == 1
    assert len({device for _, device, _ in alerts}) == count // 500
    steps = query(
        url,
        """
        SELECT rule, device_id, sequence, from_state, to_state, at FROM alert_transition WHERE device_id IS NOT NULL
        """,
    )
    assert max(Counter(steps).values()) == 1
    raised = [step for step in steps if step[4] == "active"]
    assert len(raised) == len(alerts)


@pytest.mark.slow
def test_repeated_kill_9_of_ingest_loses_and_duplicates_nothing(services, database_url, tmp_path):
    prepared(services, database_url)
    publishing = threading.Thread(target=publish_all, args=(services.publish_mqtt_url, MESSAGES, epoch_ms() - 600_000))
    with running_ingest(database_url, services.mqtt_url, tmp_path) as ingest:
        publishing.start()
        for share in (0.2, 0.5):
            eventually(lambda share=share: meter_rows(database_url)[0] > share * MESSAGES, timeout_s=120)
            ingest.kill()
            ingest.start()
        publishing.join()
        eventually(lambda: meter_rows(database_url) == (MESSAGES, MESSAGES // 500), timeout_s=120)
        steady(lambda: meter_rows(database_url), for_s=1)
    assert_everything_is_stored_once(database_url, MESSAGES)


def test_kill_9_of_database_broker_and_ingest_in_turn_loses_and_duplicates_nothing(killable, mortal_database, tmp_path):
    count = MESSAGES
    prepared(killable, mortal_database)
    publishing = threading.Thread(target=publish_all, args=(killable.publish_mqtt_url, count, epoch_ms() - 600_000))
    dice = random.Random(20261122)
    with running_ingest(mortal_database, killable.mqtt_url, tmp_path) as ingest:
        publishing.start()
        eventually(lambda: meter_rows(mortal_database)[0] > 0.05 * count, timeout_s=60)
        for victim in (killable.postgres, killable.broker, ingest, killable.postgres, killable.broker):
            time.sleep(dice.uniform(0.3, 1.5))
            victim.kill()
            time.sleep(dice.uniform(0, 0.5))
            victim.start()
        publishing.join()
        eventually(lambda: meter_rows(mortal_database) == (count, count // 500), timeout_s=150)
        steady(lambda: meter_rows(mortal_database), for_s=1)
    assert_everything_is_stored_once(mortal_database, count)


def test_sigterm_finishes_the_batch_and_the_next_start_continues(services, database_url, tmp_path):
    prepared(services, database_url)
    count = MESSAGES
    publishing = threading.Thread(target=publish_all, args=(services.publish_mqtt_url, count, epoch_ms() - 600_000))
    with running_ingest(database_url, services.mqtt_url, tmp_path) as ingest:
        publishing.start()
        eventually(lambda: meter_rows(database_url)[0] > 1000)
        assert ingest.terminate() == 0
        ingest.start()
        publishing.join()
        eventually(lambda: meter_rows(database_url)[0] == count or None, timeout_s=60)


def test_an_alert_stays_open_over_a_restart_and_ends_once(services, database_url, ingest):
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    meter = f"anju/v1/{COMMUNITY}/water_meter/w1/event"
    began = epoch_ms() - 60_000
    with Publisher(services.publish_mqtt_url) as out:
        out.publish(meter, event(began, "leak_detected"))
        out.flush(patient(10))
        eventually(lambda: query(database_url, "SELECT 1 FROM alert WHERE rule = 'water_leak'"))
        ingest.kill()
        ingest.start()
        out.publish(meter, event(began + 30_000, "leak_cleared"))
        out.flush(patient(10))
        eventually(lambda: query(database_url, "SELECT 1 FROM alert WHERE rule = 'water_leak' AND process = 'ended'"))
    steps = query(
        database_url, "SELECT from_state, to_state FROM alert_transition WHERE rule = 'water_leak' ORDER BY id"
    )
    assert steps == [("normal", "active"), ("active", "normal")]


def test_a_second_ingest_waits_until_the_first_has_ended(services, database_url, ingest, tmp_path):
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    eventually(lambda: b"connected to the broker" in ingest.log.read_bytes())
    (tmp_path / "second").mkdir()
    with running_ingest(database_url, services.mqtt_url, tmp_path / "second") as second:
        eventually(lambda: b"another ingest owns this partition" in second.log.read_bytes())
        ingest.kill()
        with Publisher(services.publish_mqtt_url) as out:
            out.publish(f"anju/v1/{COMMUNITY}/water_meter/w1/telemetry", reading(epoch_ms(), volume_m3=1))
            out.flush(patient(10))
        eventually(lambda: query(database_url, "SELECT 1 FROM telemetry_water_meter"))


def test_a_person_resolves_an_alert_and_ingest_ends_it(services, database_url, ingest):
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    with Publisher(services.publish_mqtt_url) as out:
        out.publish(f"anju/v1/{COMMUNITY}/water_meter/w1/event", event(epoch_ms(), "leak_detected"))
        out.flush(patient(10))
    ((rule, device_id),) = eventually(lambda: query(database_url, "SELECT rule, device_id FROM alert"))
    query(
        database_url,
        "INSERT INTO rule_command (rule, device_id, command, actor, given_at) VALUES (%s, %s, 'close', 'li', now()) "
        "RETURNING id",
        rule,
        device_id,
    )
    eventually(lambda: query(database_url, "SELECT 1 FROM alert WHERE process = 'ended'"))
    assert query(database_url, "SELECT count(*) FROM rule_command") == [(0,)]


def test_simulated_devices_are_marked_in_their_alerts(services, database_url, ingest):
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    query(database_url, "UPDATE device SET simulated = true RETURNING id")
    query(database_url, "UPDATE registry_version SET version = version + 1 RETURNING version")
    time.sleep(1.5 * slowness())  # ingest checks the registry for changes once a second
    with Publisher(services.publish_mqtt_url) as out:
        out.publish(f"anju/v1/{COMMUNITY}/water_meter/w1/event", event(epoch_ms(), "leak_detected"))
        out.flush(patient(10))
    assert eventually(lambda: query(database_url, "SELECT simulated FROM alert")) == [(True,)]


def test_a_session_without_its_subscription_gets_it(services, database_url, tmp_path):
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    forget_session(services, subscribe=False)
    with running_ingest(database_url, services.mqtt_url, tmp_path) as ingest:
        eventually(lambda: b"connected to the broker" in ingest.log.read_bytes())
        with Publisher(services.publish_mqtt_url) as out:
            eventually(
                lambda: (
                    out.publish(f"anju/v1/{COMMUNITY}/water_meter/w1/telemetry", reading(epoch_ms(), volume_m3=1))
                    and query(database_url, "SELECT 1 FROM telemetry_water_meter")
                )
            )
