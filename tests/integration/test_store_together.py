"""Workers of several partitions write at the same time without a deadlock."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from patience import patient
from store.database import connect
from store.telemetry.rejections import CountKey, RejectionRow, count_rejections, store_rejections
from store.telemetry.write import ReadingRow, insert_readings

NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)
FIELDS = [("electricity_meter", "power_w"), ("gas_meter", "volume_m3"), ("water_meter", "volume_m3")]
REASONS = ["bad_topic", "too_large", "unknown_device"]


@pytest.fixture
def together(database_url):
    """A function that runs `write(connection, order, round)` in both orders at once, round by round."""
    step = threading.Barrier(2)

    def run(write, rounds):
        def worker(order):
            with closing(connect(database_url, application_name="test")) as connection:
                for number in range(rounds):
                    step.wait(patient(20))
                    with connection.transaction():
                        write(connection, order, number)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(worker, (1, -1)))

    return run


def test_two_workers_create_chunks_of_the_same_tables_in_opposite_order(together):
    def write(connection, order, number):
        ts = NOON + number * timedelta(days=30)
        batch = {kind: [ReadingRow(2 + order, ts, ts, {field: 1.0})] for kind, field in FIELDS[::order]}
        assert all(outcome.stored == 1 for outcome in insert_readings(connection, batch).values())

    together(write, 15)


def test_two_workers_count_the_same_rejections_in_opposite_order(together):
    def write(connection, order, number):
        counts = {CountKey(NOON, "c", "camera", reason, device): 1 for reason in REASONS for device in (1, 2, None)}
        count_rejections(connection, dict(list(counts.items())[::order]))

    together(write, 150)


def test_two_workers_store_rejections_of_the_same_topics_in_opposite_order(together):
    def write(connection, order, number):
        rows = [
            RejectionRow(topic, "bad_topic", str(number), b"", 0, None, NOON + timedelta(seconds=number), 1)
            for topic in ("a", "b", "c")[::order]
        ]
        store_rejections(connection, rows)

    together(write, 60)
