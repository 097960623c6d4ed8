"""The parts of an unusable message that may be stored: nothing in which a plate or a door user could stand."""

import json
import re
from collections.abc import Collection

from devices.catalogue import KIND_BY_NAME, KINDS
from devices.device import Device, FindDevice
from devices.kind import Personal
from devices.privacy import PROVINCES
from devices.topic import CHANNELS, IDENTIFIER, PREFIX

STORED_BYTES = 4096
_STORED_TOPIC_LENGTH = 512
_MASKED = "…"
_PERSONAL_NAMES = {
    item.name for kind in KINDS for event in kind.events for item in event.data if isinstance(item, Personal)
}
_PLATE = rf"[{PROVINCES}][A-Z][·. -]?[0-9A-Z]{{4,5}}[0-9A-Z警学挂港澳使领试超]"
_PLATE_TEXT = re.compile(_PLATE, re.IGNORECASE)
_PERSONAL_TEXT = re.compile(rf'{_PLATE}|"({"|".join(sorted(_PERSONAL_NAMES))})\w*"', re.IGNORECASE)
"""A number plate, or the name of a field for a personal value, in a payload of a kind that should have none."""


def storable_topic(topic: str, find_device: FindDevice, communities: Collection[str] = ()) -> str:
    """Return the part of an arbitrary topic that may be stored.

    A sender may have put a plate or a door user in the place of any name. So only known words, registered communities
    and registered devices are left, unless the topic names nothing but kinds without personal values.
    """
    levels = topic[:_STORED_TOPIC_LENGTH].replace("\0", "\N{REPLACEMENT CHARACTER}").split("/")
    kinds = [KIND_BY_NAME[level] for level in levels if level in KIND_BY_NAME]
    if not kinds or any(kind.redacted for kind in kinds):
        community = levels[2] if len(levels) > 2 and levels[2] in communities else None
        devices = [level for level in levels if community and find_device(community, level)]
        known = {*PREFIX.split("/"), *KIND_BY_NAME, *CHANNELS, community, *devices}
        levels = [level if level in known else _MASKED for level in levels]
    return "/".join(_MASKED if _PLATE_TEXT.search(level) else level for level in levels)


def is_device_name(name: object, kind: object) -> bool:
    """Return whether an unregistered name in an item of that kind may be stored as the name of a device."""
    personal = next((each.redacted for each in KINDS if each.name == kind), True)
    return not personal and isinstance(name, str) and IDENTIFIER.fullmatch(name) is not None


def storable_payload(payload: bytes, *kinds: str) -> bytes:
    """Return the first 4 KiB of a payload, or nothing where it or one of the kinds may carry personal data."""
    if any(KIND_BY_NAME[kind].redacted for kind in kinds) or _PERSONAL_TEXT.search(payload.decode(errors="replace")):
        return b""
    return payload[:STORED_BYTES]


def storable_item(device: Device | None, item: object) -> bytes:
    """Return the JSON of an item, or nothing where it, its device or its kind may carry personal data."""
    claimed = item.get("kind") if isinstance(item, dict) else None
    kinds = [kind.name for kind in KINDS if kind.name == claimed]
    if device is None or (claimed is not None and not kinds):
        return b""
    return storable_payload(json.dumps(item, ensure_ascii=False).encode("utf-8", "replace"), device.kind, *kinds)
