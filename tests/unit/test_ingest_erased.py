"""What was sent before it was erased is left out of a batch, and nothing else."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest.batch import Batch, Candidate
from ingest.erased import leave_out_erased
from rules.model.sample import Sample
from store.admin.erasure import Erasures, digest_of
from store.telemetry.write import ReadingRow
from store.telemetry.write_events import EventRow

NOW = datetime(2026, 12, 1, tzinfo=UTC)
DEVICES, COMMUNITIES, HASHES = (1, 2, 3), {1: "a", 2: "a", 3: "b"}, ("h1", "h2")
TIMES = st.integers(0, 4).map(lambda n: NOW + timedelta(seconds=n))
READINGS = st.builds(
    lambda device, ts: ReadingRow(device, ts, NOW, {"volume_m3": 1.0}), st.sampled_from(DEVICES), TIMES
)
DATA = st.fixed_dictionaries(
    {"direction": st.just("in")}, optional={"plate_hash": st.sampled_from(HASHES), "user_hash": st.sampled_from(HASHES)}
).map(lambda data: data | {name.replace("_hash", "_masked"): "***" for name in data if name.endswith("_hash")})
EVENTS = st.builds(
    lambda device, ts, data: EventRow(device, ts, NOW, "passed", "", data), st.sampled_from(DEVICES), TIMES, DATA
)
PERSONS = st.dictionaries(
    st.tuples(st.sampled_from(HASHES).map(digest_of), st.sampled_from([None, "a", "b"])), TIMES, max_size=3
)
ERASURES = st.builds(Erasures, st.just(1), PERSONS, st.dictionaries(st.sampled_from(DEVICES), TIMES, max_size=2))


def batch_of(readings, events):
    batch = Batch()
    batch.readings["water_meter"] = list(readings)
    batch.events = list(events)
    batch.candidates = [
        *(Candidate("water_meter", Sample(row.device_id, row.ts, NOW, row.values)) for row in readings),
        *(Candidate("vehicle_gate", Sample(row.device_id, row.ts, NOW, {}, row.event, row.data)) for row in events),
    ]
    return batch


def is_erased(row, erasures):
    return row.device_id in erasures.devices and row.ts <= erasures.devices[row.device_id]


def expected_data(row, erasures):
    """Return the data of an event without its erased persons, by the definition."""
    data = dict(row.data)
    for name in ("plate", "user"):
        for (digest, community), until in erasures.persons.items():
            concerned = community in {None, COMMUNITIES[row.device_id]} and row.ts <= until
            if concerned and name + "_hash" in data and digest == digest_of(data[name + "_hash"]):
                del data[name + "_hash"], data[name + "_masked"]
    return data


@given(st.lists(READINGS, max_size=8), st.lists(EVENTS, max_size=8), ERASURES)
def test_exactly_what_was_sent_before_its_erasure_is_left_out(readings, events, erasures):
    batch = batch_of(readings, events)
    taken_out = leave_out_erased(batch, erasures, COMMUNITIES.__getitem__)
    left = [row for row in readings if not is_erased(row, erasures)]
    kept = [row._replace(data=expected_data(row, erasures)) for row in events if not is_erased(row, erasures)]
    assert batch.readings.get("water_meter", []) == left
    assert batch.events == kept
    assert [(each.sample.device_id, each.sample.ts, each.sample.data) for each in batch.candidates] == [
        *((row.device_id, row.ts, {}) for row in left),
        *((row.device_id, row.ts, row.data) for row in kept),
    ]
    assert taken_out == len(readings) + len(events) - len(left) - len(kept)


@given(st.lists(READINGS, max_size=8), st.lists(EVENTS, max_size=8))
def test_without_a_request_a_batch_stays_as_it_is(readings, events):
    batch = batch_of(readings, events)
    assert leave_out_erased(batch, Erasures(0, {}, {}), COMMUNITIES.__getitem__) == 0
    assert batch == batch_of(readings, events)
