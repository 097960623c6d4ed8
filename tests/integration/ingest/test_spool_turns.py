"""The spool in the database: messages come out as they went in, in the order of their device, in turn with others."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from devices.seal import Seal
from ingest.device_limit import Excess, price
from ingest.receiver import Message
from ingest.spool import Spool
from running import register
from store.database import connect
from store.registry.registry import load_devices
from store.telemetry.spool import delete_spooled, insert_spooled

COMMUNITY = "lunliu"
NOW = datetime(2026, 12, 1, 8, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def connection(database_url):
    register(database_url, COMMUNITY, [("a", "gateway"), ("b", "gateway"), ("c", "gateway")])
    with closing(connect(database_url, application_name="test")) as connection:
        connection.autocommit = True
        yield connection


@pytest.fixture
def devices(connection):
    return {device.name: device for device in load_devices(connection, [COMMUNITY])}


@pytest.fixture
def spool():
    return Spool(Seal(b"a secret key for the tests"), 10**9)


def excess(device, payload=b"{}", n=0, **flags):
    topic = f"anju/v1/{COMMUNITY}/gateway/{device.name}/event"
    message = Message(topic, payload, NOW + timedelta(seconds=n), flags.get("redelivered", False), 7)
    return Excess(device, message._replace(retained=flags.get("retained", False)), price(payload))


def put(spool, connection, messages):
    rows = spool.rows(messages)
    insert_spooled(connection, rows)
    spool.note_written(rows, [])


def finish(spool, connection, messages):
    keys = [message.spooled for message in messages]
    delete_spooled(connection, keys)
    spool.note_written([], keys)


def names(messages):
    return "".join(message.topic.split("/")[4] for message in messages)


@pytest.mark.parametrize("flags", [{}, {"redelivered": True}, {"retained": True}])
def test_a_message_comes_out_as_it_went_in(spool, connection, devices, flags):
    put(spool, connection, [sent := excess(devices["a"], b'{"plate": "1"}\x00\xff', **flags)])
    (message,) = spool.take(connection, 1000).messages
    assert message._replace(spooled=None) == sent.message._replace(packet_id=0)


def test_messages_of_a_device_come_in_their_order_and_stay_until_they_are_finished(spool, connection, devices):
    sent = [excess(devices["a"], n=n % 3) for n in range(50)]
    put(spool, connection, sent[:20])
    put(spool, connection, sent[20:])
    assert spool.take(connection, 400).messages == (first := spool.take(connection, 400).messages)
    taken = []
    while spool.devices:
        finish(spool, connection, piece := spool.take(connection, 400).messages)
        assert len(piece) <= len(first)
        taken += piece
    assert [message.received_at for message in taken] == [each.message.received_at for each in sent]
    assert spool.total == (0, 0)
    assert connection.execute("SELECT count(*) FROM spool").fetchall() == [(0,)]


def test_a_long_backlog_delays_the_short_one_of_another_device_by_one_turn(spool, connection, devices):
    put(spool, connection, [excess(devices["a"], bytes(1000)) for _ in range(200)])
    put(spool, connection, [excess(devices["b"]), excess(devices["c"])])
    assert sorted(names(spool.take(connection, 3000).messages)) == ["a", "b", "c"]


def test_devices_take_turns_whatever_the_size_of_their_messages(spool, connection, devices):
    large, small = bytes(100_000), b"{}"
    put(spool, connection, [excess(devices[name], large if name == "a" else small) for name in "ab" for _ in range(20)])
    order = ""
    for _ in range(4):
        messages = spool.take(connection, 500).messages
        order += names(messages)
        finish(spool, connection, messages)
    assert order.count("a") <= 4
    assert order.count("b") >= 4


def test_the_totals_of_the_database_are_those_of_memory(spool, connection, devices):
    put(spool, connection, [excess(devices[name], bytes(n), n) for n in range(30) for name in "abc"])
    finish(spool, connection, spool.take(connection, 3000).messages)
    restored = Spool(Seal(b"a secret key for the tests"), 10**9)
    restored.restore(connection, [COMMUNITY])
    assert restored.total == spool.total
    assert set(restored.devices) == set(spool.devices)
    restored.restore(connection, ["another"])
    assert restored.total == (0, 0)


def test_rows_that_an_operator_deletes_are_forgotten(spool, connection, devices):
    put(spool, connection, [excess(devices[name]) for name in "aab"])
    connection.execute("DELETE FROM spool WHERE device_id = %s", (devices["a"].id,))
    assert names(spool.take(connection, 10_000).messages) == "b"
    assert set(spool.devices) == {devices["b"].id}
    assert connection.execute("SELECT device_id, messages FROM spool_total").fetchall() == [(devices["b"].id, 1)]
