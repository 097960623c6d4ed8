"""`anju doctor`: the working and the failing parts of an installation."""

import json
import uuid
from urllib.parse import urlsplit

import psycopg
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from psycopg import sql

from devices.broker_tls import BrokerContext
from devices.broker_url import BrokerUrl
from patience import eventually

DEAD = "127.0.0.1:1"


def findings(up, **changed):
    """Return the findings of doctor with some settings changed, and its exit code."""
    settings = {key: value for key, value in up.settings.items() if not key.startswith("ANJU_HTTP_")}
    done = up.anju("doctor", "--json", **{**settings, **changed})
    assert not any(secret in done.stdout + done.stderr for secret in up.secrets)
    return {each["name"]: each for each in json.loads(done.stdout)}, done.returncode


def elsewhere(url, address):
    """Return the URL of the same account at another address."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:{parts.password}@{address}").geturl()


@pytest.fixture
def empty_database(house):
    name = f"doctor_{uuid.uuid4().hex}"
    with psycopg.connect(house.superuser_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield urlsplit(house.superuser_url)._replace(path=f"/{name}").geturl()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_an_installation_in_good_order_is_reported_as_good(house):
    done = house.anju("doctor")
    assert done.returncode == 0, done.stdout
    marks = [line.partition(":")[0].split(maxsplit=1) for line in done.stdout.splitlines()]
    # Other tests of this installation send what is rejected or refused, which makes a note of it.
    of_others = {name for _, name in marks if name == "rejections" or name.startswith("refused ")}
    names = ["database", "schema", "ingest", "registry", "spool", "notices", "broker", "rules"]
    assert [name for mark, name in marks if mark == "ok" and name not in of_others] == names
    assert {mark for mark, name in marks if name in of_others} <= {"ok", "note"}
    assert "rejections" in of_others


def test_a_database_that_is_away_is_found(house):
    checks, code = findings(house, ANJU_DATABASE_URL=elsewhere(house.database_url, DEAD))
    assert code == 1
    assert not checks["database"]["good"]
    assert checks["broker"]["good"]


def test_a_broker_that_is_away_is_found(house):
    checks, code = findings(house, ANJU_MQTT_URL=elsewhere(house.settings["ANJU_MQTT_URL"], DEAD))
    assert code == 1
    assert not checks["broker"]["good"]
    assert DEAD in checks["broker"]["detail"]
    assert checks["database"]["good"]


def test_an_account_that_the_broker_refuses_is_found(house):
    _, at, place = house.settings["ANJU_MQTT_URL"].partition("@")
    checks, code = findings(house, ANJU_MQTT_URL=f"mqtts://ingest:wrong{at}{place}")
    assert code == 1
    assert checks["broker"]["detail"].startswith("the broker refuses the account ingest")


def test_a_missing_schema_and_a_stopped_ingest_are_found(house, empty_database):
    checks, code = findings(house, ANJU_DATABASE_URL=empty_database)
    assert code == 1
    assert "`anju migrate`" in checks["schema"]["detail"]
    assert house.anju("migrate", ANJU_DATABASE_URL=empty_database).returncode == 0
    checks, code = findings(house, ANJU_DATABASE_URL=empty_database)
    assert code == 1
    assert checks["schema"]["good"]
    assert "start `anju ingest`" in checks["ingest"]["detail"]
    assert "start `anju worker`" in checks["notices"]["detail"]


def test_a_stranger_who_holds_the_locks_of_the_parts_is_named(house, empty_database):
    assert house.anju("migrate", ANJU_DATABASE_URL=empty_database).returncode == 0
    with psycopg.connect(empty_database, autocommit=True, application_name="psql") as stranger:
        for lock_class in (0x414E4A55, 0x414E4A54):  # of partitions and of the dispatcher: store/admin/locks.py
            stranger.execute("SELECT pg_advisory_lock(%s, 0)", (lock_class,))
        checks, code = findings(house, ANJU_DATABASE_URL=empty_database)
        assert code == 1
        for name in ("ingest", "notices"):
            assert not checks[name]["good"]
            assert checks[name]["held_by"]["backend"] == stranger.info.backend_pid
            assert "held by role postgres, application 'psql'" in checks[name]["detail"]
            assert f"pg_terminate_backend({stranger.info.backend_pid})" in checks[name]["detail"]


def test_rules_that_cannot_be_used_are_found(house, tmp_path):
    checks, code = findings(house, ANJU_RULES_DIR=str(tmp_path))
    assert code == 1
    assert [name for name, each in checks.items() if not each["good"]] == ["rules"]


def published(url, client_id, topic, payload=b"x"):
    """Publish as a device would; return whether the broker acknowledged it."""
    broker = BrokerUrl.parse(url)
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
    client.username_pw_set(broker.username, broker.password)
    client.tls_set_context(BrokerContext(broker))
    acknowledged, ended = [], []
    client.on_connect = lambda *_: client.publish(topic, payload, qos=1)
    client.on_publish = lambda *_: acknowledged.append(True)
    client.on_disconnect = lambda *_: ended.append(True)
    client.connect(broker.host, broker.port)
    eventually(lambda: client.loop(0.1) or acknowledged or ended, timeout_s=10)
    client.disconnect()
    return bool(acknowledged)


def test_messages_that_the_broker_drops_or_cuts_off_are_told_with_client_and_topic(house):
    url = house.settings["ANJU_PUBLISH_MQTT_URL"]
    assert published(url, "lost-meter", "meters/7")  # acknowledged, and dropped
    assert not published(url, "large-meter", "anju/v1/c/water_meter/m/telemetry", b"1" * 1_100_000)
    assert not published(url, "blank-meter", "anju/v1/c d/water_meter/m/telemetry")
    checks, code = findings(house)
    assert code == 0
    told = {name: each for name, each in checks.items() if name.startswith("refused ")}
    assert {name for name, each in told.items() if each["good"] and each["note"]} == set(told)
    assert {("lost-meter", "meters/7")} <= refused(told, "topic")
    assert {("large-meter", "")} <= refused(told, "size")
    assert {("blank-meter", "")} <= refused(told, "character")
    assert "client 'lost-meter' to meters/7" in told["refused topic"]["detail"]


def refused(told, reason):
    return {(each["client"], each["topic"]) for each in told[f"refused {reason}"]["refusals"]}


def test_a_log_of_the_broker_that_cannot_be_read_is_found(house):
    checks, code = findings(house, ANJU_BROKER_LOG="/no/such/broker.log")
    assert code == 1
    assert checks["broker log"]["detail"].startswith("/no/such/broker.log can't be read")
