"""Ingest as a process of its own, between a real broker and a real database."""

import pytest

from running import forget_session, running_ingest


@pytest.fixture
def session(services):
    """The broker's session for ingest, empty and open."""
    forget_session(services)


@pytest.fixture
def ingest(services, database_url, session, tmp_path):
    """A function that starts `anju ingest`; it is ended after the test."""
    with running_ingest(database_url, services.mqtt_url, tmp_path) as running:
        yield running
