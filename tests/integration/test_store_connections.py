"""The connection state of a device is its own last report, whatever arrives late or twice."""

from datetime import UTC, datetime, timedelta

import pytest

from running import query, register
from store.database import connect
from store.telemetry.write_events import ConnectionRow, record_connections

NOON = datetime(2026, 11, 1, 4, tzinfo=UTC)


@pytest.fixture
def record(database_url):
    """A function that stores (state, time, arrival, given by the device) in seconds, and returns state and events."""
    register(database_url, "yangguang", [("w1", "water_meter")])
    ((device,),) = query(database_url, "SELECT id FROM device")

    def store(*states):
        rows = [ConnectionRow(device, at and moment(at), moment(arrived), state, device_time)
                for state, at, arrived, device_time in states]  # fmt: skip
        with connect(database_url, application_name="test") as connection:
            record_connections(connection, rows)
        events = query(database_url, "SELECT event, ts FROM event ORDER BY ts, event DESC")
        ((state,),) = query(database_url, "SELECT connection FROM device_state")
        return state, [(event, (ts - NOON).total_seconds()) for event, ts in events]

    return store


def moment(second):
    return NOON + timedelta(seconds=second)


def online(second, arrived):
    return "online", second, arrived, True


def will(arrived):
    return "offline", arrived, arrived, False


def redelivered_will(arrived):
    return "offline", None, arrived, False


def test_a_device_that_is_back_is_online_even_if_its_last_will_arrived_late(record):
    assert record(online(1, 1), will(60), online(20, 61))[0] == "online"


def test_a_last_will_counts_even_if_the_clock_of_the_device_is_ahead(record):
    assert record(online(200, 1), will(60)) == ("offline", [("offline", 60), ("online", 200)])


def test_an_older_report_of_the_device_changes_nothing(record):
    assert record(online(30, 30), ("offline", 10, 31, True)) == ("online", [("online", 30)])


def test_a_redelivery_after_a_crash_changes_nothing(record):
    once = record(online(1, 1), will(10))
    assert record(online(1, 20), redelivered_will(20)) == once


def test_a_redelivered_last_will_gives_way_to_the_redelivered_report_that_follows_it(record):
    assert record(online(1, 1), will(10), online(12, 12), redelivered_will(22), online(12, 22))[0] == "online"


def test_a_last_will_that_was_not_stored_before_the_crash_takes_the_device_offline(record):
    assert record(online(1, 1), redelivered_will(20))[0] == "offline"
