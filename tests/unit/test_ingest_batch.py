"""Messages become rows by their destination, and rules see each reading and event once."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.device import Device
from devices.privacy import Pseudonymiser
from devices.schema import Reason
from ingest.batch import Batch, Candidate, decode_batch, has_unknown_device
from ingest.receiver import Message
from rules.model.sample import Sample
from store.telemetry.write import InsertResult

NOW = datetime(2026, 7, 1, 4, tzinfo=UTC)
METER = Device(1, "linyin", "w-1", "water_meter", gateway="g-1")
GATEWAY = Device(2, "linyin", "g-1", "gateway")
DEVICES = {(each.community, each.name): each for each in (METER, GATEWAY)}
PSEUDONYMISER = Pseudonymiser(b"a key of thirty-two bytes at all")


def find(community, name):
    return DEVICES.get((community, name))


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def message(items, device=METER, channel="telemetry", received_at=NOW, **options):
    topic = f"anju/v1/{device.community}/{device.kind}/{device.name}/{channel}"
    payload = items if isinstance(items, bytes) else json.dumps(items).encode()
    return Message(topic, payload, received_at, redelivered=False, packet_id=1, **options)


def reading(seconds, volume=1.0):
    return {"ts": at(seconds).isoformat(), "values": {"volume_m3": volume}}


def event(seconds, name="battery_low", **more):
    return {"ts": at(seconds).isoformat(), "event": name, **more}


def decoded(*messages):
    return decode_batch(messages, find, PSEUDONYMISER, communities=("linyin",))


def stored(new=None, added=()):
    """Return the result of storing readings; the counts of it are no matter of a batch."""
    return InsertResult(new if new is None else frozenset(new), 0, 0, 0, dict(added))


def test_each_content_has_its_destination_and_every_sender_was_heard():
    batch = decoded(
        message(reading(-60)), message(event(-50), channel="event"), message({"state": "online"}, channel="status")
    )
    assert [(each.device_id, each.values) for each in batch.readings["water_meter"]] == [(1, {"volume_m3": 1.0})]
    assert [each.event for each in batch.events] == ["battery_low"]
    assert [(each.state, each.at) for each in batch.connections] == [("online", None)]
    assert [each.sample.event for each in batch.candidates] == [None, "battery_low"]
    assert batch.last_seen == {1: NOW}
    assert batch.rejections == []


@pytest.mark.parametrize(("redelivered", "retained"), [(True, False), (False, True)])
def test_a_report_keeps_that_the_broker_may_have_sent_it_before(redelivered, retained):
    one = message({"state": "offline"}, channel="status")._replace(redelivered=redelivered, retained=retained)
    (report,) = decoded(one).connections
    assert (report.redelivered, report.retained) == (redelivered, retained)


@given(st.permutations(range(-8, 0)))
def test_the_items_of_an_array_are_seen_in_the_order_of_their_time(order):
    batch = decoded(message([reading(seconds) for seconds in order]))
    assert [each.sample.ts for each in batch.candidates] == [at(seconds) for seconds in range(-8, 0)]


def test_messages_are_seen_in_the_order_of_their_arrival_whatever_their_times():
    batch = decoded(message(reading(-1)), message([reading(-3), reading(-5)]), message(reading(-2)))
    assert [each.sample.ts for each in batch.candidates] == [at(-1), at(-5), at(-3), at(-2)]


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xff", b"[]", b"1", b'{"ts": 1}'])
def test_an_unusable_message_is_a_rejection_and_its_device_was_heard(payload):
    batch = decoded(message(payload))
    assert batch.candidates == []
    assert batch.rejections
    assert batch.last_seen == {1: NOW}


def test_a_message_of_nobody_is_a_rejection_by_which_the_registry_is_read_again():
    unknown = Device(9, "linyin", "w-9", "water_meter")
    batch = decoded(message(reading(-1), unknown))
    assert has_unknown_device(batch)
    assert batch.last_seen == {}
    assert not has_unknown_device(decoded(message(b"{")))


def test_a_gateway_is_heard_by_a_message_about_other_devices_only():
    item = {**reading(-1), "kind": "water_meter", "device": "w-1"}
    assert decoded(message([item], GATEWAY)).last_seen == {1: NOW, 2: NOW}


def test_what_has_no_usable_time_is_kept_aside_and_never_stored():
    item = {"ts": at(10**7).isoformat(), "values": {"volume_m3": 1.0}}
    batch = decoded(message(item))
    assert [each.rejection.reason for each in batch.rejections] == [Reason.FUTURE_TIMESTAMP]
    assert [each.sample.values for each in batch.undated] == [{"volume_m3": 1.0}]
    assert (batch.candidates, dict(batch.readings)) == ([], {})


def test_ages_are_those_of_readings_only_and_at_most_a_few_hundred():
    batch = decoded(message([reading(-60)]), message(event(-50), channel="event"))
    assert batch.sample_ages_s() == [60.0]
    assert Batch().sample_ages_s() == []


@given(st.integers(1, 5000))
def test_so_many_ages_are_enough_and_the_first_is_among_them(count):
    samples = [Candidate("water_meter", Sample(1, at(-number), NOW, {})) for number in range(count)]
    ages = Batch(candidates=samples).sample_ages_s()
    assert 0 < len(ages) <= 200
    assert ages[0] == 0.0
    assert set(ages) <= {float(number) for number in range(count)}


def test_a_batch_of_new_readings_goes_to_the_rules_as_it_is():
    batch = decoded(message([reading(-2), reading(-1)]))
    assert batch.fresh({"water_meter": stored()}, frozenset()) is batch.candidates


def test_a_reading_that_was_stored_before_is_not_seen_again():
    batch = decoded(message(reading(-2)), message(reading(-1)))
    (seen,) = batch.fresh({"water_meter": stored(new={(1, at(-1))})}, frozenset())
    assert seen.sample.ts == at(-1)


def test_of_a_reading_that_was_stored_in_part_only_the_new_values_are_seen():
    batch = decoded(message({"ts": at(-1).isoformat(), "values": {"volume_m3": 1.0, "pressure_mpa": 0.3}}))
    added = {(1, at(-1)): {"pressure_mpa": 0.3}}
    (seen,) = batch.fresh({"water_meter": stored(new=(), added=added)}, frozenset())
    assert seen.sample.values == {"pressure_mpa": 0.3}


def test_two_parts_of_one_reading_are_seen_as_a_whole_and_the_first_value_counts():
    first = message({"ts": at(-1).isoformat(), "values": {"volume_m3": 1.0}})
    second = message({"ts": at(-1).isoformat(), "values": {"volume_m3": 9.0, "pressure_mpa": 0.3}})
    (seen,) = decoded(first, second).fresh({"water_meter": stored(new={(1, at(-1))})}, frozenset())
    assert seen.sample.values == {"volume_m3": 1.0, "pressure_mpa": 0.3}


def test_an_event_is_seen_once_by_its_id_and_a_stored_one_never():
    batch = decoded(*(message(event(-1, id=name), channel="event") for name in ("a", "a", "b", "c")))
    new = frozenset((1, at(-1), "battery_low", name) for name in ("a", "b"))
    assert [each.event_id for each in batch.fresh({}, new)] == ["a", "b"]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12))
def test_nothing_is_seen_twice_and_all_that_is_new_is_seen(found):
    """Readings of four instants, each either new or stored before."""
    batch = decoded(*(message(reading(-1 - seconds)) for seconds, _ in found))
    new = {(1, at(-1 - seconds)) for seconds, is_new in found if is_new}
    seen = batch.fresh({"water_meter": stored(new=new)}, frozenset())
    assert {each.sample.ts for each in seen} == {ts for _, ts in new}
    assert len(seen) == len(new)
