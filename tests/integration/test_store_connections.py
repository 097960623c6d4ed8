"""The connection state of a device is its own last report, whatever arrives late or twice."""

from datetime import UTC, datetime, timedelta

import pytest

from running import query, register
from store.database import connect
from store.telemetry.write_events import ConnectionRow, record_connections

NOON = datetime(2026, 11, 1, 4, tzinfo=UTC)


@pytest.fixture
def record(database_url):
    """A function that stores (state, time or None, arrival, more) in seconds, and returns state and events."""
    register(database_url, "yangguang", [("w1", "water_meter")])
    ((device,),) = query(database_url, "SELECT id FROM device")

    def store(*states):
        rows = [ConnectionRow(device, at and moment(at), moment(arrived), state, **dict.fromkeys(more, True))
                for state, at, arrived, *more in states]  # fmt: skip
        with connect(database_url, application_name="test") as connection:
            record_connections(connection, rows)
        events = query(database_url, "SELECT event, ts FROM event ORDER BY ts, event DESC")
        ((state,),) = query(database_url, "SELECT connection FROM device_state")
        return state, [(event, (ts - NOON).total_seconds()) for event, ts in events]

    return store


def moment(second):
    return NOON + timedelta(seconds=second)


def online(second, arrived):
    return "online", second, arrived


def will(arrived):
    return "offline", None, arrived


def redelivered_will(arrived):
    return "offline", None, arrived, "redelivered"


def retained_will(arrived):
    return "offline", None, arrived, "retained"


def test_a_device_that_is_back_is_online_even_if_its_last_will_arrived_late(record):
    assert record(online(1, 1), will(60), online(20, 61))[0] == "online"


def test_a_last_will_counts_even_if_the_clock_of_the_device_is_ahead(record):
    assert record(online(200, 1), will(60)) == ("offline", [("offline", 60), ("online", 200)])


def test_an_older_report_that_it_is_online_changes_nothing(record):
    assert record(online(30, 30), ("offline", 40, 40), online(20, 41))[0] == "offline"


@pytest.mark.parametrize("sent_before", ["redelivered", "retained"])
def test_an_older_report_that_the_broker_sent_before_changes_nothing(record, sent_before):
    assert record(online(30, 30), ("offline", 10, 31, sent_before)) == ("online", [("online", 30)])


@pytest.mark.parametrize("written", [10, 30])
def test_a_last_will_with_the_time_of_its_connection_counts_from_its_arrival(record, written):
    assert record(online(30, 30), ("offline", written, 90)) == ("offline", [("online", 30), ("offline", 90)])


def test_after_a_last_will_with_a_time_the_device_comes_back(record):
    assert record(online(30, 30), ("offline", 30, 90), online(100, 101), ("offline", 100, 200))[1] == [
        ("online", 30),
        ("offline", 90),
        ("online", 100),
        ("offline", 200),
    ]


def test_a_last_will_older_than_what_came_from_the_device_counts_from_its_arrival(record):
    """The device reports no `online`; it was connected at 10 and sent until 60."""
    assert record(("online", None, 60), ("offline", 10, 90)) == ("offline", [("online", 60), ("offline", 90)])


def test_a_report_before_leaving_counts_from_the_device_s_time(record):
    assert record(online(30, 30), ("offline", 40, 45)) == ("offline", [("online", 30), ("offline", 40)])


def test_a_retained_last_will_counts_from_the_first_time_it_was_received(record):
    first = record(retained_will(10))
    assert first == ("offline", [("offline", 10)])
    assert record(retained_will(500)) == first
    assert record(online(600, 600), retained_will(700))[0] == "online"


def test_a_last_will_that_came_before_is_nothing_new_as_a_retained_one(record):
    """The device reports that it is online without retaining it, so that the broker still has the last will."""
    back = record(online(1, 1), will(10), online(12, 12))
    assert record(retained_will(500)) == back
    assert record(will(600))[0] == "offline"


def test_a_retained_last_will_that_never_came_before_takes_the_device_offline(record):
    assert record(online(1, 1), retained_will(500)) == ("offline", [("online", 1), ("offline", 500)])


def test_a_retained_online_without_a_time_changes_no_known_state(record):
    assert record(online(1, 1), will(10), ("online", None, 500, "retained"))[0] == "offline"


def test_a_redelivery_after_a_crash_changes_nothing(record):
    once = record(online(1, 1), will(10))
    assert record(online(1, 20), redelivered_will(20)) == once


def test_a_redelivered_last_will_gives_way_to_the_redelivered_report_that_follows_it(record):
    assert record(online(1, 1), will(10), online(12, 12), redelivered_will(22), online(12, 22))[0] == "online"


def test_a_last_will_that_was_not_stored_before_the_crash_takes_the_device_offline(record):
    assert record(online(1, 1), redelivered_will(20))[0] == "offline"
