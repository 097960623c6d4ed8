"""Ingest as a separate process, between a real broker and a real database."""

from dataclasses import dataclass

import pytest

from local.home import Home
from local.process import Process
from running import forget_session, running_broker, running_ingest


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
