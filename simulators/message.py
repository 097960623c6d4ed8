"""What goes to the broker, and how its payload is written."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class Message(NamedTuple):
    """One MQTT message and the instant it is sent at, aware; messages sort by that instant, then by topic."""

    at: datetime
    topic: str
    payload: bytes
    retain: bool = False


def payload_of(items: Iterable[str]) -> bytes:
    """The payload of items that are JSON already: the one object, or an array."""
    written = list(items)
    text = written[0] if len(written) == 1 else f"[{','.join(written)}]"
    return text.encode()
