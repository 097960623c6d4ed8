"""Retention drops old telemetry, events and rejections, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from store.admin.retention import drop_expired
from store.database import connect
from store.telemetry.rejections import CountKey, RejectionRow, count_rejections, store_rejections
from store.telemetry.write import ReadingRow, insert_readings
from store.telemetry.write_events import EventRow, insert_events

NOW = datetime.now(UTC).replace(microsecond=0)
AGES = (1, 50, 500)


@pytest.fixture
def connection(database_url):
    with connect(database_url, application_name="test") as connection:
        connection.autocommit = True
        for days in AGES:
            at = NOW - timedelta(days=days)
            insert_readings(connection, {"water_meter": [ReadingRow(1, at, at, {"volume_m3": 1.0})]})
            insert_events(connection, [EventRow(1, at, at, "cover_opened", "", {})])
            store_rejections(connection, [RejectionRow("t", "bad_json", str(days), b"", 1, None, at, times=1)])
            count_rejections(connection, {CountKey(at, "c", "water_meter", "bad_json", 1): 1})
        yield connection


def ages(connection, statement):
    return sorted((NOW - at).days for (at,) in connection.execute(statement))


def stored_ages(connection):
    return (
        ages(connection, "SELECT ts FROM telemetry_water_meter"),
        ages(connection, "SELECT ts FROM event"),
        ages(connection, "SELECT last_received_at FROM rejection"),
        ages(connection, "SELECT hour FROM rejection_count"),
        ages(connection, "SELECT hour FROM device_rejection_count"),
    )


def test_without_a_limit_everything_but_old_rejections_stays(connection):
    assert drop_expired(connection, NOW, None) == 0
    assert stored_ages(connection) == ([1, 50, 500], [1, 50, 500], [1], [1, 50], [1, 50])


def test_what_is_older_than_the_limit_goes_by_whole_chunks(connection):
    assert drop_expired(connection, NOW, timedelta(days=100)) == 2
    assert stored_ages(connection) == ([1, 50], [1, 50], [1], [1, 50], [1, 50])


def test_a_second_time_there_is_nothing_to_drop(connection):
    drop_expired(connection, NOW, timedelta(days=100))
    assert drop_expired(connection, NOW, timedelta(days=100)) == 0


def test_of_unregistered_senders_the_newest_ten_thousand_rejections_stay(connection):
    connection.execute(
        """
        INSERT INTO rejection (topic, reason, digest, detail, payload, size, first_received_at, last_received_at)
        SELECT 'invented/' || n, 'bad_topic', '', '', '', 0, %(now)s, %(now)s - n * interval '1 second'
        FROM generate_series(1, 10100) AS n
        """,
        {"now": NOW},
    )
    drop_expired(connection, NOW, None)
    ((count, oldest),) = connection.execute("SELECT count(*), min(last_received_at) FROM rejection").fetchall()
    assert (count, NOW - oldest) == (10_000, timedelta(seconds=10_000))
