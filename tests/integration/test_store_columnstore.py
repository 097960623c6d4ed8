"""Late readings into chunks of the columnstore are stored once each, as in any other chunk."""

from datetime import UTC, datetime, timedelta

import pytest

from store.database import connect
from store.telemetry.write import ReadingRow, insert_readings

pytestmark = pytest.mark.community_edition

# The middle of a chunk of one week, which begins on Thursday.
START = datetime(2026, 11, 6, tzinfo=UTC)
METERS = 300
QUARTERS = 400


@pytest.fixture
def connection(database_url):
    with connect(database_url, application_name="test") as connection:
        connection.autocommit = True
        if connection.execute("SHOW timescaledb.license").fetchone() != ("timescale",):
            pytest.skip("needs TimescaleDB's community edition: point ANJU_TEST_DATABASE_URL at one")
        yield connection


@pytest.fixture
def packed(connection):
    """120,000 readings in the columnstore; by default TimescaleDB unpacks at most 100,000 in a transaction."""
    connection.execute(
        """
        INSERT INTO telemetry_water_meter (device_id, ts, received_at, volume_m3)
        SELECT meter, ts, ts, 1.0 FROM generate_series(1, %s) AS meter,
            generate_series(%s::timestamptz, %s, interval '15 min') AS ts
        """,
        (METERS, START, START + timedelta(minutes=15 * (QUARTERS - 1))),
    )
    connection.execute(
        """
        ALTER TABLE telemetry_water_meter SET
            (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_id', timescaledb.orderby = 'ts')
        """
    )
    for (chunk,) in connection.execute("SELECT show_chunks('telemetry_water_meter')").fetchall():
        connection.execute("CALL convert_to_columnstore(%s::regclass)", (chunk,))
    return connection


def late(minute, **values):
    ts = START + timedelta(minutes=minute)
    return [ReadingRow(meter, ts, ts + timedelta(days=10), values) for meter in range(1, METERS + 1)]


def insert(connection, rows):
    with connection.transaction():
        return insert_readings(connection, {"water_meter": rows})["water_meter"]


def test_readings_that_are_stored_already_are_duplicates(packed):
    result = insert(packed, late(30, volume_m3=9.0))
    assert (result.new, result.stored, result.merged, result.duplicates) == (frozenset(), 0, 0, METERS)
    assert rows(packed) == (METERS * QUARTERS, METERS * QUARTERS, 1.0)


def test_readings_between_others_and_missing_fields_are_stored(packed):
    assert insert(packed, late(35, volume_m3=1.0)).stored == METERS
    assert insert(packed, late(30, flow_m3_h=0.5)).merged == METERS
    assert rows(packed) == (METERS * (QUARTERS + 1), METERS * (QUARTERS + 1), 1.0)


def test_a_reading_that_is_stored_already_unpacks_its_own_device_only(packed):
    insert(packed, late(30, volume_m3=9.0)[:1])
    unpacked = packed.execute("SELECT device_id, ts FROM ONLY " + chunk(packed)).fetchall()
    assert {device_id for device_id, _ in unpacked} <= {1}


def chunk(connection):
    (name,) = connection.execute("SELECT show_chunks('telemetry_water_meter')").fetchone()
    return name


def rows(connection):
    return connection.execute(
        "SELECT count(*), count(DISTINCT (device_id, ts)), max(volume_m3) FROM telemetry_water_meter"
    ).fetchone()
