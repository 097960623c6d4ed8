"""A socket between paho and the broker that takes the PUBLISH packets out of the stream.

paho reads a packet in four small receives, makes an object of it and sends each acknowledgement by itself: 21
microseconds a message (`benchmarks/receive.py`). Here one large receive is cut into its packets (MQTT 3.1.1, section
2.2). Packets other than PUBLISH go on to paho, which does the rest of the protocol. Only public means are used: paho
wraps its connection with the TLS context that it is given, and `PublishContext` wraps it in a `PublishSocket`.
"""

import socket
import ssl
from typing import Any, NamedTuple

from devices.broker_tls import BrokerContext

_RECEIVE_BYTES = 256 * 1024
_PUBLISH = 0x30
_DUP = 0x08
_RETAIN = 0x01
_PUBACK = b"\x40\x02"
_LONGEST_HEADER = 5


class Publish(NamedTuple):
    """A PUBLISH packet; `packet_id` identifies it on this connection, 0 at QoS 0.

    `dup` marks a redelivery, `retain` the copy of a retained message for a new subscription.
    """

    topic: bytes
    payload: bytes
    packet_id: int
    dup: bool
    retain: bool = False


class PublishSocket:
    """A connection that gives PUBLISH packets to `receive` and all other bytes to paho's `recv`."""

    def __init__(self, connection: socket.socket) -> None:
        """Take over an open connection."""
        self._connection = connection
        self._unread = bytearray()
        self._wanted = 2
        self._for_paho = bytearray()
        self._end: OSError | None = None
        self._has_ended = False
        self._unsent = bytearray()

    def receive(self) -> list[Publish]:
        """Read the arrived bytes once and return the complete PUBLISH packets, in order."""
        try:
            chunk = self._connection.recv(_RECEIVE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return []
        except OSError as error:
            self._end, self._has_ended = error, True
            return []
        self._has_ended = not chunk
        self._unread += chunk
        if len(self._unread) < self._wanted:
            return []
        data = bytes(self._unread)
        try:
            published, position, self._wanted = split_packets(data, self._for_paho)
        except MalformedPacketError as error:
            self._end, self._has_ended = error, True
            return []
        del self._unread[:position]
        return published

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Queue the acknowledgements of these packets; `flush` sends them."""
        self._unsent += b"".join([_PUBACK + packet_id.to_bytes(2, "big") for packet_id in packet_ids])

    def flush(self) -> None:
        """Send queued bytes as far as the connection takes them now; a broken connection shows at the next read."""
        try:
            while self._unsent:
                del self._unsent[: self._connection.send(self._unsent)]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self._end, self._has_ended = error, True

    @property
    def has_unsent(self) -> bool:
        """Whether bytes are queued for `flush`."""
        return bool(self._unsent)

    @property
    def concerns_paho(self) -> bool:
        """Whether paho has a packet or the end of the connection to read."""
        return bool(self._for_paho) or self._has_ended

    # The methods below are called by paho.

    def recv(self, size: int) -> bytes:
        """Return bytes of packets other than PUBLISH; empty at the end of the connection.

        Raises:
            BlockingIOError: there are none now.
            OSError: the connection broke.
        """
        if self._for_paho:
            chunk = bytes(self._for_paho[:size])
            del self._for_paho[:size]
            return chunk
        if self._end:
            raise self._end
        if self._has_ended:
            return b""
        raise BlockingIOError

    def send(self, data: bytes) -> int:
        """Queue a packet behind the queued ones; always whole, so that packets never mix."""
        self._unsent += data
        return len(data)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._connection.fileno()

    def pending(self) -> int:
        """Return the number of deciphered bytes that TLS still holds: the descriptor does not show them as readable."""
        return self._connection.pending() if isinstance(self._connection, ssl.SSLSocket) else 0

    def settimeout(self, seconds: float | None) -> None:
        """Set the time limit of the handshake."""
        self._connection.settimeout(seconds)

    def do_handshake(self) -> None:
        """Agree on keys, where the connection is one with TLS."""
        if isinstance(self._connection, ssl.SSLSocket):
            self._connection.do_handshake()

    def setblocking(self, blocking: bool) -> None:
        """Choose whether a read waits."""
        self._connection.setblocking(blocking)

    def close(self) -> None:
        """Close the connection, after a last attempt to send queued bytes."""
        self.flush()
        self._connection.close()


class MalformedPacketError(ConnectionError):
    """The broker sent bytes that are not MQTT 3.1.1; the connection is unusable."""


def split_packets(data: bytes, others: bytearray) -> tuple[list[Publish], int, int]:
    """Cut received bytes into packets.

    Args:
        data: received bytes, from the beginning of a packet on.
        others: gets the packets that are not PUBLISH, whole and in order.

    Returns:
        The PUBLISH packets, the number of bytes that they and the other packets took, and the least number of bytes
        from there on that may complete the next packet.

    Raises:
        MalformedPacketError: a length that MQTT does not allow, or a PUBLISH of QoS 2 or 3, which ingest never
            subscribes to.
    """
    published: list[Publish] = []
    position, size = 0, len(data)
    while size - position >= 2:
        head, length, start = data[position], data[position + 1], position + 2
        if length & 0x80:
            following = data[start] if start < size else 0x80
            if following & 0x80:
                length, start = _long_length(data, position + 1)
                if not start:
                    return published, position, size - position + 1
            else:
                length, start = length & 0x7F | following << 7, start + 1
        stop = start + length
        if stop > size:
            return published, position, stop - position
        if head & 0xF0 == _PUBLISH:
            published.append(_publish(data, head, start, stop))
        else:
            others += data[position:stop]
        position = stop
    return published, position, 2


def _publish(data: bytes, head: int, start: int, stop: int) -> Publish:
    topic = start + 2
    body = topic + int.from_bytes(data[start:topic], "big")
    packet_id = 0
    if head & 0x06:
        body += 2
        packet_id = int.from_bytes(data[body - 2 : body], "big")
    if body > stop or head & 0x04 or (head & 0x06 and not packet_id):
        raise MalformedPacketError("the broker sent a PUBLISH that is no MQTT 3.1.1 of QoS 0 or 1")
    end_of_topic = body - 2 if packet_id else body
    return Publish(data[topic:end_of_topic], data[body:stop], packet_id, head & _DUP != 0, head & _RETAIN != 0)


def _long_length(data: bytes, at: int) -> tuple[int, int]:
    """Return a remaining length of several bytes and the position behind it; 0, 0 if its last byte is missing."""
    length = 0
    for count, byte in enumerate(data[at : at + _LONGEST_HEADER - 1]):
        length |= (byte & 0x7F) << 7 * count
        if not byte & 0x80:
            return length, at + count + 1
    if len(data) - at >= _LONGEST_HEADER - 1:
        raise MalformedPacketError("the broker sent a packet whose length is no MQTT")
    return 0, 0


class PublishContext(BrokerContext):
    """A TLS context for paho that makes a `PublishSocket` of each connection, ciphered or not."""

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as ssl has it
        """Wrap an open connection; raise OSError if a file of TLS can't be used."""
        return PublishSocket(super().wrap_socket(sock, *args, **options) if self.broker.tls else sock)
