"""A small community with faulty devices, and its messages after the real decoder."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from devices.payload import DeviceEvent, Reading, decode
from devices.privacy import Pseudonymiser
from simulators.community_plan import plan_community
from simulators.faults import Fault
from simulators.fleet import Fleet
from simulators.message import Message

NOW = datetime(2026, 1, 10, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PSEUDONYMISER = Pseudonymiser(b"a key for tests only")
DEVICES = plan_community("east", "东区", "东胜区", "林荫街道", 12, seed=3).numbered_devices()
BY_NAME = {device.name: device for device in DEVICES}
GATEWAY = "b01-gateway"
WATER, POWER, GAS = (f"b01-u1-0101-{what}" for what in ("water", "electricity", "gas"))


def messages_with(
    fault: Fault, start: datetime = NOW - timedelta(hours=3), end: datetime = NOW + timedelta(hours=4)
) -> list[Message]:
    """Return the messages of the community with this fault."""
    return list(Fleet(DEVICES, 1, [fault]).messages(start, end))


def items_of(messages: Iterable[Message], device: str) -> list[tuple[datetime, Any]]:
    """Return (arrival, decoded item) for all items of one device."""
    return [
        (message.at, item)
        for message in messages
        for item in decode(message.topic, message.payload, message.at, lambda _, name: BY_NAME.get(name), PSEUDONYMISER)
        if item.device is not None and item.device.name == device
    ]


def events(messages: Iterable[Message], device: str) -> list[tuple[str, datetime]]:
    """Return (event, ts) of each event of a device."""
    return [(item.event, item.ts) for _, item in items_of(messages, device) if isinstance(item, DeviceEvent)]


def series(messages: Iterable[Message], device: str, field: str) -> list[tuple[datetime, Any]]:
    """Return (ts, value) of a field, in order of ts."""
    return sorted((item.ts, item.values[field]) for _, item in items_of(messages, device) if isinstance(item, Reading))


def during(values: Iterable[tuple[datetime, Any]], fault: Fault) -> list[Any]:
    """Return the values with a ts during the fault, which must have an end."""
    assert fault.end
    return [value for ts, value in values if fault.start <= ts < fault.end]


def fault_of(kind: str, device: str, minutes: float = 60, **parameters: float) -> Fault:
    """Return a fault that begins at `NOW`."""
    return Fault(kind, device, NOW, NOW + minutes * MINUTE, parameters)
