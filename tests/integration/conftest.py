"""A real database and a real broker for the tests.

`ANJU_TEST_DATABASE_URL`, `ANJU_TEST_MQTT_URL` and `ANJU_TEST_PUBLISH_MQTT_URL` name servers to use instead of local
ones; the role of the first must be allowed to create databases.
"""

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from local.services import Services, start_services


@dataclass(frozen=True)
class Servers:
    """Where the tests find database and broker."""

    database_url: str
    mqtt_url: str
    publish_mqtt_url: str


@pytest.fixture(scope="session")
def local_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Database and broker of our own, for tests that kill them; leave them running."""
    with start_services(tmp_path_factory.mktemp("services"), print) as services:
        yield services


@pytest.fixture(scope="session")
def services(request: pytest.FixtureRequest) -> Servers:
    """Database and broker: those that the environment names, else local ones."""
    named = [os.environ.get(f"ANJU_TEST_{name}_URL") for name in ("DATABASE", "MQTT", "PUBLISH_MQTT")]
    if all(named):
        return Servers(*(url for url in named if url))
    own: Services = request.getfixturevalue("local_services")
    database_url, mqtt_url, publish_mqtt_url = named
    return Servers(
        database_url or own.database_url,
        mqtt_url or own.mqtt_url,
        publish_mqtt_url or mqtt_url or own.publish_mqtt_url,
    )


@pytest.fixture
def database_url(services: Servers) -> Iterator[str]:
    """An empty database with the TimescaleDB extension, dropped after the test."""
    name = f"test_{uuid.uuid4().hex}"
    url = urlsplit(services.database_url)._replace(path=f"/{name}").geturl()
    execute(services.database_url, sql.SQL("create database {}").format(sql.Identifier(name)))
    execute(url, sql.SQL("create extension if not exists timescaledb"))
    yield url
    drop_database(services.database_url, name)


def drop_database(url: str, name: str) -> None:
    """Drop it, whoever is connected; only what vacuums it as the superuser can't be sent away, and ends by itself."""
    for _ in range(50):
        try:
            execute(url, sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(f"{name} is still in use")


def execute(url: str, statement: sql.Composable) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
