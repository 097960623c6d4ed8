"""Families: the devices behind one gateway, or those of one building, whose silence has one cause.

When most children of a family fall silent together, the family gets an alert and they do not: their occurrences are
raised all the same, suppressed and counted. Where the gateway itself is silent, that is the alert.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from devices.device import Device
from rules.model.virtual_kinds import DEVICE_GROUP

FIRST_GROUP_ID = -(2**56)
"""Numbers of families are this and below, so that they stay apart from those of devices and of partitions."""

_LEAST = 3  # two that fall silent together may well be chance


class DeviceGroup(NamedTuple):
    """A family, by a number made of its name. `leader` is the number of its gateway, if it has one.

    `building` is where all of its children are; empty if they are in several. One without children has left the
    registry, and is remembered for the end of what is open on it.
    """

    id: int
    community: str
    name: str
    gateway_id: int | None
    children: tuple[int, ...]
    simulated: bool
    building: str

    @property
    def as_device(self) -> Device:
        """The family as the rules are shown it, of the kind `family`."""
        return Device(
            self.id, self.community, self.name, DEVICE_GROUP.name, simulated=self.simulated, building=self.building
        )


class LastArrival(NamedTuple):
    """When a child was last heard, and how often it should be; `jitter` is what its rule allows on top."""

    at: datetime
    period: timedelta
    jitter: timedelta

    def is_overdue(self, now: datetime) -> bool:
        """Whether a report has not come that should have."""
        return now - self.at >= self.period + self.jitter


class Outage(NamedTuple):
    """So many of the children that should have spoken since the outage began have not."""

    missing: int
    expected: int

    @property
    def values(self) -> dict[str, float | bool | str]:
        """As a sample of the family."""
        return {"outage": True, "children_silent": float(self.missing), "children_expected": float(self.expected)}


def detect_outage(fallen: LastArrival, children: Iterable[LastArrival], now: datetime) -> Outage | None:
    """Whether most children are missing when the first falls silent, so that it is not the fault of that one.

    A silence takes several periods, and whoever has the same cause has missed at least one of them by now. Who had no
    occasion to speak since then counts neither way.
    """
    spoken_after = fallen.at + fallen.period + fallen.jitter
    missing = present = 0
    for child in children:
        if child.is_overdue(now):
            missing += 1
        elif child.at > spoken_after:
            present += 1
    return Outage(missing, missing + present) if missing >= _LEAST and missing > present else None


class DeviceGroups:
    """Who belongs to whom by the registry: a device behind a gateway is a child of that and not of the building."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self._by_key: dict[tuple[str, str, str], DeviceGroup] = {}
        self._by_id: dict[int, DeviceGroup] = {}
        self.read(devices)

    def read(self, devices: Iterable[Device]) -> None:
        """Takes over the registry as it is now."""
        children: defaultdict[tuple[str, str, str], list[Device]] = defaultdict(list)
        gateways: dict[tuple[str, str, str], Device] = {}
        for device in devices:
            gateways[device.community, device.name, ""] = device
            key = _key(device)
            if key:
                children[key].append(device)
        self._by_key = {key: _group(key, gateways.get(key), found) for key, found in children.items()}
        gone = {number: group._replace(gateway_id=None, children=()) for number, group in self._by_id.items()}
        self._by_id = gone | {group.id: group for group in self._by_key.values()}

    def group_of(self, device: Device) -> DeviceGroup | None:
        """The family whose child a device is."""
        key = _key(device)
        return self._by_key.get(key) if key else None

    def group_behind(self, device: Device) -> DeviceGroup | None:
        """The family whose gateway a device is."""
        return self._by_key.get((device.community, device.name, ""))

    def remember(self, group: DeviceGroup) -> None:
        """Remembers a family that had left the registry before it was read."""
        self._by_id.setdefault(group.id, group)

    def by_id(self, number: int) -> DeviceGroup | None:
        """The family of that number."""
        return self._by_id.get(number)


def with_device_groups(devices: Mapping[int, Device]) -> dict[int, Device]:
    """These devices by their numbers, and their families as if they were devices too."""
    tree = DeviceGroups(devices.values())
    groups = filter(None, map(tree.group_of, devices.values()))
    return {**devices, **{group.id: group.as_device for group in groups}}


def _key(device: Device) -> tuple[str, str, str] | None:
    if device.kind == DEVICE_GROUP.name:
        return None
    if device.gateway:
        return device.community, device.gateway, ""
    return (device.community, "", device.building) if device.building else None


def _group(key: tuple[str, str, str], gateway: Device | None, children: list[Device]) -> DeviceGroup:
    community, gateway_name, building = key
    digest = hashlib.sha256("/".join(key).encode()).digest()
    return DeviceGroup(
        id=FIRST_GROUP_ID - int.from_bytes(digest[:7]),
        community=community,
        name=f"网关 {gateway_name}" if gateway_name else f"{building}号楼" if building.isascii() else building,
        gateway_id=gateway.id if gateway and gateway_name else None,
        children=tuple(device.id for device in children),
        simulated=any(device.simulated for device in children),
        building=building or _common(device.building for device in children),
    )


def _common(buildings: Iterable[str]) -> str:
    found = set(buildings)
    return found.pop() if len(found) == 1 else ""
