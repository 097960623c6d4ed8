"""History of simulated devices, loaded as a live run would have left it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from app.loaded_history import LoadedHistory, load_history
from imports.importer import import_rows
from running import SECRET_KEY, query
from simulators.community_plan import SITES, plan_community
from store.admin.locks import PartitionReport, save_partition_report
from store.registry.devices import DeviceFilter, list_devices
from store.registry.registry import load_devices
from store.telemetry.device_state import DeviceStateChange, save_device_states

NOW = datetime(2026, 7, 1, 4, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def devices(database_url):
    """Register six households with all their devices."""
    plan = plan_community(*SITES[0], 6, seed=1)
    with psycopg.connect(database_url, autocommit=True) as connection:
        import_rows(connection, [plan.community], plan.households, plan.devices)
        return load_devices(connection)


def load(database_url, devices, hours=5, end=NOW):
    return load_history(LoadedHistory(devices, 1, (), end - hours * HOUR, end), database_url, SECRET_KEY)


def test_every_row_arrives_when_a_live_run_would_have_sent_it(database_url, devices):
    assert load(database_url, devices) > 3000
    [(count, first, last, early, late)] = query(
        database_url,
        "SELECT count(*), min(ts), max(ts), min(received_at - ts), max(received_at - ts) FROM telemetry_camera",
    )
    cameras = sum(device.kind == "camera" for device in devices)
    assert count == 5 * 60 * cameras
    assert NOW - 5 * HOUR <= first < last < NOW
    assert timedelta(seconds=-1) < early <= late < timedelta(seconds=1)
    # A gateway sends the readings of its meters at the end of its minute.
    [(late,)] = query(database_url, "SELECT max(received_at - ts) FROM telemetry_electricity_meter")
    assert timedelta() < late < timedelta(minutes=1, seconds=1)
    [(late,)] = query(database_url, "SELECT max(received_at - ts) FROM event")
    assert late < timedelta(minutes=1)


def test_history_tells_nobody_and_leaves_no_state_of_the_rules(database_url, devices):
    load(database_url, devices)
    assert query(database_url, "SELECT count(*) FROM alert_transition") == [(0,)]
    assert query(database_url, "SELECT count(*) FROM rejection") == [(0,)]
    states = query(database_url, "SELECT device_id, last_fresh FROM device_state")
    assert {device_id for device_id, _ in states} == {device.id for device in devices}
    assert {last_fresh for _, last_fresh in states} == {None}


def test_a_device_with_loaded_history_reports_on_time_until_its_next_reading_is_due(database_url, devices):
    now = datetime.now(UTC)
    load(database_url, devices, hours=4, end=now)
    with psycopg.connect(database_url, autocommit=True) as connection:
        report = PartitionReport(
            partition=0, host="h", pid=1, owner_since=now, committed_at=now, caught_up=True, caught_up_at=now,
            buffered=0,
        )  # fmt: skip
        save_partition_report(connection, report)
        states = {each.state for each in list_devices(connection, DeviceFilter(), None, 1000)}
    assert states == {"reporting"}


def test_a_second_load_adds_only_the_missing_hours(database_url, devices):
    first = load(database_url, devices, hours=3)
    assert load(database_url, devices, hours=3) == 0
    assert load(database_url, devices, hours=5) > first / 3
    hours = "SELECT count(DISTINCT date_trunc('hour', ts)) FROM telemetry_camera"
    assert query(database_url, hours) == [(6,)]  # five hours from twenty past on
    query(database_url, "DELETE FROM telemetry_camera WHERE ts >= %s AND ts < %s RETURNING 1",
          NOW.replace(minute=0) - 2 * HOUR, NOW.replace(minute=0) - HOUR)  # fmt: skip
    assert load(database_url, devices, hours=5) > 0
    assert query(database_url, hours) == [(6,)]


def test_personal_values_are_loaded_as_hash_and_mask_only(database_url, devices):
    load(database_url, devices, hours=24)
    data = [row for (row,) in query(database_url, "SELECT data FROM event WHERE event = 'vehicle_passed'")]
    assert data
    assert all("plate" not in row for row in data)
    assert any("plate_hash" in row for row in data)


def test_a_device_that_reports_live_keeps_its_own_state(database_url, devices):
    device, seen = devices[0], NOW + HOUR
    with psycopg.connect(database_url) as connection:
        save_device_states(connection, [DeviceStateChange(device.id, seen, seen, seen, {}, {})])
    load(database_url, devices, hours=1)
    assert query(database_url, "SELECT last_seen FROM device_state WHERE device_id = %s", device.id) == [(seen,)]


def test_data_of_a_real_device_cannot_be_loaded(devices):
    real = replace(devices[0], simulated=False)
    with pytest.raises(ValueError, match=f"{real.name} is a real device"):
        LoadedHistory([*devices[1:], real], 1, (), NOW - HOUR, NOW)
