"""Limit on the messages of a device, which no number of senders can exceed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.device import Device
from devices.schema import Reason
from ingest.device_limit import BURST_BYTES, BYTES_PER_S, MESSAGE_BYTES, DeviceLimit
from ingest.receiver import Message

NOW = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
PERIOD_S = BURST_BYTES / BYTES_PER_S
DEVICES = {("c", f"d{n}"): Device(n + 1, "c", f"d{n}", "gateway") for n in range(3)}
SIZES = st.sampled_from([0, 100, 10_000, 256 * 1024, BURST_BYTES // 3])


def find(community, name):
    return DEVICES.get((community, name))


def sent(device, size, *, channel="telemetry", redelivered=False):
    return Message(f"anju/v1/c/gateway/{device}/{channel}", bytes(size), NOW, redelivered, 1)


def cost(messages):
    return sum(len(message.payload) + MESSAGE_BYTES for message in messages)


def admitted(limit, messages, now_s=0.0, lag_s=0.0):
    return limit.admit(messages, find, now_s, lag_s).messages


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
    st.lists(st.tuples(st.floats(0, 20), st.sampled_from(["d0", "d1", "d2", "nobody"]), SIZES), max_size=40),
    st.integers(1, 5),
)
def test_forgetting_full_buckets_changes_no_decision(messages, sweep_at):
    remembering, forgetting, now_s = DeviceLimit(sweep_at=10**9), DeviceLimit(), 0.0
    for pause_s, device, size in messages:
        now_s += pause_s
        forgetting.sweep_at = sweep_at
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


def test_what_no_registered_device_sends_shares_one_bucket():
    limit = DeviceLimit()
    messages = [sent(f"nobody-{n}", 1000) for n in range(20_000)] + [Message("made/up", b"", NOW, False, 1)]
    admission = limit.admit(messages, find, 0)
    assert cost(admission.messages) <= BURST_BYTES
    (rejected,) = admission.rejections
    assert rejected.times == len(messages) - len(admission.messages)
    assert rejected.rejection.device is None
    assert len(limit.full_at_s) == 1
    assert admitted(limit, [sent("d0", 1000)]) == [sent("d0", 1000)]


def test_the_excess_of_a_device_is_one_rejection_that_counts():
    messages = [sent("d0", BURST_BYTES // 2, channel="event") for _ in range(5)]
    admission = DeviceLimit().admit(messages, find, 0)
    (rejected,) = admission.rejections
    assert rejected.times == len(messages) - len(admission.messages) == 4
    assert rejected.rejection.reason is Reason.RATE_LIMITED
    assert rejected.rejection.device is DEVICES["c", "d0"]
    assert rejected.rejection.payload == b""


def test_what_the_broker_sends_again_is_not_refused():
    again = [sent("d0", BURST_BYTES, redelivered=True)] * 3
    assert admitted(DeviceLimit(), again) == again


@pytest.mark.parametrize(
    ("count", "size"),
    [
        pytest.param(8_671, 60, id="the recording of one meter over a year"),
        pytest.param(200 * 96, 240, id="a day of two hundred electricity meters behind a gateway, one by one"),
        pytest.param(200 * 96 // 50, 240 * 50, id="the same, fifty to a message"),
    ],
)
def test_a_backlog_that_a_working_device_may_have_fits_into_a_burst(count, size):
    backlog = [sent("d0", size)] * count
    assert admitted(DeviceLimit(), backlog) == backlog


def test_many_devices_that_send_a_little_leave_little_in_memory():
    limit = DeviceLimit()
    for start in range(0, 200_000, 10_000):
        devices = {("c", f"m{n}"): Device(n + 1, "c", f"m{n}", "gateway") for n in range(start, start + 10_000)}
        batch = [sent(name, 100) for _, name in devices]
        limit.admit(batch, lambda community, name, devices=devices: devices.get((community, name)), start / 10_000)
    assert len(limit.full_at_s) <= 20_000
