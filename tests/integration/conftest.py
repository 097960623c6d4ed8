"""A real database and a real broker for the tests.

`ANJU_TEST_DATABASE_URL`, `ANJU_TEST_MQTT_URL` and `ANJU_TEST_PUBLISH_MQTT_URL` name servers to use instead of local
ones; the role of the first must be allowed to create databases and roles.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from database_roles import drop_logins, let_tests_create
from local.home import Home
from local.services import Services, start_services
from run_guard import VARIABLE, is_worker
from running import running_broker
from shared_database import (
    database_from_template,
    empty_database,
    migrated_database,
    shared_database_url,
    shared_superuser_url,
    stop_shared_database,
)
from store.database import Connection, connect


@dataclass(frozen=True)
class Servers:
    """Where the tests find database and broker."""

    database_url: str
    mqtt_url: str
    publish_mqtt_url: str


@pytest.fixture(scope="session")
def database_server(pytestconfig: pytest.Config) -> Iterator[str]:
    """URL of the database server of all workers: the one that the environment names, else a local one."""
    named = os.environ.get("ANJU_TEST_DATABASE_URL")
    if named:
        yield named
        drop_logins()
        return
    folder = Path(os.environ[VARIABLE], "database")
    folder.mkdir(exist_ok=True)
    yield shared_database_url(folder)
    if not is_worker(pytestconfig):  # else the controller stops it, after the last worker
        stop_shared_database(folder)


@pytest.fixture(scope="session")
def superuser_server(database_server: str) -> str:
    """URL of the same server for its superuser; that of the environment has to be one for the tests that need it."""
    if "ANJU_TEST_DATABASE_URL" in os.environ:
        return database_server
    return shared_superuser_url(Path(os.environ[VARIABLE], "database"))


@pytest.fixture(scope="session")
def services(database_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The database server, and a broker of this worker's own, because ingest has one session at a broker."""
    mqtt_url, publish_mqtt_url = (os.environ.get(f"ANJU_TEST_{name}_URL") for name in ("MQTT", "PUBLISH_MQTT"))
    if mqtt_url:
        yield Servers(database_server, mqtt_url, publish_mqtt_url or mqtt_url)
        return
    with Home(tmp_path_factory.mktemp("broker")) as home, running_broker(home) as (broker, _):
        yield Servers(database_server, broker.ingest_url, broker.publish_url)


@pytest.fixture(scope="session")
def local_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Durable database and broker, for tests that kill them; leave them running."""
    with start_services(tmp_path_factory.mktemp("services"), print) as services:
        let_tests_create(services.superuser_url)
        yield services


@pytest.fixture(scope="session")
def new_database(database_server: str) -> Callable[[], AbstractContextManager[str]]:
    """A function that makes a database with the schema of this version, dropped after the block."""
    make = migrated_database if "ANJU_TEST_DATABASE_URL" in os.environ else database_from_template
    return lambda: make(database_server)


@pytest.fixture
def database_url(new_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """A database with the schema of this version, dropped after the test."""
    with new_database() as url:
        yield url


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection to that database."""
    with connect(database_url, application_name="test") as connection:
        yield connection


@pytest.fixture
def empty_database_url(database_server: str) -> Iterator[str]:
    """A database with nothing but the TimescaleDB extension, dropped after the test."""
    with empty_database(database_server) as url:
        yield url


@pytest.fixture
def mortal_database(local_services: Services) -> Iterator[str]:
    """A database with the schema of this version, on the server that tests may kill."""
    with migrated_database(local_services.database_url) as url:
        yield url
