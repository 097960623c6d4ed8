"""The registry as ingest needs it: every device by its topic and by its number, read again when it has changed."""

from devices.device import Device
from rules.pipeline import PIPELINE
from store.database import Connection
from store.registry import load_devices, registry_version

PIPELINE_DEVICE = Device(id=0, community="", name="ingest", kind=PIPELINE.name, place="平台")
"""Ingest itself, so that the rules can judge it; numbers of real devices begin at 1."""


class DevicesInMemory:
    """A snapshot of the registry, and the version it shows."""

    def __init__(self) -> None:
        self._by_name: dict[tuple[str, str], Device] = {}
        self._by_id: dict[int, Device] = {}
        self._version = -1

    def refresh(self, connection: Connection) -> bool:
        """Read the registry if it has changed since; whether it had."""
        version = registry_version(connection)
        if version == self._version:
            return False
        devices = load_devices(connection)
        self._by_name = {(device.community, device.name): device for device in devices}
        self._by_id = {device.id: device for device in (PIPELINE_DEVICE, *devices)}
        self._version = version
        return True

    def find(self, community: str, name: str) -> Device | None:
        """The device of that name in that community."""
        return self._by_name.get((community, name))

    def by_id(self, device_id: int) -> Device:
        """The device of that number, which must be registered."""
        return self._by_id[device_id]
