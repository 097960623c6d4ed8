"""Limit on stored rejections: the newest of each sender and reason get in, at a bounded rate."""

import tracemalloc
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from devices.device import Device
from devices.payload import Rejection
from devices.schema import Reason
from ingest.batch import Rejected
from ingest.rejection_limit import AT_ONCE, MAX_WAITING, REGISTERED_PER_S, UNREGISTERED_PER_S, RejectionLimit
from store.telemetry.rejections import KEPT_PER_REASON

NOW = datetime(2026, 7, 1, 4, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DEVICE = Device(1, "c", "d", "water_meter")


def rejected(topic, number, device=DEVICE, reason=Reason.BAD_JSON):
    return Rejected(Rejection(topic, reason, f"number {number}", b"", 1, device), NOW)


def store(limit, rejections, now=NOW):
    """Select and confirm; return (topic, detail) of the stored rejections."""
    selection = limit.select(rejections, now)
    limit.confirm(selection)
    return [(each.rejection.topic, each.rejection.detail) for each in selection.rejections]


def test_the_newest_twenty_of_a_batch_are_stored():
    stored = store(RejectionLimit(), [rejected("t", n) for n in range(50)])
    assert stored == [("t", f"number {n}") for n in range(50 - KEPT_PER_REASON, 50)]


def test_the_children_of_a_gateway_do_not_displace_each_other():
    children = [Device(n, "c", f"m{n}", "water_meter", gateway="g") for n in range(1, 31)]
    stored = store(RejectionLimit(), [rejected("g", child.id, child) for child in children])
    assert len(stored) == 30


def test_each_reason_of_a_topic_counts_by_itself():
    many = [rejected("t", n) for n in range(100)]
    assert ("t", "number 7") in store(RejectionLimit(), [rejected("t", 7, reason=Reason.UNKNOWN_FIELD), *many])


def test_the_last_rejection_of_a_flood_is_stored_when_its_turn_comes():
    limit = RejectionLimit()
    stored = [store(limit, [rejected("t", n * 100 + m) for m in range(100)], NOW + n * SECOND / 10) for n in range(600)]
    assert sum(map(len, stored)) <= AT_ONCE + 60 * REGISTERED_PER_S
    assert store(limit, [], NOW + 61 * SECOND) == [("t", "number 59999")]
    assert store(limit, [], NOW + 62 * SECOND) == []


def test_topics_without_end_leave_bounded_rows_and_bounded_memory():
    limit = RejectionLimit()
    tracemalloc.start()
    try:
        stored = 0
        for start in range(0, 100_000, 1000):
            made_up = [rejected(f"anju/v1/made/up/{n}", n, None) for n in range(start, start + 1000)]
            stored += len(store(limit, made_up))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert stored == AT_ONCE
    assert used < 1000 * MAX_WAITING


def test_topics_that_nobody_registered_do_not_hide_what_is_wrong_with_a_device():
    limit = RejectionLimit()
    store(limit, [rejected(f"made/up/{n}", n, None) for n in range(2 * AT_ONCE)])
    assert store(limit, [rejected("t", 1)]) == [("t", "number 1")]


def test_a_selection_whose_transaction_failed_has_no_effect():
    limit = RejectionLimit()
    store(limit, [rejected(f"t{n}", n) for n in range(AT_ONCE + 5)])
    later = NOW + SECOND
    first = limit.select([rejected("t", 1)], later)
    second = limit.select([rejected("t", 1)], later)
    assert first == second
    assert len(first.rejections) == 6


def test_a_clock_that_was_set_back_does_not_stop_the_storage():
    limit = RejectionLimit()
    store(limit, [rejected(f"t{n}", n) for n in range(AT_ONCE)])
    store(limit, [], NOW - timedelta(days=365))
    assert store(limit, [rejected("t", 1)], NOW - timedelta(days=365) + SECOND) == [("t", "number 1")]


SENDERS = st.sampled_from([("a", DEVICE), ("b", Device(2, "c", "e", "gas_meter")), ("x", None), ("y", None)])
STEPS = st.lists(st.tuples(st.lists(st.tuples(SENDERS, st.integers(1, 60)), max_size=4), st.integers(0, 3)))


@given(STEPS, st.sampled_from([0, AT_ONCE - 5, AT_ONCE]))
def test_once_the_flood_is_over_the_newest_rejection_of_each_sender_is_stored(steps, before):
    """Law, with the bound on the rate: a second adds its share, and nothing is stored twice."""
    limit, now, number = RejectionLimit(), NOW, 0
    newest, stored = {}, []
    for device in (DEVICE, None):
        store(limit, [rejected(f"before/{n}", n, device) for n in range(before)])
    for arrivals, seconds in steps:
        batch = []
        for (topic, device), count in arrivals:
            batch += [rejected(topic, number + n, device) for n in range(count)]
            number += count
            newest[topic] = f"number {number - 1}"
        stored += store(limit, batch, now)
        now += seconds * SECOND
    for _ in range(10):
        now += SECOND
        stored += store(limit, [], now)
    passed_s = (now - NOW).total_seconds()
    assert len(stored) == len(set(stored))
    assert len(stored) <= 2 * (AT_ONCE - before) + passed_s * (REGISTERED_PER_S + UNREGISTERED_PER_S) + 1e-6
    assert dict(stored) == newest
