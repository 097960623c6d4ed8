"""Device groups: the devices of one place, or behind one gateway, whose alerts may have one cause.

A place is a unit, a building or the community. A group has all kinds of devices, or one kind: the meters of a building
lose their mains while its gateway has a battery. When most devices of a group have the same alert, one alert of the
group is notified. The alerts of the devices are raised all the same, suppressed and counted.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from devices.catalogue import KIND_BY_NAME
from devices.device import Device, Service
from devices.place import compose_place
from rules.model.virtual_kinds import DEVICE_GROUP

FIRST_GROUP_ID = -(2**56)
"""Ids of groups are this and below: apart from the ids of devices and of partitions."""


class GroupKey(NamedTuple):
    """The place or the gateway of a group, and its kind of devices; an empty part does not narrow the group."""

    community: str
    gateway: str = ""
    building: str = ""
    unit: str = ""
    kind: str = ""

    def includes(self, device: Device) -> bool:
        """Return whether a device of the community belongs to the group."""
        return (
            self.gateway in {"", device.gateway}
            and self.building in {"", device.building}
            and self.unit in {"", device.unit}
            and self.kind in {"", device.kind}
        )


class DeviceGroup(NamedTuple):
    """A device group.

    Attributes:
        id: Hash of the key, negative.
        community: Community of the devices.
        name: Name for people.
        gateway_id: Id of the gateway; None for a place, or for a gateway that is not registered.
        children: Ids of the devices. A group without any has left the registry, and stays for its open alerts.
        simulated: Whether a device is simulated.
        building: Building of the place, or of all devices of the gateway; empty if they are in several.
        gateway: Name of the gateway; empty for a place.
        unit: Unit of the place; empty for a larger one.
        kind: Kind of all devices; empty for all kinds.
        place: Place of the gateway within the community; empty for a place, which is the name.
        community_name: Name of the community for people.
    """

    id: int
    community: str
    name: str
    gateway_id: int | None
    children: tuple[int, ...]
    simulated: bool
    building: str
    gateway: str = ""
    unit: str = ""
    kind: str = ""
    place: str = ""
    community_name: str = ""

    @property
    def key(self) -> GroupKey:
        """The key of the group."""
        return GroupKey(self.community, self.gateway, "" if self.gateway else self.building, self.unit, self.kind)

    @property
    def is_community(self) -> bool:
        """Whether the group is the whole community, of all kinds or of one."""
        return not (self.gateway or self.building)

    @property
    def as_device(self) -> Device:
        """The group as a device of the kind `family`, for the rules."""
        return Device(
            self.id, self.community, self.name, DEVICE_GROUP.name, place=self.place, simulated=self.simulated,
            building=self.building, community_name=self.community_name,
        )  # fmt: skip


class LastArrival(NamedTuple):
    """Last arrival of a device, its reporting period, and the jitter that its no-data rule allows."""

    at: datetime
    period: timedelta
    jitter: timedelta

    @property
    def next_report(self) -> datetime:
        """Time by which the next report must have arrived."""
        return self.at + self.period + self.jitter

    def is_overdue(self, now: datetime) -> bool:
        """Return whether the next report is overdue."""
        return now >= self.next_report

    def is_missing_with(self, first: "LastArrival", now: datetime) -> bool | None:
        """Return whether the device and the `first` one may have lost their data at the same moment.

        A no-data rule waits for several periods. A device with the same cause has missed at least one of them by now.

        Returns:
            False if the device has sent since; None if it counts neither way, because no report was due since, or
            because it had lost its data before.
        """
        if self.at > first.next_report:
            return False
        return True if self.is_overdue(now) and self.next_report >= first.at else None


class DeviceGroups:
    """Device groups of the registry, made on demand: few of them ever have an alert."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self._communities: dict[str, list[Device]] = {}
        self._units: Mapping[tuple[str, str], set[str]] = {}
        self._gateways: set[tuple[str, str]] = set()
        self._by_key: dict[GroupKey, DeviceGroup] = {}
        self._known: dict[int, DeviceGroup] = {}
        self.read(devices)

    def read(self, devices: Iterable[Device]) -> None:
        """Take over the current registry."""
        communities: defaultdict[str, list[Device]] = defaultdict(list)
        units: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for device in devices:
            if device.kind in KIND_BY_NAME and device.service is not Service.WITHDRAWN:
                communities[device.community].append(device)
                if device.unit:
                    units[device.community, device.building].add(device.unit)
        self._communities, self._units, self._by_key = communities, units, {}
        self._gateways = {(each.community, each.gateway) for of in communities.values() for each in of if each.gateway}

    def groups_of_path(self, device: Device) -> Iterator[DeviceGroup]:
        """Yield the groups whose lack of data may have the cause of that of a device, the narrowest first.

        A device behind a gateway shares it with the devices there, and with its own kind in the same place.
        """
        if device.gateway:
            yield from self._with_kind(GroupKey(device.community, device.gateway), device)
        for place in self._places(device):
            groups = self._with_kind(place, device)
            yield from groups[1:] if device.gateway else groups

    def groups_of_place(self, device: Device) -> Iterator[DeviceGroup]:
        """Yield the groups whose supply may have failed with that of a device, the narrowest first."""
        *places, community = self._places(device)
        for place in places:
            yield from self._with_kind(place, device)
        if device.gateway:
            yield from self._with_kind(GroupKey(device.community, device.gateway), device)
        yield from self._with_kind(community, device)

    def places_of(self, device: Device) -> list[DeviceGroup]:
        """Return all devices of the unit, of the building and of the community of a device."""
        return [self._group(place) for place in self._places(device)]

    def group_behind(self, device: Device) -> DeviceGroup | None:
        """Return the group behind a gateway."""
        is_gateway = (device.community, device.name) in self._gateways
        return self._group(GroupKey(device.community, device.name)) if is_gateway else None

    def group_of_gateway(self, device: Device) -> DeviceGroup | None:
        """Return the group of all devices behind the gateway of a device."""
        return self._group(GroupKey(device.community, device.gateway)) if device.gateway else None

    def remember(self, group: DeviceGroup) -> None:
        """Add a group with a stored alert; it may have left the registry."""
        self._known[group.id] = group

    def by_id(self, group_id: int) -> DeviceGroup | None:
        """Return the group of that id as the registry has it, without children if it has left."""
        known = self._known.get(group_id)
        if known is None:
            return None
        group = self._group(known.key)
        return group if group.children else known._replace(gateway_id=None, children=())

    def make_groups_of(self, device: Device) -> None:
        """Make every group of a device, and the one behind it, so that each can be found by its id."""
        if device.kind in KIND_BY_NAME:
            for key in self._keys_of(device):
                self._group(key)
            self.group_behind(device)

    def all(self) -> Iterator[DeviceGroup]:
        """Yield every group of the registry."""
        for devices in self._communities.values():
            children: defaultdict[GroupKey, list[Device]] = defaultdict(list)
            for device in devices:
                for key in self._keys_of(device):
                    children[key].append(device)
            yield from (self._make(key, members) for key, members in children.items())

    def _keys_of(self, device: Device) -> Iterator[GroupKey]:
        gateway = [GroupKey(device.community, device.gateway)] if device.gateway else []
        for key in (*gateway, *self._places(device)):
            yield key
            yield key._replace(kind=device.kind)

    def _places(self, device: Device) -> list[GroupKey]:
        """Return unit, building and community of a device. The only unit of a building is no place of its own."""
        community = GroupKey(device.community)
        if not device.building:
            return [community]
        building = community._replace(building=device.building)
        if not device.unit or len(self._units[device.community, device.building]) < 2:
            return [building, community]
        return [building._replace(unit=device.unit), building, community]

    def _with_kind(self, key: GroupKey, device: Device) -> tuple[DeviceGroup, DeviceGroup]:
        return self._group(key), self._group(key._replace(kind=device.kind))

    def _group(self, key: GroupKey) -> DeviceGroup:
        group = self._by_key.get(key)
        if group is None:
            devices = self._communities.get(key.community, ())
            group = self._by_key[key] = self._make(key, [device for device in devices if key.includes(device)])
            if group.children:
                self._known[group.id] = group
        return group

    def _make(self, key: GroupKey, children: Sequence[Device]) -> DeviceGroup:
        devices = self._communities.get(key.community, ())
        gateway = next((device for device in devices if key.gateway and device.name == key.gateway), None)
        return DeviceGroup(
            id=_hash(key),
            community=key.community,
            name=_name(key),
            gateway_id=gateway.id if gateway else None,
            children=tuple(device.id for device in children),
            simulated=any(device.simulated for device in children),
            building=_common(device.building for device in children) if key.gateway else key.building,
            gateway=key.gateway,
            unit=key.unit,
            kind=key.kind,
            place=gateway.place if gateway else "",
            community_name=devices[0].community_name if devices else "",
        )


def with_device_groups(devices: Mapping[int, Device]) -> dict[int, Device]:
    """Return the devices with every group of them as a device, by id."""
    return {**devices, **{group.id: group.as_device for group in DeviceGroups(devices.values()).all()}}


def _hash(key: GroupKey) -> int:
    parts = [key.community, key.gateway, key.building, *((key.unit, key.kind) if key.unit or key.kind else ())]
    return FIRST_GROUP_ID - int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest()[:7])


def _name(key: GroupKey) -> str:
    kind = KIND_BY_NAME[key.kind].zh if key.kind else ""
    if key.gateway:
        return f"网关 {key.gateway}{f' 下的{kind}' if kind else ''}"
    place = compose_place(key.building, key.unit) or "整个小区"
    return f"{place}的{kind}" if kind else place


def _common(buildings: Iterable[str]) -> str:
    distinct = set(buildings)
    return distinct.pop() if len(distinct) == 1 else ""
