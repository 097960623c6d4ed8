"""The tables are the same for any order of the messages and any number of copies.

The promise excludes two messages of one device and time with different values of a field, where the first is kept.
"""

from itertools import count

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

import workload
from laws import examples
from oracle import expected, judge
from patience import eventually
from running import epoch_ms, query, register
from simulators.publisher import Publisher

SHARE = 500  # of the workload, from an event and garbage to an impossible reading
HOUR_MS = 3_600_000


@pytest.fixture
def publish_and_judge(services, database_url, ingest):
    """Return a function that publishes messages, waits for ingest, and judges all messages so far."""
    register(database_url, workload.COMMUNITY, workload.devices())
    so_far = []

    def publish(messages):
        end = (workload.topic(len(so_far) % workload.METERS), f"the end of {len(so_far)}".encode())
        so_far.extend([*messages, end])
        with Publisher(services.publish_mqtt_url) as out:
            for topic, payload in [*messages, end]:
                out.publish(topic, payload)
        eventually(lambda: query(database_url, "SELECT 1 FROM rejection WHERE payload = %s", end[1]))
        with psycopg.connect(database_url) as connection:
            return judge(connection, expected(so_far))

    return publish


@examples(10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), late_ms=st.sampled_from([0, HOUR_MS]), shares=st.just(count()))
def test_any_order_and_any_number_of_copies_gives_the_same_tables(publish_and_judge, data, late_ms, shares):
    # Each example takes the next share of the workload, because ingest remembers earlier messages.
    began, first = epoch_ms() - late_ms - 1000, 10 + SHARE * next(shares)
    share = [workload.message(first + n, began, 1.0) for n in range(SHARE)]
    copies = data.draw(st.lists(st.sampled_from(share), max_size=100))
    verdict = publish_and_judge(data.draw(st.randoms(use_true_random=False).map(shuffled([*share, *copies]))))
    assert (verdict.lost, verdict.doubled) == ([], [])


def shuffled(messages):
    return lambda random: random.sample(messages, len(messages))
