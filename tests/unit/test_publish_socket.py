"""Packets of a stream, compared with paho's own decoding of the same bytes."""

import select
import socket
import threading
from contextlib import closing, contextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from devices.broker_url import BrokerUrl
from ingest.publish_socket import MalformedPacketError, Publish, PublishContext, PublishSocket, split_packets
from laws import examples

CONNACK = b"\x20\x02\x00\x00"
PINGRESP = b"\xd0\x00"
SUBACK = b"\x90\x03\x00\x01\x01"

topics = st.text(st.characters(exclude_characters="+#\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
publishes = st.builds(
    Publish, topics.map(str.encode), st.binary(max_size=400), st.integers(0, 65535), st.booleans(), st.booleans()
).map(lambda each: each if each.packet_id else each._replace(dup=False))
others = st.sampled_from([PINGRESP, SUBACK])


def length(number):
    """Encode a remaining length (MQTT 3.1.1, section 2.2.3)."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + length(rest) if rest else bytes([low])


def packet(publish):
    if isinstance(publish, bytes):
        return publish
    topic, payload, packet_id, dup, retain = publish
    body = len(topic).to_bytes(2, "big") + topic + (packet_id.to_bytes(2, "big") if packet_id else b"") + payload
    return bytes([0x30 | (0x02 if packet_id else 0) | (0x08 if dup else 0) | retain]) + length(len(body)) + body


def read_by_us(chunks):
    """Return the messages from a PublishSocket, and the bytes left for paho."""
    ours, theirs = socket.socketpair()
    with closing(theirs):
        ours.setblocking(False)
        connection, published, rest = PublishSocket(ours), [], b""
        for chunk in chunks:
            for at in range(0, len(chunk), 50_000):
                theirs.sendall(chunk[at : at + 50_000])
                published += connection.receive()
        while connection.concerns_paho:
            rest += connection.recv(3)
        connection.close()
    return published, rest


@contextmanager
def broker_that_sends(stream):
    """Listen on a port; send the first client these bytes and close the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(stream)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(4096)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def read_by_paho(stream):
    """Return the messages that plain paho decodes from these bytes."""
    messages = []
    client = Client(CallbackAPIVersion.VERSION2, manual_ack=True)
    client.on_message = lambda _client, _data, message: messages.append(
        Publish(message.topic.encode(), bytes(message.payload), message.mid, bool(message.dup), bool(message.retain))
    )
    with broker_that_sends(CONNACK + stream) as port:
        client.connect("127.0.0.1", port)
        while client.socket() is not None:
            select.select([client.socket()], [], [], 5)
            client.loop_read()
    return messages


def cut(data, places):
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:stop] for start, stop in pairwise(edges)]


@given(stream=st.lists(publishes | others, max_size=12), places=st.lists(st.integers(0), max_size=30))
@examples(60)
def test_any_chunking_gives_the_messages_that_paho_reads(stream, places):
    data = b"".join(map(packet, stream))
    published, rest = read_by_us(cut(data, places))
    assert published == read_by_paho(data) == [each for each in stream if isinstance(each, Publish)]
    assert rest == b"".join(each for each in stream if isinstance(each, bytes))


@given(chunks=st.lists(st.binary(max_size=200), max_size=20))
@examples(500)
def test_any_bytes_are_read_or_end_the_connection(chunks):
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        ours.setblocking(False)
        connection = PublishSocket(ours)
        for chunk in chunks:
            theirs.sendall(chunk)
            connection.receive()


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_a_message_of_any_size_arrives_whole(size):
    publish = Publish(b"anju/v1/c/gateway/g/telemetry", b"x" * size, 7, dup=False)
    assert read_by_us([packet(publish), packet(publish)]) == ([publish, publish], b"")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x34\x05\x00\x01a\x00\x01", id="QoS 2"),
        pytest.param(b"\x36\x05\x00\x01a\x00\x01", id="QoS 3"),
        pytest.param(b"\x32\x05\x00\x01a\x00\x00", id="packet id 0"),
        pytest.param(b"\x30\x03\x00\x05a", id="a topic longer than its packet"),
        pytest.param(b"\x32\x03\x00\x01a", id="no room for a packet id"),
        pytest.param(b"\x30\x00", id="no topic at all"),
        pytest.param(b"\x30\xff\xff\xff\xff\x01", id="a length of five bytes"),
    ],
)
def test_invalid_mqtt_ends_the_connection(data):
    with pytest.raises(MalformedPacketError):
        split_packets(data, bytearray())
    ours, theirs = socket.socketpair()
    with closing(theirs):
        connection = PublishSocket(ours)
        theirs.sendall(PINGRESP + data)
        assert connection.receive() == []
        assert connection.recv(2) == PINGRESP
        with pytest.raises(ConnectionError):
            connection.recv(1)
        connection.close()


def test_packets_that_paho_sends_and_acknowledgements_never_mix():
    ours, theirs = socket.socketpair()
    with closing(theirs):
        ours.setblocking(False)
        connection = PublishSocket(ours)
        assert connection.send(b"\xc0\x00") == 2
        connection.acknowledge([1, 65535])
        assert connection.send(b"\xe0\x00") == 2
        connection.flush()
        assert theirs.recv(100) == b"\xc0\x00" + b"\x40\x02\x00\x01" + b"\x40\x02\xff\xff" + b"\xe0\x00"
        assert not connection.has_unsent
        connection.close()


def test_packets_for_a_slow_broker_wait_and_are_sent_in_order():
    ours, theirs = socket.socketpair()
    with closing(theirs):
        ours.setblocking(False)
        connection, expected, received = PublishSocket(ours), b"", b""
        while not connection.has_unsent:
            connection.acknowledge(list(range(1, 30_000)))
            connection.flush()
            expected += b"".join(b"\x40\x02" + number.to_bytes(2, "big") for number in range(1, 30_000))
        while len(received) < len(expected):
            received += theirs.recv(1 << 20)
            connection.flush()
        assert received == expected
        connection.close()


def test_paho_connects_through_it_and_its_own_packets_still_reach_it():
    """Check the assumptions about paho; a new version may treat its TLS context or its socket differently."""
    connected, subscribed = [], []
    client = Client(CallbackAPIVersion.VERSION2, manual_ack=True)
    client.tls_set_context(PublishContext(BrokerUrl.parse("mqtt://u:s@127.0.0.1")))
    client.on_connect = lambda *arguments: connected.append(str(arguments[3]))
    client.on_subscribe = lambda *arguments: subscribed.append(arguments[2])
    message = Publish(b"a", b"b", 5, dup=False)
    with broker_that_sends(CONNACK + packet(message) + SUBACK) as port:
        client.connect("127.0.0.1", port)
        connection = client.socket()
        assert isinstance(connection, PublishSocket)
        connection.flush()
        published = []
        while client.socket() is not None:
            select.select([connection], [], [], 5)
            published += connection.receive()
            while connection.concerns_paho and client.socket() is not None:
                client.loop_read()
    assert published == [message]
    assert connected == ["Success"]
    assert subscribed == [1]
