"""The few MQTT 3.1.1 packets of a device, as bytes: for tests that must not rely on Anju's own clients."""

from collections.abc import Iterator

PUBACK = 0x40
PUBREC = 0x50
PUBCOMP = 0x70
CONNACK = 0x20
SUBACK = 0x90


def connect(
    client_id: str, username: str | None, password: str, *, will: tuple[str, bytes] | None = None, clean: bool = True
) -> bytes:
    """Return CONNECT without keep-alive; a will is retained and has QoS 1, and without a username there is no login."""
    account = () if username is None else (username.encode(), password.encode())
    flags = (0xC0 if account else 0) | (0x2C if will else 0) | (0x02 if clean else 0)
    texts = [client_id.encode(), *((will[0].encode(), will[1]) if will else ()), *account]
    return _packet(0x10, b"\x00\x04MQTT\x04" + bytes([flags]) + b"\x00\x00" + b"".join(map(_text, texts)))


def publish(
    topic: str, payload: bytes, packet_id: int, *, again: bool = False, retain: bool = False, qos: int = 1
) -> bytes:
    """Return PUBLISH; with QoS 0 it carries no packet id."""
    first = 0x30 | qos << 1 | (0x08 if again else 0) | (0x01 if retain else 0)
    return _packet(first, _text(topic.encode()) + (packet_id.to_bytes(2, "big") if qos else b"") + payload)


def release(packet_id: int) -> bytes:
    """Return PUBREL, the second half of a message with QoS 2."""
    return _packet(0x62, packet_id.to_bytes(2, "big"))


def subscribe(topic_filter: str, packet_id: int, *, qos: int = 1) -> bytes:
    """Return SUBSCRIBE."""
    return _packet(0x82, packet_id.to_bytes(2, "big") + _text(topic_filter.encode()) + bytes([qos]))


def disconnect() -> bytes:
    """Return DISCONNECT."""
    return b"\xe0\x00"


def answers(received: bytearray) -> Iterator[tuple[int, int]]:
    """Remove the complete packets from the front of received bytes, and yield (type, packet id or return code).

    A broker sends a device nothing but CONNACK, PUBACK, PUBREC and PUBCOMP, with two bytes of content, and SUBACK with
    three.
    """
    while len(received) >= 4 and len(received) >= 2 + received[1]:
        kind, content = received[0], bytes(received[2 : 2 + received[1]])
        assert kind in {CONNACK, PUBACK, PUBREC, PUBCOMP, SUBACK}, (
            f"a device can't be sent a packet {bytes(received[:4])!r}"
        )
        del received[: 2 + len(content)]
        yield kind, content[-1] if kind == SUBACK else int.from_bytes(content, "big")


def _text(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content


def _packet(first: int, content: bytes) -> bytes:
    length, left = bytearray(), len(content)
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([first]) + bytes(length) + content
