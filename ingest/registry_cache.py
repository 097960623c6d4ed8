"""The registry as ingest needs it: every device by its topic and by its number, read again when it has changed."""

from devices.device import Device
from ingest.partition import Partition
from rules.model.device_group import FIRST_GROUP_ID, DeviceGroups
from rules.model.submeters import SubMeters, submeters_by_master
from rules.model.virtual_kinds import PIPELINE
from store.database import Connection
from store.registry.registry import load_communities, load_devices, registry_version


def pipeline_device(number: int) -> Device:
    """The ingest of a partition as a device, so that the rules can judge it.

    Its number is the partition's with the sign turned: numbers of real devices begin at 1.
    """
    partition = -number
    name, place = (f"ingest-{partition}", f"平台 分区 {partition}") if partition else ("ingest", "平台")
    return Device(id=number, community="", name=name, kind=PIPELINE.name, place=place)


_NO_DEVICES: dict[str, Device] = {}


class RegistryCache:
    """A snapshot of the registry of one partition, and the version it shows."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._by_name: dict[str, dict[str, Device]] = {}
        self._by_id: dict[int, Device] = {}
        self._submeters: dict[int, SubMeters] = {}
        self.version = -1
        self.communities: list[str] = []
        self.groups = DeviceGroups()

    def refresh(self, connection: Connection) -> bool:
        """Read the registry if it has changed since; whether it had."""
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
        return True

    def find(self, community: str, name: str) -> Device | None:
        """The device of that name in that community."""
        return self._by_name.get(community, _NO_DEVICES).get(name)

    def by_id(self, device_id: int) -> Device:
        """The device of that number, which must be of this partition; a family and ingest itself count as devices."""
        if device_id > 0:
            return self._by_id[device_id]
        group = self.groups.by_id(device_id)
        return group.as_device if group else pipeline_device(device_id)

    def submeters_of(self, device_id: int) -> SubMeters | None:
        """The household meters below a master meter; None for any other device."""
        return self._submeters.get(device_id)

    def has(self, device_id: int) -> bool:
        """Whether the device of that number is of this partition.

        What remains of a partition that there is no more, when they have become fewer, is looked after by another.
        """
        if device_id > 0:
            return device_id in self._by_id
        if device_id <= FIRST_GROUP_ID:
            return self.groups.by_id(device_id) is not None
        return -device_id % self._partition.count == self._partition.number
