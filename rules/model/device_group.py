"""Device groups: the devices behind one gateway, or in one building, whose lack of data has one cause.

When most devices of a group lose their data together, one alert of the group is notified. The alerts of the devices are
raised all the same, suppressed and counted. Where the gateway itself has no data, its alert stands for the group.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from devices.device import Device
from devices.kind import Value
from rules.model.virtual_kinds import DEVICE_GROUP

FIRST_GROUP_ID = -(2**56)
"""Ids of groups are this and below: apart from the ids of devices and of partitions."""

_LEAST = 3  # two devices may lose their data together by chance


class DeviceGroup(NamedTuple):
    """A device group.

    Attributes:
        id: Hash of community, gateway and building, negative.
        community: Community of the devices.
        name: Name for people.
        gateway_id: Id of the gateway; None for a building, or for a gateway that is not registered.
        children: Ids of the devices. A group without any has left the registry, and stays for its open alerts.
        simulated: Whether a device is simulated.
        building: Building of all devices; empty if they are in several.
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
        """The group as a device of the kind `family`, for the rules."""
        return Device(
            self.id, self.community, self.name, DEVICE_GROUP.name, simulated=self.simulated, building=self.building
        )


class LastArrival(NamedTuple):
    """Last arrival of a device, its reporting period, and the jitter that its no-data rule allows."""

    at: datetime
    period: timedelta
    jitter: timedelta

    def is_overdue(self, now: datetime) -> bool:
        """Return whether the next report is overdue."""
        return now - self.at >= self.period + self.jitter


class Outage(NamedTuple):
    """Outage of a group: `missing` of the `expected` devices have sent nothing since it began."""

    missing: int
    expected: int

    @property
    def values(self) -> dict[str, Value]:
        """Values of the sample of the group."""
        return {"outage": True, "children_silent": float(self.missing), "children_expected": float(self.expected)}


def detect_outage(first: LastArrival, devices: Iterable[LastArrival], now: datetime) -> Outage | None:
    """Detect an outage, when the first device of a group has no data: are most of the others missing too?

    A no-data rule waits for several periods. A device with the same cause has missed at least one of them by now. A
    device without a report due since then counts neither way.

    Args:
        first: Last arrival of the device without data.
        devices: Last arrivals of the devices of the group, with the first.
        now: The current time.
    """
    next_report = first.at + first.period + first.jitter
    missing = present = 0
    for device in devices:
        if device.is_overdue(now):
            missing += 1
        elif device.at > next_report:
            present += 1
    return Outage(missing, missing + present) if missing >= _LEAST and missing > present else None


class DeviceGroups:
    """Device groups of the registry. A device behind a gateway belongs to that group, not to that of its building."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self._by_key: dict[tuple[str, str, str], DeviceGroup] = {}
        self._by_id: dict[int, DeviceGroup] = {}
        self.read(devices)

    def read(self, devices: Iterable[Device]) -> None:
        """Take over the current registry."""
        children: defaultdict[tuple[str, str, str], list[Device]] = defaultdict(list)
        gateways: dict[tuple[str, str, str], Device] = {}
        for device in devices:
            gateways[device.community, device.name, ""] = device
            key = _key(device)
            if key:
                children[key].append(device)
        self._by_key = {key: _group(key, gateways.get(key), members) for key, members in children.items()}
        former = {group.id: group._replace(gateway_id=None, children=()) for group in self._by_id.values()}
        self._by_id = former | {group.id: group for group in self._by_key.values()}

    def group_of(self, device: Device) -> DeviceGroup | None:
        """Return the group that a device belongs to."""
        key = _key(device)
        return self._by_key.get(key) if key else None

    def group_behind(self, device: Device) -> DeviceGroup | None:
        """Return the group behind a gateway."""
        return self._by_key.get((device.community, device.name, ""))

    def remember(self, group: DeviceGroup) -> None:
        """Add a group that had left the registry before it was read."""
        self._by_id.setdefault(group.id, group)

    def by_id(self, group_id: int) -> DeviceGroup | None:
        """Return the group of that id, even after it has left the registry."""
        return self._by_id.get(group_id)


def with_device_groups(devices: Mapping[int, Device]) -> dict[int, Device]:
    """Return these devices by id, with their groups as devices."""
    registry = DeviceGroups(devices.values())
    groups = filter(None, map(registry.group_of, devices.values()))
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
    distinct = set(buildings)
    return distinct.pop() if len(distinct) == 1 else ""
