"""MQTT 3.1.1 packets as bytes, for measurements with a cheap client."""

import socket
import struct
from collections.abc import Iterator

from devices.broker_url import Address, BrokerUrl

PUBACK, PUBLISH = 0x40, 0x30
_PATIENCE_S = 10.0


def log_in(broker: BrokerUrl, address: Address, client_id: str, *, clean: bool) -> socket.socket:
    """Return a socket with an accepted CONNECT, without keep-alive.

    Raises:
        ConnectionError: The node refuses the account, or closes the connection.
        OSError: The node is unreachable, or does not answer within ten seconds.
    """
    connection = socket.create_connection(address, _PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(connect(client_id, broker.username, broker.password, clean=clean))
    answer = connection.recv(4)
    if len(answer) < 4 or answer[0] != 0x20 or answer[3] != 0:
        connection.close()
        raise ConnectionError(f"{address} refuses the connection: {answer.hex() or 'closed'}")
    return connection


def connect(client_id: str, username: str, password: str, *, clean: bool) -> bytes:
    """Return a CONNECT packet without keep-alive."""
    flags = 0xC2 if clean else 0xC0
    texts = b"".join(_text(text.encode()) for text in (client_id, username, password))
    return _packet(0x10, b"\x00\x04MQTT\x04" + bytes([flags]) + b"\x00\x00" + texts)


def subscribe(topic_filter: str) -> bytes:
    """Return a SUBSCRIBE packet with QoS 1."""
    return _packet(0x82, b"\x00\x01" + _text(topic_filter.encode()) + b"\x01")


def publish(topic: bytes, payload: bytes, packet_id: int) -> bytes:
    """Return a PUBLISH packet with QoS 1."""
    return _packet(0x32, _text(topic) + struct.pack("!H", packet_id) + payload)


def puback(packet_id: int) -> bytes:
    """Return a PUBACK packet."""
    return struct.pack("!BBH", PUBACK, 2, packet_id)


def take(received: bytearray) -> Iterator[tuple[int, bytes]]:
    """Remove the complete packets from the front and yield their first byte without flags, and their content."""
    start, end = 0, len(received)
    while end - start >= 2:
        length, at, shift = 0, start + 1, 0
        while at < end and received[at] & 0x80:
            length |= (received[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
        if at >= end:
            break
        length |= received[at] << shift
        if at + 1 + length > end:
            break
        yield received[start] & 0xF0, bytes(received[at + 1 : at + 1 + length])
        start = at + 1 + length
    del received[:start]


def _text(content: bytes) -> bytes:
    return struct.pack("!H", len(content)) + content


def _packet(first: int, content: bytes) -> bytes:
    length, left = bytearray(), len(content)
    while left > 127:
        length.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes((first, *length, left)) + content
