"""Ingest as a separate process, between a real broker and a real database."""

import random
from contextlib import closing
from dataclasses import dataclass

import pytest

from devices.catalogue import KIND_BY_NAME
from ingest_site import COMMUNITY, Site
from local.home import Home
from local.process import Process
from running import forget_session, register, running_broker, running_ingest
from store.database import connect


@dataclass(frozen=True)
class Mapped:
    """Broker that maps communities to four partitions, with its process."""

    mqtt_url: str
    publish_mqtt_url: str
    broker: Process


@pytest.fixture
def session(services):
    """Empty the broker's session for ingest."""
    forget_session(services)


@pytest.fixture
def ingest(services, database_url, session, tmp_path):
    """Run `anju ingest` during the test."""
    with running_ingest(database_url, services.mqtt_url, tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def mapping_broker(tmp_path_factory):
    """Return a private broker with partitions; tests must leave it running."""
    with Home(tmp_path_factory.mktemp("mapped")) as home, running_broker(home, partitions=4) as (broker, process):
        yield Mapped(broker.ingest_url, broker.publish_url, process)


@pytest.fixture
def mapped(mapping_broker):
    """Return that broker with four empty sessions."""
    forget_session(mapping_broker, partitions=4)
    return mapping_broker


@pytest.fixture
def site(database_url):
    """Ingest over a database with one device of each kind, named after it."""
    register(database_url, COMMUNITY, [(kind.replace("_", "-"), kind) for kind in KIND_BY_NAME])
    with closing(connect(database_url, application_name="test")) as connection:
        connection.autocommit = True
        yield Site(database_url, connection, random.Random(1))
