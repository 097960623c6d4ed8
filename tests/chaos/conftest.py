"""Faults against parts of each test's own, and the summary of what became of the messages."""

from dataclasses import fields
from pathlib import Path

import pytest

from local.services import start_services
from proxy import proxied
from running import Ingest
from stage import Outcome, staged

BEGIN, END = "<!-- chaos: written by make chaos -->", "<!-- chaos: end -->"


@pytest.fixture
def services(tmp_path):
    """A database and a broker that the test may do anything to."""
    with start_services(tmp_path / "data", print) as services:
        yield services


@pytest.fixture
def stage(services, tmp_path, record_property):
    """Ingest at work between the two."""
    ingest = Ingest(services.database_url, services.mqtt_url, tmp_path / "ingest.log")
    with staged(services, ingest, record_property) as stage:
        yield stage


@pytest.fixture
def broker_network(services):
    """The proxy between ingest and the broker, and its URL."""
    with proxied(services.mqtt_url) as found:
        yield found


@pytest.fixture
def database_network(services):
    """The proxy between ingest and the database, and its URL."""
    with proxied(services.database_url) as found:
        yield found


@pytest.fixture
def distant_stage(services, broker_network, database_network, tmp_path, record_property):
    """Ingest at work, with a proxy on both sides; publisher and oracle go straight."""
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
    table = markdown(outcomes)
    terminalreporter.write_line(table)
    if page := config.getoption("chaos_page"):
        write_between_markers(Path(page), table)


def markdown(outcomes):
    """The outcomes as a table."""
    names = [field.name for field in fields(Outcome)]
    head = ["recovery, s" if name == "recovery_s" else name for name in names]
    rows = [[str(getattr(outcome, name)) for name in names] for outcome in outcomes]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] + ["--:"] * (len(names) - 1), *rows))


def write_between_markers(page, text):
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"{page} must have the lines {BEGIN} and {END}"
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
