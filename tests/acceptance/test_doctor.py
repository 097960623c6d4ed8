"""`anju doctor`: what of an installation works, and what does not."""

import json
import uuid
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

DEAD = "127.0.0.1:1"


def findings(up, **changed):
    """What doctor finds with some settings changed, and its exit code."""
    settings = {key: value for key, value in up.settings.items() if not key.startswith("ANJU_HTTP_")}
    done = up.anju("doctor", "--json", **{**settings, **changed})
    assert not any(secret in done.stdout + done.stderr for secret in up.secrets)
    return {each["name"]: each for each in json.loads(done.stdout)}, done.returncode


def elsewhere(url, address):
    """The same account at another address."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:{parts.password}@{address}").geturl()


@pytest.fixture
def empty_database(house):
    name = f"doctor_{uuid.uuid4().hex}"
    with psycopg.connect(house.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield urlsplit(house.database_url)._replace(path=f"/{name}").geturl()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_an_installation_in_good_order_is_called_so(house):
    done = house.anju("doctor")
    assert done.returncode == 0, done.stdout
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        f"ok   {name}" for name in ("database", "schema", "ingest", "notices", "broker", "rules")
    ]


def test_a_database_that_is_away_is_found(house):
    found, code = findings(house, ANJU_DATABASE_URL=elsewhere(house.database_url, DEAD))
    assert code == 1
    assert not found["database"]["good"]
    assert found["broker"]["good"]


def test_a_broker_that_is_away_is_found(house):
    found, code = findings(house, ANJU_MQTT_URL=elsewhere(house.settings["ANJU_MQTT_URL"], DEAD))
    assert code == 1
    assert not found["broker"]["good"]
    assert DEAD in found["broker"]["detail"]
    assert found["database"]["good"]


def test_an_account_that_the_broker_refuses_is_found(house):
    address = urlsplit(house.settings["ANJU_MQTT_URL"])
    found, code = findings(house, ANJU_MQTT_URL=f"mqtt://ingest:wrong@{address.hostname}:{address.port}")
    assert code == 1
    assert found["broker"]["detail"].startswith("the broker refuses the account ingest")


def test_a_schema_that_is_not_there_and_an_ingest_that_does_not_run_are_found(house, empty_database):
    found, code = findings(house, ANJU_DATABASE_URL=empty_database)
    assert code == 1
    assert "`anju migrate`" in found["schema"]["detail"]
    assert house.anju("migrate", ANJU_DATABASE_URL=empty_database).returncode == 0
    found, code = findings(house, ANJU_DATABASE_URL=empty_database)
    assert code == 1
    assert found["schema"]["good"]
    assert "start `anju ingest`" in found["ingest"]["detail"]
    assert "start `anju worker`" in found["notices"]["detail"]


def test_rules_that_cannot_be_used_are_found(house, tmp_path):
    found, code = findings(house, ANJU_RULES_DIR=str(tmp_path))
    assert code == 1
    assert [name for name, each in found.items() if not each["good"]] == ["rules"]
