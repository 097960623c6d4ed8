"""Plans of the simulators go through the real import and give the planned fleet."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from imports.importer import import_rows
from simulators.community_plan import SITES, CommunityPlan, plan_community
from simulators.fleet import Fleet
from simulators.replay import Row, plan_of_recording
from store.registry.registry import load_devices


def import_plan(connection: psycopg.Connection, plan: CommunityPlan):
    return import_rows(connection, [plan.community], plan.households, plan.devices)


@pytest.fixture
def connection(database_url: str):
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def test_every_site_can_be_imported_and_a_second_import_changes_nothing(connection: psycopg.Connection):
    for number, site in enumerate(SITES):
        plan = plan_community(*site, 30 + 40 * number, seed=number)
        first, again = import_plan(connection, plan), import_plan(connection, plan)
        assert (first.communities.created, first.households.created) == (1, len(plan.households))
        assert first.devices.created == again.devices.unchanged == len(plan.devices)


def test_registered_devices_send_the_same_messages_as_planned_ones(connection: psycopg.Connection):
    plan = plan_community(*SITES[0], 40, seed=1)
    import_plan(connection, plan)
    registered = load_devices(connection)
    assert all(device.simulated for device in registered)
    start = datetime(2026, 1, 10, tzinfo=UTC)
    window = (start, start + timedelta(hours=1))
    assert list(Fleet(registered, 7).messages(*window)) == list(Fleet(plan.numbered_devices(), 7).messages(*window))


@pytest.mark.recorded_data
def test_recorded_meters_are_registered_as_real_ones(connection: psycopg.Connection, recorded_rows: list[Row]):
    import_plan(connection, plan_of_recording(recorded_rows))
    registered = load_devices(connection)
    assert len(registered) == 92
    assert not any(device.simulated for device in registered)
