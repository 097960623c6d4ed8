"""A person's plate or name at every place of every message of the devices that may carry such values."""

import copy
from collections.abc import Iterator
from typing import Any

from devices.catalogue import KIND_BY_NAME
from devices.device import Device


def messages_with(person: str, devices: list[Device], ts: object) -> Iterator[tuple[str, object]]:
    """Yield topics and contents: each form of a message of each device, with the person at one place of it.

    Args:
        person: the value to hide.
        devices: devices of any kinds; one behind a gateway sends through it.
        ts: the timestamp of the messages.
    """
    for device in devices:
        for channel, item in _forms(device, ts):
            sender, kind = (device.gateway, "gateway") if device.gateway else (device.name, device.kind)
            levels = ["anju", "v1", device.community, kind, str(sender), channel]
            if device.gateway:
                item |= {"kind": device.kind, "device": device.name}
            for content in (*_variants(item, person), [person], [item, person], person, {person: [{person: person}]}):
                yield "/".join(levels), content
            for at in range(len(levels)):
                yield "/".join([*levels[:at], person, *levels[at + 1 :]]), item
            yield "/".join([*levels, person]), item


def _forms(device: Device, ts: object) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = KIND_BY_NAME[device.kind]
    yield "telemetry", {"ts": ts, "values": {field.name: None for field in kind.fields}, "seq": 1}
    yield "telemetry", {"ts": ts, "values": {kind.fields[0].name: True, "code": 1, "plate": 1}, "seq": 1}
    for event in kind.events:
        yield "event", {"ts": ts, "event": event.name, "id": "01J", "data": {part.name: None for part in event.data}}
    yield "event", {"ts": ts, "event": "unheard_of", "data": {"plate": 1, "user": 1}}
    if not device.gateway:
        yield "status", {"ts": ts, "state": "online"}


def _variants(content: dict[str, Any], person: str) -> Iterator[dict[str, Any]]:
    """Yield copies with the person in the place of one key or value, or as an additional one, at any depth."""
    for path in _paths(content):
        for put in (person, {person: [person]}):
            changed = copy.deepcopy(content)
            inner = _inner(changed, path)
            inner[path[-1]] = put
            yield changed
        renamed = copy.deepcopy(content)
        inner = _inner(renamed, path)
        inner[person] = inner.pop(path[-1])
        yield renamed
    for path in [(), *(path for path in _paths(content) if isinstance(_at(content, path), dict))]:
        added = copy.deepcopy(content)
        _at(added, path)[person] = person
        yield added


def _paths(content: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for key, value in content.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *path) for path in _paths(value))


def _at(content: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for key in path:
        content = content[key]
    return content


def _inner(content: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    return _at(content, path[:-1])
