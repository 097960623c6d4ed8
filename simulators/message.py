"""MQTT messages and their JSON payloads."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class Message(NamedTuple):
    """One MQTT message and the aware instant of sending; messages sort by instant, then by topic."""

    at: datetime
    topic: str
    payload: bytes
    retain: bool = False


def encode_payload(items: Iterable[str]) -> bytes:
    """Return the payload for items that are JSON already: the only one as it is, several as an array."""
    texts = list(items)
    text = texts[0] if len(texts) == 1 else f"[{','.join(texts)}]"
    return text.encode()
