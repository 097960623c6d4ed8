"""Limit on the messages of a device, which no number of senders can exceed."""

from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.device import Device
from devices.payload import find_sender
from ingest.device_limit import (
    BATCH_COST,
    BURST_BYTES,
    BYTES_PER_S,
    ITEM_BYTES,
    MESSAGE_BYTES,
    URGENT_BURST_BYTES,
    URGENT_BYTES_PER_S,
    Charged,
    DeviceLimit,
    price,
)
from ingest.receiver import Message

NOW = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
PERIOD_S = BURST_BYTES / BYTES_PER_S
DEVICES = {("c", f"d{n}"): Device(n + 1, "c", f"d{n}", "gateway") for n in range(3)}
SIZES = st.sampled_from([0, 100, 10_000, 256 * 1024, BURST_BYTES // 3])
ALARM = b'{"event": "gas_leak"}'


def find_in(devices):
    """Return the function that finds the sender of a topic among devices by community and name."""
    return partial(find_sender, find_device=lambda *key: devices.get(key))


find = find_in(DEVICES)


def sent(device, size, *, channel="telemetry", redelivered=False):
    return Message(f"anju/v1/c/gateway/{device}/{channel}", bytes(size), NOW, redelivered, 1)


def cost(messages):
    return sum(price(message.payload) for message in messages)


def charged(limit, messages, now_s=0.0, lag_s=0.0, *, spooled=(), **more):
    """Charge all messages, batch after batch at one instant, and return the batches as one."""
    waiting, spooled, whole = iter(messages), set(spooled), Charged([], [], [], [])
    while (batch := limit.charge(waiting, find, now_s, lag_s, spooled=spooled, **more)).received:
        for part, of_batch in zip(whole, batch, strict=True):
            part.extend(of_batch)
        spooled.update(device.id for device, _, _ in batch.excess)
    return whole


def admitted(limit, messages, now_s=0.0, lag_s=0.0, **more):
    return charged(limit, messages, now_s, lag_s, **more).admitted


def names(messages):
    return [message.topic.split("/")[4] for message in messages]


@given(st.lists(st.tuples(st.floats(0, PERIOD_S), st.lists(SIZES, max_size=8)), max_size=20), st.floats(0, 1e6))
def test_no_more_is_admitted_than_the_burst_and_what_flows_in_meanwhile(batches, start_s):
    limit, now_s, total = DeviceLimit(), start_s, 0
    for pause_s, sizes in batches:
        now_s += pause_s
        total += cost(admitted(limit, [sent("d0", size) for size in sizes], now_s))
        assert total <= BURST_BYTES + BYTES_PER_S * (now_s - start_s) + 1


@given(st.lists(st.tuples(st.floats(0, 60), SIZES), max_size=30), st.floats(0, 10_000))
def test_a_device_within_its_rate_is_never_refused_however_late_its_messages_come(publishings, outage_s):
    """It publishes as soon as its own bucket has room; ingest sees the present, is away, and drains the rest."""
    full_at_s, at_s, schedule = 0.0, 0.0, []
    for pause_s, size in publishings:
        at_s = max(at_s + pause_s, full_at_s + (size + MESSAGE_BYTES) / BYTES_PER_S - PERIOD_S + 1e-6)
        full_at_s = max(full_at_s, at_s) + (size + MESSAGE_BYTES) / BYTES_PER_S
        schedule.append((at_s, sent("d0", size)))
    present_s = schedule[len(schedule) // 2][0] if schedule else 0.0
    limit = DeviceLimit()
    for at_s, message in schedule:
        if at_s <= present_s:
            assert admitted(limit, [message], at_s) == [message]
    late = [message for at_s, message in schedule if at_s > present_s]
    back_s = max(at_s, present_s) + outage_s
    assert admitted(limit, late, back_s, lag_s=back_s - present_s) == late


@given(
    st.lists(st.tuples(st.floats(0, 600), st.integers(1, 40)), min_size=1, max_size=20),
    st.floats(0, 1e6),
    st.booleans(),
)
def test_a_device_that_causes_the_lag_gets_no_credit_for_it(batches, caught_up_s, redelivered):
    """Ingest is caught up when the flood of useless arrays begins, and falls further behind with each batch."""
    limit, now_s, total = DeviceLimit(), caught_up_s, 0
    array = sent("d0", 0, redelivered=redelivered)._replace(payload=b"[" + b"1," * 8000 + b"1]")
    for took_s, number in batches:
        whole = charged(limit, [array] * number, now_s, lag_s=now_s - caught_up_s)
        total += len(whole.admitted) * price(array.payload)
        assert total <= BURST_BYTES + BYTES_PER_S * (now_s - caught_up_s) + 1
        assert admitted(limit, [sent("d1", 100)], now_s, lag_s=now_s - caught_up_s)
        now_s += took_s


@given(
    st.lists(st.tuples(st.floats(0, 20), st.sampled_from(["d0", "d1", "d2", "nobody"]), SIZES), max_size=40),
    st.integers(1, 5),
)
def test_forgetting_full_buckets_changes_no_decision(messages, sweep_at):
    remembering, forgetting, now_s = DeviceLimit(), DeviceLimit(), 0.0
    remembering.shares.sweep_at = 10**9
    for pause_s, device, size in messages:
        now_s += pause_s
        forgetting.shares.sweep_at = sweep_at
        one = [sent(device, size)]
        assert admitted(forgetting, one, now_s) == admitted(remembering, one, now_s)


def test_a_flood_of_one_device_leaves_the_others_alone():
    messages = [sent(f"d{n % 2 * n % 3}", 100 if n % 2 else 30_000) for n in range(2000)]
    left = admitted(DeviceLimit(), messages)
    assert names(left).count("d0") < names(messages).count("d0")
    for other in ("d1", "d2"):
        assert names(left).count(other) == names(messages).count(other) > 0


def test_the_channels_of_a_device_share_its_bucket():
    limit = DeviceLimit()
    half = BURST_BYTES // 2
    assert len(admitted(limit, [sent("d0", half), sent("d0", half, channel="event")])) == 1


def test_what_no_registered_device_sends_shares_one_bucket_and_is_never_spooled():
    limit = DeviceLimit()
    messages = [sent(f"nobody-{n}", 1000) for n in range(20_000)] + [Message("made/up", b"", NOW, False, 1)]
    whole = charged(limit, messages)
    assert cost(whole.admitted) <= BURST_BYTES
    assert whole.excess == []
    assert len(whole.unregistered) == len(messages) - len(whole.admitted)
    assert len(limit.shares.full_at_s) == 1
    assert admitted(limit, [sent("d0", 1000)]) == [sent("d0", 1000)]


@given(st.lists(st.tuples(st.sampled_from(["d0", "d1", "d2"]), SIZES), max_size=60))
def test_behind_the_first_excess_of_a_device_all_its_messages_queue_in_their_order(messages):
    whole = charged(DeviceLimit(), received := [sent(device, size) for device, size in messages])
    assert whole.received == received
    for device in ("d0", "d1", "d2"):
        of_device = [message for message in received if names([message]) == [device]]
        at_once = [message for message in whole.admitted if names([message]) == [device]]
        later = [message for _, message, _ in whole.excess if names([message]) == [device]]
        assert at_once + later == of_device


def test_messages_of_a_device_with_a_spool_queue_behind_it_and_those_of_others_do_not():
    whole = charged(DeviceLimit(), [sent("d0", 1), sent("d1", 1), sent("d0", 2)], spooled={DEVICES["c", "d0"].id})
    assert names(whole.admitted) == ["d1"]
    assert [len(message.payload) for _, message, _ in whole.excess] == [1, 2]


def test_an_alarm_does_not_queue_behind_the_spool_of_its_device():
    alarm = sent("d0", 0)._replace(payload=ALARM)
    messages = [sent("d0", 1), alarm, sent("d0", 2)]
    whole = charged(DeviceLimit(), messages, spooled={1}, is_urgent=lambda payload: payload == ALARM)
    assert whole.admitted == [alarm]
    assert [message for _, message, _ in whole.excess] == [messages[0], messages[2]]


def test_alarms_without_end_have_a_small_share_of_their_own():
    limit, alarm, total = DeviceLimit(), sent("d0", 0)._replace(payload=ALARM), 0
    for now_s in range(0, 1000, 10):
        whole = charged(limit, [alarm] * 200, now_s, spooled={1}, is_urgent=lambda _: True)
        assert len(whole.admitted) + len(whole.excess) == 200
        total += cost(whole.admitted)
    assert total <= URGENT_BURST_BYTES + URGENT_BYTES_PER_S * 1000


def test_what_the_broker_sends_again_is_charged_again():
    again = [sent("d0", BURST_BYTES // 2, redelivered=True)] * 3
    assert len(charged(DeviceLimit(), again).excess) == 2


@pytest.mark.parametrize(
    ("payload", "items"),
    [(b"[" + b"1," * 8000 + b"1]", 8001), (b"[" + b"{}," * 5000 + b"{}]", 5001), (b'{"ts":1,"values":{"a":1}}', 1)],
)
def test_a_message_is_charged_for_its_items_as_well_as_for_its_bytes(payload, items):
    assert price(payload) >= len(payload) + MESSAGE_BYTES + ITEM_BYTES * (items - 1)


def test_arrays_of_numbers_get_no_more_time_than_readings():
    """Items that are nothing but a number take as long to refuse as readings of fifty bytes take to store."""
    numbers = sent("d0", 0)._replace(payload=b"[" + b"1," * 8000 + b"1]")
    assert len(admitted(DeviceLimit(), [numbers] * 100)) * 8001 <= BURST_BYTES / ITEM_BYTES


def test_a_batch_ends_where_its_messages_cost_as_much_as_one_transaction_should():
    devices = [f"d{n % 3}" for n in range(100)]
    waiting = iter([sent(device, BURST_BYTES - MESSAGE_BYTES) for device in devices])
    first = DeviceLimit().charge(waiting, find, 0.0)
    assert cost(first.admitted) <= BATCH_COST + BURST_BYTES
    assert len(first.received) + len(list(waiting)) == 100


def test_many_devices_that_send_a_little_leave_little_in_memory():
    limit = DeviceLimit()
    for start in range(0, 200_000, 10_000):
        devices = {("c", f"m{n}"): Device(n + 1, "c", f"m{n}", "gateway") for n in range(start, start + 10_000)}
        batch = [sent(name, 100) for _, name in devices]
        limit.charge(batch, find_in(devices), start / 10_000)
    assert len(limit.shares.full_at_s) <= 20_000
