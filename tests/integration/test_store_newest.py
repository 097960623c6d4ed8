"""Newest value of each field, whatever the order and the parts in which readings come."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.catalogue import KIND_BY_NAME
from laws import examples
from store.database import connect
from store.telemetry.newest import NewestValue, newest_values
from store.telemetry.write import ReadingRow, insert_readings

NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)
KIND = KIND_BY_NAME["electricity_meter"]
NUMBERS = itertools.count(2)
VALUES = st.dictionaries(
    st.sampled_from(["energy_kwh", "voltage_v", "current_a", "relay_closed"]), st.just(None), min_size=1
)
READINGS = st.lists(st.tuples(st.integers(0, 5), VALUES, st.booleans()), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def kept_database_url(new_database):
    with new_database() as url:
        yield url


@examples(40)
@given(READINGS)
def test_each_field_has_its_newest_value_and_of_one_time_the_first(kept_database_url, readings):
    """Law: by field the greatest time counts, and among readings of one time the one that came first."""
    device, model, batches = next(NUMBERS), {}, [[]]
    for number, (minute, fields, ends_batch) in enumerate(readings):
        ts = NOON + timedelta(minutes=minute)
        values = {name: number % 2 == 0 if name == "relay_closed" else float(number) for name in fields}
        batches[-1].append(ReadingRow(device, ts, NOON, values))
        for name, value in values.items():
            if name not in model or ts > model[name].ts:
                model[name] = NewestValue(name, value, ts)
        if ends_batch:
            batches.append([])
    with connect(kept_database_url, application_name="test") as connection:
        for batch in filter(None, batches):
            insert_readings(connection, {KIND.name: batch})
        last_values = {"voltage_v": 1.0} if "voltage_v" in model else {}
        found = newest_values(connection, KIND, device, last_values)
    assert {each.field: each for each in found} == model


def test_a_value_whose_reading_is_no_longer_stored_has_no_time(database_url):
    with connect(database_url, application_name="test") as connection:
        found = newest_values(connection, KIND, 1, {"voltage_v": 230.0, "once_known": 1.0})
    assert found == [NewestValue("voltage_v", 230.0, None)]
