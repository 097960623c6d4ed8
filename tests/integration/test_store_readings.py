"""A reading is stored once: duplicates, in one batch or several, leave the same rows."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from laws import examples
from store.database import connect
from store.telemetry.write import InsertResult, ReadingRow, insert_readings

START = datetime(2026, 11, 1, tzinfo=UTC)
FIELDS = ("volume_m3", "flow_m3_h", "valve_state")


@pytest.fixture
def connection(database_url):
    with connect(database_url, application_name="test") as connection:
        connection.autocommit = True
        yield connection


def row(device_id, minute, received=0, **values):
    return ReadingRow(device_id, START + timedelta(minutes=minute), START + timedelta(days=1, seconds=received), values)


def stored(connection):
    rows = connection.execute("SELECT device_id, ts, volume_m3, flow_m3_h, valve_state FROM telemetry_water_meter")
    return {
        (device_id, ts): {name: value for name, value in zip(FIELDS, values, strict=True) if value is not None}
        for device_id, ts, *values in rows
    }


def insert(connection, rows):
    with connection.transaction():
        return insert_readings(connection, {"water_meter": rows})["water_meter"]


def test_new_readings_are_stored_and_counted_as_new(connection):
    rows = [row(1, 0, volume_m3=1.0), row(1, 1, volume_m3=1.5, valve_state="open"), row(2, 0, flow_m3_h=0.5)]
    result = insert(connection, rows)
    assert result == InsertResult(new=None, stored=3, merged=0, duplicates=0)
    assert stored(connection) == {(r.device_id, r.ts): dict(r.values) for r in rows}


def test_the_value_that_came_first_stands_and_a_missing_field_is_filled(connection):
    insert(connection, [row(1, 0, volume_m3=1.0)])
    result = insert(connection, [row(1, 0, volume_m3=9.0, flow_m3_h=0.2), row(1, 1, volume_m3=2.0)])
    assert result.new == {(1, START + timedelta(minutes=1))}
    assert (result.merged, result.duplicates) == (1, 0)
    assert result.added == {(1, START): {"flow_m3_h": 0.2}}
    assert [row.values for row in result.contradicting] == [{"volume_m3": 9.0, "flow_m3_h": 0.2}]
    assert stored(connection)[1, START] == {"volume_m3": 1.0, "flow_m3_h": 0.2}


def test_the_same_batch_again_changes_nothing(connection):
    rows = [row(1, minute, volume_m3=float(minute)) for minute in range(100)]
    insert(connection, rows)
    before = stored(connection)
    result = insert(connection, rows)
    assert (result.new, result.merged, result.duplicates) == (frozenset(), 0, 100)
    assert (result.added, result.contradicting) == ({}, [])
    assert stored(connection) == before


def test_a_batch_that_meets_a_duplicate_of_one_kind_stores_every_kind(connection):
    insert(connection, [row(1, 0, volume_m3=1.0)])
    with connection.transaction():
        results = insert_readings(
            connection,
            {"gas_meter": [row(5, 0, volume_m3=2.0)], "water_meter": [row(1, 0, volume_m3=1.0)]},
        )
    assert results["gas_meter"].stored == 1
    assert results["water_meter"].duplicates == 1
    assert connection.execute("SELECT count(*) FROM telemetry_gas_meter").fetchone() == (1,)


READINGS = st.builds(
    lambda device_id, minute, values: row(device_id, minute, **values),
    st.integers(1, 3),
    st.integers(0, 4),
    st.dictionaries(st.sampled_from(FIELDS[:2]), st.integers(0, 9).map(float), min_size=1),
)


@given(st.lists(st.lists(READINGS, min_size=1, max_size=6), min_size=1, max_size=5))
@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_readings_are_cut_into_batches_the_first_value_of_each_field_stands(connection, batches):
    connection.execute("TRUNCATE telemetry_water_meter")
    expected = {}
    counted = 0
    for batch in batches:
        before, contradicting = dict(expected), []
        for reading in batch:
            key = (reading.device_id, reading.ts)
            expected[key] = {**reading.values, **expected.get(key, {})}
            contradicting += [reading] if not reading.values.items() <= expected[key].items() else []
        result = insert(connection, batch)
        counted += result.stored + result.merged + result.duplicates
        assert list(result.contradicting) == contradicting
        assert result.added == {
            key: {name: value for name, value in expected[key].items() if name not in values}
            for key, values in before.items()
            if expected[key] != values
        }
    assert stored(connection) == expected
    assert counted == sum(map(len, batches))
