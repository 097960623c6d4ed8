"""The session of ingest: unguessable, taken over from an older version without loss, and told when it is lost."""

import socket
from contextlib import contextmanager

import psycopg
import pytest

from devices.broker_url import BrokerUrl
from devices.catalogue import KIND_BY_NAME
from devices.local_time import local_time_zh
from ingest.broker_client import connected, subscribe
from ingest.partition import EVERYTHING
from mqtt_packets import connect, disconnect
from patience import eventually, patient
from running import epoch_ms, query, reading, register, running_ingest
from simulators.publisher import Publisher

COMMUNITY = "jiedan"
TOPIC = f"anju/v1/{COMMUNITY}/water_meter/w1/telemetry"
OLD = "anju-ingest-0"
STORED = "SELECT count(*)::int, count(DISTINCT ts)::int FROM telemetry_water_meter"
LOST = "SELECT message, process FROM alert WHERE rule = 'session_lost'"
LIVE = "SELECT 1 FROM partition_report WHERE live"


def own_id(url):
    return EVERYTHING.client_id(BrokerUrl.parse(url).password)


def session_present(url, client_id):
    """Return whether the broker keeps a session, and leave none behind."""
    address = BrokerUrl.parse(url)
    with socket.create_connection((address.host, address.port), timeout=patient(10)) as connection:
        connection.sendall(connect(client_id, address.username, address.password, clean=False))
        answer = connection.recv(4)
        connection.sendall(disconnect())
    assert answer[:2] == b"\x20\x02"
    assert answer[3] == 0
    return bool(answer[2])


def end_session(url, client_id):
    with connected(url, client_id, clean=True):
        pass


@pytest.fixture
def publish(services):
    """Return a function that publishes new readings, the number of which it returns for all so far."""
    began, sent = epoch_ms() - 60_000, 0
    with Publisher(services.publish_mqtt_url) as out:

        def more(number):
            nonlocal sent
            for _ in range(number):
                sent += 1
                out.publish(TOPIC, reading(began + sent, volume_m3=sent))
            out.flush(patient(30))
            return sent

        yield more


@pytest.fixture
def upgraded(services, database_url, session):
    """Leave a database and a broker as an ingest with a fixed client id does: its session stands, and no other."""
    url = services.mqtt_url
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    for client_id in (own_id(url), OLD):
        end_session(url, client_id)
    with connected(url, OLD, clean=False) as client:
        subscribe(client, EVERYTHING.topic_filter)
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO partitioning (count) VALUES (1)")
        connection.execute("INSERT INTO broker_session VALUES (0, %s, now(), false)", (OLD,))
    yield url
    end_session(url, OLD)


@contextmanager
def ingesting(services, database_url, folder):
    with running_ingest(database_url, services.mqtt_url, folder) as ingest:
        yield ingest
        assert ingest.process.poll() is None, ingest.log.read_text()[-2000:]


@pytest.mark.slow
def test_what_waits_under_an_older_client_id_is_taken_over_though_ingest_is_killed_at_every_step(
    services, database_url, upgraded, publish, tmp_path
):
    sessions = "SELECT client_id, drained FROM broker_session ORDER BY subscribed_at"
    publish(500)
    with ingesting(services, database_url, tmp_path) as ingest:
        eventually(lambda: query(database_url, STORED) == [(500, 500)])
        ingest.kill()
        publish(100)
        ingest.start()
        both = [(OLD, False), (own_id(upgraded), False)]
        eventually(lambda: query(database_url, sessions) == both, timeout_s=60)
        publish(100)
        ingest.kill()
        publish(100)
        ingest.start()
        eventually(lambda: query(database_url, STORED) == [(800, 800)], timeout_s=60)
        publish(100)
        eventually(lambda: query(database_url, sessions) == [(own_id(upgraded), False)], timeout_s=90)
        sent = publish(100)
        eventually(lambda: query(database_url, STORED) == [(sent, sent)], timeout_s=60)
        eventually(lambda: query(database_url, LIVE), timeout_s=60)
    assert not session_present(upgraded, OLD)
    assert query(database_url, LOST) == []
    assert query(database_url, "SELECT count(*) FROM rejection") == [(0,)]


@pytest.mark.slow
def test_a_drained_session_is_ended_at_the_next_start(services, database_url, upgraded, publish, tmp_path):
    """Ingest was killed after the last message of the former session, and before its end."""
    with connected(upgraded, own_id(upgraded), clean=False) as client:
        subscribe(client, EVERYTHING.topic_filter)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE broker_session SET drained = true")
        connection.execute("INSERT INTO broker_session VALUES (0, %s, now(), false)", (own_id(upgraded),))
    publish(100)
    with ingesting(services, database_url, tmp_path):
        eventually(lambda: query(database_url, STORED) == [(100, 100)])
        eventually(lambda: query(database_url, "SELECT client_id FROM broker_session") == [(own_id(upgraded),)])
    assert not session_present(upgraded, OLD)
    assert query(database_url, LOST) == []


@pytest.mark.slow
def test_a_lost_session_is_an_alert_with_the_time_and_the_readings_that_may_be_missing(
    services, database_url, session, publish, tmp_path
):
    register(database_url, COMMUNITY, [("w1", "water_meter"), ("w2", "water_meter")])
    with ingesting(services, database_url, tmp_path) as ingest:
        publish(10)
        eventually(lambda: query(database_url, LIVE))
        assert query(database_url, LOST) == []
        ingest.terminate()
        query(
            database_url,
            "UPDATE partition_report SET present_at = present_at - interval '1 hour' RETURNING 1",
        )
        publish(10)
        end_session(services.mqtt_url, own_id(services.mqtt_url))
        ingest.start()
        [(message, process)] = eventually(lambda: query(database_url, LOST))
        eventually(lambda: query(database_url, LIVE))
        sent = publish(10)
        eventually(lambda: query(database_url, STORED) == [(sent - 10, sent - 10)])
    [(began, ended, readings)] = query(database_url, "SELECT began_at, ended_at, readings FROM session_gap")
    assert 3600 <= (ended - began).total_seconds() <= 3600 + patient(60)
    assert readings == 2 * ((ended - began) // KIND_BY_NAME["water_meter"].reporting_period) > 0
    assert process == "active"
    span = f"{local_time_zh(began)}至{local_time_zh(ended)}之间的数据可能缺失"
    assert message == f"平台：消息服务上的接收队列丢失，{span}，按设备上报周期估计最多 {readings} 条读数。"


@pytest.mark.slow
def test_a_session_that_vanishes_under_a_running_ingest_is_told_and_opened_again(
    services, database_url, ingest, publish
):
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    publish(10)
    eventually(lambda: query(database_url, LIVE))
    end_session(services.mqtt_url, own_id(services.mqtt_url))
    eventually(lambda: query(database_url, LOST), timeout_s=40)
    publish(10)
    eventually(lambda: query(database_url, STORED) == [(20, 20)])
    assert query(database_url, "SELECT count(*) FROM session_gap") == [(1,)]
