"""Private parts for the faults of each test, and a summary of the messages."""

from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks.report import machine, table, write_rows
from database_roles import let_tests_create
from local.services import start_services
from proxy import proxied
from running import Ingest
from stage import Outcome, staged


@pytest.fixture
def services(tmp_path):
    """Return a database and a broker that the test may damage."""
    with start_services(tmp_path / "data", print) as services:
        let_tests_create(services.superuser_url)
        yield services


@pytest.fixture
def stage(services, tmp_path, record_property):
    """Run ingest between the two."""
    ingest = Ingest(services.database_url, services.mqtt_url, tmp_path / "ingest.log")
    with staged(services, ingest, record_property) as stage:
        yield stage


@pytest.fixture
def broker_network(services):
    """Return the proxy between ingest and the broker, and its URL."""
    with proxied(services.mqtt_url) as proxy:
        yield proxy


@pytest.fixture
def database_network(services):
    """Return the proxy between ingest and the database, and its URL."""
    with proxied(services.database_url) as proxy:
        yield proxy


@pytest.fixture
def distant_stage(services, broker_network, database_network, tmp_path, record_property):
    """Run ingest with a proxy on both sides; publisher and oracle connect directly."""
    ingest = Ingest(database_network[1], broker_network[1], tmp_path / "ingest.log")
    with staged(services, ingest, record_property) as stage:
        yield stage


def pytest_terminal_summary(terminalreporter, config):
    outcomes = [
        Outcome(**value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "outcome" and report.when == "call"
    ]
    if not outcomes:
        return
    terminalreporter.section("What became of the messages")
    names = [field.name for field in fields(Outcome)]
    head = ["recovery, s" if name == "recovery_s" else name for name in names]
    rows = [[figure(getattr(outcome, name)) for name in names] for outcome in outcomes]
    terminalreporter.write_line(table(head, rows))
    if page := config.getoption("chaos_page"):
        note = f"`make chaos`, seed {config.getoption('randomly_seed')}, on {machine()}:"
        write_rows(Path(page), "make chaos", head, rows, note)


def figure(value):
    return f"{value:,}" if isinstance(value, int) else str(value)
