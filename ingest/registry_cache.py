"""The registry in memory: every device of a partition by name and by id, read again when it changes."""

from datetime import timedelta
from functools import lru_cache

from devices.catalogue import KIND_BY_NAME
from devices.device import Device
from devices.payload import FindSender, find_sender
from ingest.partition import Partition
from rules.model.device_group import FIRST_GROUP_ID, DeviceGroups
from rules.model.submeters import SubMeters, submeters_by_master
from rules.model.virtual_kinds import PIPELINE
from store.database import Connection
from store.registry.registry import load_communities, load_devices
from store.registry.version import registry_version


def pipeline_device(number: int) -> Device:
    """Return the ingest of a partition as a device, so that rules can evaluate it.

    Its id is the negative number of the partition: ids of registered devices begin at 1.
    """
    partition = -number
    name, place = (f"ingest-{partition}", f"平台 分区 {partition}") if partition else ("ingest", "平台")
    return Device(id=number, community="", name=name, kind=PIPELINE.name, place=place)


_NO_DEVICES: dict[str, Device] = {}
_RECENT_SENDERS = 16_384


class RegistryCache:
    """Snapshot of the registry of one partition, with its version.

    Attributes:
        find_sender: finds the sender of a topic; it remembers those of some thousand recent topics.
    """

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._by_name: dict[str, dict[str, Device]] = {}
        self._by_id: dict[int, Device] = {}
        self._submeters: dict[int, SubMeters] = {}
        self.version = -1
        self.communities: list[str] = []
        self.groups = DeviceGroups()
        self._recent_senders = lru_cache(_RECENT_SENDERS)(lambda topic: find_sender(topic, self.find))
        self.find_sender: FindSender = self._recent_senders

    def refresh(self, connection: Connection) -> bool:
        """Read the registry if it changed since the last call, and return whether it did."""
        version = registry_version(connection)
        if version == self.version:
            return False
        self.communities = [name for name in load_communities(connection) if self._partition.has(name)]
        devices = load_devices(connection, self.communities)
        self._by_name = {community: {} for community in self.communities}
        for device in devices:
            self._by_name[device.community][device.name] = device
        self._by_id = {device.id: device for device in devices}
        self._submeters = submeters_by_master(devices)
        self.groups.read(devices)
        self.version = version
        self._recent_senders.cache_clear()
        return True

    def find(self, community: str, name: str) -> Device | None:
        """Return the device of a name in a community, or None."""
        return self._by_name.get(community, _NO_DEVICES).get(name)

    def by_id(self, device_id: int) -> Device:
        """Return the device of an id in this partition; device groups and ingest itself count as devices."""
        if device_id > 0:
            return self._by_id[device_id]
        group = self.groups.by_id(device_id)
        return group.as_device if group else pipeline_device(device_id)

    def expected_readings(self, span: timedelta) -> int:
        """Return how many readings the devices of this partition send in a span of time, by their reporting periods."""
        periods = (KIND_BY_NAME[device.kind].reporting_period for device in self._by_id.values())
        return sum(max(0, span // period) for period in periods)

    def submeters_of(self, device_id: int) -> SubMeters | None:
        """Return the household meters below a master meter; None for any other device."""
        return self._submeters.get(device_id)

    def has(self, device_id: int) -> bool:
        """Return whether the device of an id belongs to this partition.

        After a change to fewer partitions, another one takes over the ingest devices of those that are gone.
        """
        if device_id > 0:
            return device_id in self._by_id
        if device_id <= FIRST_GROUP_ID:
            return self.groups.by_id(device_id) is not None
        return -device_id % self._partition.count == self._partition.number
