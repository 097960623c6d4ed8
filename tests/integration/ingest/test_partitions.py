"""Several workers share the communities: every message is stored and evaluated once, by the owner of its partition."""

import json
import os
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from cli import anju
from devices.broker_url import BrokerUrl
from ingest.broker_check import unreceived_topic
from ingest.broker_client import BrokerUnavailableError
from ingest.partition import Partition, outside_topic
from patience import eventually, patient, steady, within
from running import SECRET_KEY, epoch_ms, event, meter_rows, query, reading, register, running_ingest
from simulators.publisher import Publisher

PARTITIONS = 4
COMMUNITIES = [f"xiaoqu-{n}" for n in range(40)]
METERS = 5
PARTS = [Partition(number, PARTITIONS) for number in range(PARTITIONS)]


def topic(n, channel="telemetry"):
    return f"anju/v1/{COMMUNITIES[n % 40]}/electricity_meter/e{n // 40 % METERS}/{channel}"


def register_all(url):
    for community in COMMUNITIES:
        register(url, community, [(f"e{n}", "electricity_meter") for n in range(METERS)])


def publish(url, count, *, pace_s=0.0):
    """Publish `count` readings of 200 meters in 40 communities, and one alert for each meter."""
    began = epoch_ms() - 600_000
    with Publisher(url) as out:
        for n in range(count):
            out.publish(topic(n), reading(began + n // 200, power_w=float(n % 3000)))
            if n < 200:
                out.publish(topic(n, "event"), event(began, "cover_opened"))
            if pace_s and n % 100 == 0:
                time.sleep(pace_s)
        out.flush(patient(120))
        assert out.acknowledged == out.sent


def assert_everything_is_stored_once(url, count):
    eventually(lambda: meter_rows(url) == (count, 200), timeout_s=90)
    steady(lambda: meter_rows(url), for_s=1)
    assert query(url, "SELECT count(*) FROM rejection_count") == [(0,)]
    alerts = query(url, "SELECT device_id FROM alert WHERE device_id IS NOT NULL")
    assert len(alerts) == len(set(alerts)) == 200
    steps = query(
        url, "SELECT rule, device_id, sequence, from_state, to_state FROM alert_transition WHERE device_id IS NOT NULL"
    )
    assert max(Counter(steps).values()) == 1


@contextmanager
def partition_workers(mapped, database_url, folder):
    """Run `anju ingest` with four partitions in a folder of its own."""
    folder.mkdir()
    with running_ingest(database_url, mapped.mqtt_url, folder, ANJU_PARTITIONS=str(PARTITIONS)) as running:
        yield running


def workers(url, folder=None):
    """Return the process of each owned partition; with a folder, those of the `anju ingest` that logs there."""
    log = (folder / "ingest.log").read_text() if folder else None
    owned = query(
        url,
        """
        SELECT report.partition, report.pid FROM partition_report AS report
        JOIN pg_locks AS lock ON lock.locktype = 'advisory' AND lock.classid = 1095649877
            AND lock.objid::bigint = report.partition AND lock.granted
            AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        WHERE report.committed_at > now() - interval '3 seconds' ORDER BY 1
        """,
    )
    return {partition: pid for partition, pid in owned if log is None or f'"pid": {pid},' in log}


def all_at_work(url):
    return eventually(lambda: len(owners := workers(url)) == PARTITIONS and owners)


def findings(mapped, database_url, tmp_path):
    done = anju(
        "doctor", "--json", cwd=tmp_path, ANJU_DATABASE_URL=database_url, ANJU_MQTT_URL=mapped.mqtt_url,
        ANJU_SECRET_KEY=SECRET_KEY,
    )  # fmt: skip
    return [each for each in json.loads(done.stdout) if each["name"].startswith("ingest")], done.returncode


@contextmanager
def listening(mapped, client_id, topic_filter, **session):
    """Yield the list of messages for a filter, as (topic, payload, retained)."""
    address, messages, done = BrokerUrl.parse(mapped.mqtt_url), [], []
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, **session)
    client.username_pw_set(address.username, address.password)
    client.on_message = lambda _client, _data, message: messages.append(
        (message.topic, message.payload, message.retain)
    )
    client.on_subscribe = lambda *_: done.append(True)
    client.on_connect = lambda client, *_: client.subscribe(topic_filter, qos=1) if topic_filter else done.append(True)
    client.connect(address.host, address.port)
    client.loop_start()
    eventually(lambda: done)
    yield messages
    client.disconnect()
    client.loop_stop()


def test_the_broker_maps_every_community_to_the_partition_that_anju_expects(mapped):
    names = [f"c{n}" for n in range(300)] + ["a", "0", "minzu-xiaoqu", "x_y", "z" * 64]
    with Publisher(mapped.publish_mqtt_url) as out:
        for name in names:
            out.publish(f"anju/v1/{name}/water_meter/w1/telemetry", b"{}")
        out.flush(patient(10))
    topics, secret = [], BrokerUrl.parse(mapped.mqtt_url).password
    for part in PARTS:
        with listening(mapped, part.client_id(secret), None, clean_session=False) as messages:
            steady(lambda messages=messages: len(messages), for_s=0.5)
            topics += [outside_topic(part)(topic) for topic, _, _ in messages]
    assert sorted(topics) == sorted(f"anju/v1/{name}/water_meter/w1/telemetry" for name in names)


def test_last_wills_retained_states_and_malformed_topics_arrive_in_their_community_s_partition(mapped):
    # A name of its own: messages of other tests may still be on their way.
    community = next(f"wills{n}" for n in range(99) if Partition(2, PARTITIONS).has(f"wills{n}"))
    status = f"anju/v1/{community}/water_meter/w1/status"
    mapped_status = f"anju/p/2/{community}/water_meter/w1/status"
    address = BrokerUrl.parse(mapped.publish_mqtt_url)
    with listening(mapped, "wills", "anju/p/2/#") as heard:
        device = Client(CallbackAPIVersion.VERSION2, client_id="device")
        device.username_pw_set(address.username, address.password)
        device.will_set(status, b'{"state":"offline"}', qos=1, retain=True)
        device.connect(address.host, address.port)
        device.publish(f"anju/v1/{community}/too/few", b"{}", qos=1)
        eventually(lambda: device.loop(0.1) or len(of(community, heard)) == 1)
        device.socket().shutdown(2)
        eventually(lambda: len(of(community, heard)) == 2)
        assert [topic for topic, _, _ in of(community, heard)] == [f"anju/p/2/{community}/too/few", mapped_status]
    with listening(mapped, "new-client", "anju/p/2/#") as heard:
        assert eventually(lambda: of(community, heard)) == [(mapped_status, b'{"state":"offline"}', True)]


def of(community, messages):
    return [message for message in messages if f"/{community}/" in message[0]]


def test_messages_on_impossible_topics_are_rejected_in_any_partition(mapped, database_url, tmp_path):
    topics = ["anju/v1", "anju/v1/", *(f"anju/v1/c{n}" for n in range(8)), "anju/v1/c0/", "anju/v1//water_meter/w1"]
    register_all(database_url)
    with partition_workers(mapped, database_url, tmp_path / "a"):
        all_at_work(database_url)
        with Publisher(mapped.publish_mqtt_url) as out:
            for bad in topics:
                out.publish(bad, b"{}")
            out.flush(patient(10))
        count = "SELECT sum(count) FROM rejection_count WHERE reason = 'bad_topic'"
        eventually(lambda: query(database_url, count) == [(len(topics),)])


@contextmanager
def publishing(url):
    """Publish in every community all the time."""
    stop = threading.Event()

    def run():
        with Publisher(url) as out:
            while not stop.wait(0.2):
                for n in range(40):
                    out.publish(topic(n), b"{}")
            out.flush(patient(10))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def misplaced(url, partitions):
    """Return the prefix of a misplaced topic, or an empty text; None while the broker has no time for a login."""
    try:
        return (unreceived_topic(url, partitions) or "")[:8]
    except BrokerUnavailableError:
        return None


def test_a_broker_with_another_number_of_partitions_is_detected(mapped, services):
    # The check listens for a moment only, and the publisher has to connect first.
    with publishing(mapped.publish_mqtt_url):
        for partitions in (3, 1):
            eventually(
                lambda partitions=partitions: (misplaced(mapped.mqtt_url, partitions) or "").startswith("anju/p/")
            )
        assert eventually(lambda: [found for found in [misplaced(mapped.mqtt_url, 4)] if found is not None]) == [""]
    with publishing(services.publish_mqtt_url):
        eventually(lambda: misplaced(services.mqtt_url, 4) == "anju/v1/")
        assert eventually(lambda: [found for found in [misplaced(services.mqtt_url, 1)] if found is not None]) == [""]


@pytest.mark.slow
def test_forty_communities_over_four_workers_are_stored_once_and_doctor_shows_the_workers(
    mapped, database_url, tmp_path
):
    register_all(database_url)
    with partition_workers(mapped, database_url, tmp_path / "a") as ingest:
        owners = all_at_work(database_url)
        assert len(set(owners.values())) == PARTITIONS
        publish(mapped.publish_mqtt_url, 4000)
        assert_everything_is_stored_once(database_url, 4000)
        eventually(lambda: query(database_url, "SELECT 1 FROM partition_report HAVING bool_and(live)"))
        checks, _ = findings(mapped, database_url, tmp_path)
        assert {each["partition"]: each["pid"] for each in checks} == owners
        assert all(each["behind_s"] == 0 and "up to date" in each["detail"] for each in checks)
        # The owner of its partition serves a new community at once.
        register(database_url, "xinlai", [("w1", "water_meter")])
        with Publisher(mapped.publish_mqtt_url) as out:
            out.publish("anju/v1/xinlai/water_meter/w1/event", event(epoch_ms(), "leak_detected"))
            # Published past the mapping, into a wrong partition.
            number = next(part.number for part in PARTS if not part.has("xinlai"))
            out.publish(f"anju/p/{number}/xinlai/water_meter/w1/event", event(epoch_ms(), "leak_cleared"))
            out.flush(patient(10))
        eventually(lambda: query(database_url, "SELECT 1 FROM alert WHERE rule = 'water_leak' AND process = 'active'"))
        eventually(lambda: query(database_url, "SELECT 1 FROM rejection WHERE reason = 'bad_topic'"))
        assert ingest.terminate() == 0
    checks, code = findings(mapped, database_url, tmp_path)
    assert code == 1
    assert all("no ingest receives" in each["detail"] and "--partitions 4" in each["detail"] for each in checks)


@pytest.mark.slow
def test_a_worker_killed_under_load_is_replaced_within_ten_seconds_and_loses_and_duplicates_nothing(
    mapped, database_url, tmp_path
):
    register_all(database_url)
    count = 20_000
    load = threading.Thread(target=publish, args=(mapped.publish_mqtt_url, count), kwargs={"pace_s": 0.03})
    with partition_workers(mapped, database_url, tmp_path / "a"):
        before = all_at_work(database_url)
        load.start()
        eventually(lambda: meter_rows(database_url)[0] > count / 5)
        os.kill(before[1], signal.SIGKILL)
        within(10, lambda: workers(database_url).get(1, before[1]) != before[1])
        load.join()
        assert_everything_is_stored_once(database_url, count)
        after = workers(database_url)
    assert {number for number in before if before[number] != after[number]} == {1}


@pytest.mark.slow
def test_two_machines_share_the_partitions_and_after_a_kill_the_other_takes_all_within_ten_seconds(
    mapped, database_url, tmp_path
):
    register_all(database_url)
    count = 20_000
    load = threading.Thread(target=publish, args=(mapped.publish_mqtt_url, count), kwargs={"pace_s": 0.06})
    first_log, second_log = tmp_path / "a", tmp_path / "b"
    with partition_workers(mapped, database_url, first_log) as first:
        all_at_work(database_url)
        load.start()
        with partition_workers(mapped, database_url, second_log):
            eventually(lambda: len(workers(database_url, first_log)) == len(workers(database_url, second_log)) == 2)
            first.kill()
            within(10, lambda: len(workers(database_url, second_log)) == PARTITIONS)
            load.join()
            assert_everything_is_stored_once(database_url, count)
