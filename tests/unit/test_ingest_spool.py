"""The spool's bound, its pace, and the seal on its payloads."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.device import Device
from devices.seal import SEAL_BYTES, Seal, SealError
from ingest.device_limit import Excess, price
from ingest.receiver import Message
from ingest.spool import DEVICE_SHARE, REFUSED_FOR, Spool
from store.telemetry.spool import ROW_BYTES, SpoolKey

NOW = datetime(2026, 12, 1, 4, 30, tzinfo=UTC)
DEVICES = [
    Device(n + 1, "linyin", f"gw-{n}", "gateway", place=f"{n + 1}号楼", community_name="林荫小区") for n in range(12)
]
LIMIT = 80_000
PLATE = '{"ts":1,"event":"passed","data":{"plate":"蒙K12345"}}'.encode()
TOPIC = "anju/v1/linyin/vehicle_gate/gate-1/event"


def excess(device, size):
    message = Message(f"anju/v1/linyin/gateway/{device.name}/telemetry", bytes(size), NOW, False, 1)
    return Excess(device, message, price(message.payload))


def spool_with(limit=LIMIT):
    return Spool(Seal(b"a secret key for the tests"), limit)


def taken_up(messages):
    return sum(len(each.message.payload) + SEAL_BYTES + ROW_BYTES for each in messages)


def store(spool, messages, start=1):
    """Store admitted messages, and return their keys."""
    rows = spool.rows(messages)
    spool.note_written(rows, [])
    return [SpoolKey(row.device_id, start + n, row.bytes) for n, row in enumerate(rows)]


SENT = st.lists(st.tuples(st.sampled_from(DEVICES), st.sampled_from([0, 100, 3000, 9000])), max_size=60)


@given(st.lists(SENT, max_size=4))
def test_the_spool_of_a_device_and_the_whole_spool_stay_within_their_bounds(batches):
    spool, kept = spool_with(), []
    for batch in batches:
        messages = [excess(device, size) for device, size in batch]
        spooled, refused = spool.admit(messages, NOW)
        assert Counter(spooled + refused) == Counter(messages)
        store(spool, spooled)
        kept += spooled
        assert taken_up(kept) == spool.total.bytes <= LIMIT
        for device in DEVICES:
            assert taken_up(each for each in kept if each.device == device) <= LIMIT / DEVICE_SHARE


@given(SENT)
def test_within_the_bound_nothing_is_refused(batch):
    messages = [excess(device, size) for device, size in batch]
    spooled, refused = spool_with(limit=DEVICE_SHARE * (taken_up(messages) + 1)).admit(messages, NOW)
    assert (spooled, refused) == (messages, [])


@given(SENT, st.data())
def test_the_totals_follow_what_comes_and_what_is_worked_off(batch, data):
    spool = spool_with(limit=10**9)
    keys = store(spool, [excess(device, size) for device, size in batch])
    gone = data.draw(st.sets(st.sampled_from(keys))) if keys else set()
    spool.note_written([], sorted(gone, key=lambda key: key.id))
    left = [key for key in keys if key not in gone]
    assert spool.total == (len(left), sum(key.bytes for key in left))
    assert set(spool.devices) == {key.device_id for key in left}


def test_a_device_is_named_for_five_minutes_after_its_last_refused_message():
    spool, full = spool_with(), [excess(DEVICES[0], 9000)] * 2
    assert spool.refused_devices(NOW) == ""
    spool.admit(full, NOW)
    assert spool.refused_devices(NOW + REFUSED_FOR - timedelta(seconds=1)) == "林荫小区 1号楼 采集网关（gw-0）"
    assert spool.refused_devices(NOW + REFUSED_FOR) == ""


def test_of_many_refused_devices_three_are_named_and_all_are_counted():
    spool = spool_with()
    spool.admit([excess(device, LIMIT) for device in DEVICES], NOW)
    assert spool.refused_devices(NOW) == (
        "林荫小区 1号楼 采集网关（gw-0）、林荫小区 2号楼 采集网关（gw-1）、林荫小区 3号楼 采集网关（gw-2）等 12 台设备"
    )


@given(st.binary(max_size=2000))
def test_a_sealed_payload_comes_out_as_it_went_in_and_shows_nothing_of_it(payload):
    seal = Seal(b"a secret key for the tests")
    sealed = seal.seal(TOPIC, payload)
    assert seal.open(TOPIC, sealed) == payload
    assert len(sealed) == len(payload) + SEAL_BYTES
    assert len(payload) < 8 or payload not in sealed
    assert sealed != seal.seal(TOPIC, payload)


@pytest.mark.parametrize(
    ("key", "topic"), [(b"another secret key", TOPIC), (b"a secret key for the tests", TOPIC + "s")]
)
def test_under_another_key_or_topic_a_payload_stays_sealed(key, topic):
    sealed = Seal(b"a secret key for the tests").seal(TOPIC, PLATE)
    assert "蒙K12345".encode() not in sealed
    with pytest.raises(SealError, match="ANJU_SECRET_KEY"):
        Seal(key).open(topic, sealed)


@given(st.binary(max_size=200))
def test_a_payload_sealed_under_an_earlier_key_is_still_opened(payload):
    sealed = Seal(b"the key before that one").seal(TOPIC, payload)
    assert Seal(b"a secret key for the tests", b"the key before that one").open(TOPIC, sealed) == payload
