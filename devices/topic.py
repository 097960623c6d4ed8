"""MQTT topics of the outside surface: `anju/v1/{community}/{kind}/{device}/{channel}`."""

import re
from enum import StrEnum
from typing import NamedTuple

PREFIX = "anju/v1"
IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Channel(StrEnum):
    """Channel of a topic: the type of its messages."""

    TELEMETRY = "telemetry"
    EVENT = "event"
    STATUS = "status"


class Topic(NamedTuple):
    """Parts of a valid topic."""

    community: str
    kind: str
    device: str
    channel: Channel

    def __str__(self) -> str:
        return f"{PREFIX}/{self.community}/{self.kind}/{self.device}/{self.channel}"


class TopicError(ValueError):
    """The topic is invalid; the message names the part and the reason."""


CHANNELS = {channel.value: channel for channel in Channel}
_PARTS_IN_PREFIX = PREFIX.count("/") + 1


def parse_topic(text: str) -> Topic:
    """Parse a topic.

    Raises:
        TopicError: a part is missing, superfluous or invalid.
    """
    parts = text.split("/")
    if not text.startswith(PREFIX + "/") or len(parts) != _PARTS_IN_PREFIX + 4:
        raise TopicError(f"expected {PREFIX}/<community>/<kind>/<device>/<channel>")
    community, kind, device, channel = parts[_PARTS_IN_PREFIX:]
    for part, value in (("community", community), ("kind", kind), ("device", device)):
        if not IDENTIFIER.fullmatch(value):
            raise TopicError(f"{part} must match {IDENTIFIER.pattern}")
    if channel not in CHANNELS:
        raise TopicError(f"the channel must be one of {', '.join(CHANNELS)}")
    return Topic(community, kind, device, CHANNELS[channel])
