"""The few MQTT 3.1.1 packets of a publisher, as bytes: for tests that must not rely on Anju's own clients."""

from collections.abc import Iterator

PUBACK = 0x40
CONNACK = 0x20


def connect(
    client_id: str, username: str, password: str, *, will: tuple[str, bytes] | None = None, clean: bool = True
) -> bytes:
    """Return CONNECT without keep-alive; a will is retained and has QoS 1."""
    flags = 0xC0 | (0x2C if will else 0) | (0x02 if clean else 0)
    texts = [client_id.encode(), *((will[0].encode(), will[1]) if will else ()), username.encode(), password.encode()]
    return _packet(0x10, b"\x00\x04MQTT\x04" + bytes([flags]) + b"\x00\x00" + b"".join(map(_text, texts)))


def publish(topic: str, payload: bytes, packet_id: int, *, again: bool = False, retain: bool = False) -> bytes:
    """Return PUBLISH with QoS 1."""
    first = 0x32 | (0x08 if again else 0) | (0x01 if retain else 0)
    return _packet(first, _text(topic.encode()) + packet_id.to_bytes(2, "big") + payload)


def answers(received: bytearray) -> Iterator[tuple[int, int]]:
    """Remove the complete packets from the front of received bytes, and yield (type, packet id or return code).

    A broker sends a publisher nothing but CONNACK and PUBACK, with two bytes of content.
    """
    while len(received) >= 4:
        kind, number = received[0], int.from_bytes(received[2:4], "big")
        assert kind in {CONNACK, PUBACK}, f"a publisher can't be sent a packet {bytes(received[:4])!r}"
        del received[:4]
        yield kind, number


def _text(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content


def _packet(first: int, content: bytes) -> bytes:
    length, left = bytearray(), len(content)
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([first]) + bytes(length) + content
