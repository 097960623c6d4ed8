"""A small community with faulty devices, and its messages after the real decoder."""

from datetime import UTC, datetime, timedelta

from devices.payload import DeviceEvent, Reading, decode
from devices.privacy import Pseudonymiser
from simulators.community_plan import plan_community
from simulators.faults import Fault
from simulators.fleet import Fleet

NOW = datetime(2026, 1, 10, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PSEUDONYMISER = Pseudonymiser(b"a key for tests only")
DEVICES = plan_community("east", "东区", "东胜区", "林荫街道", 12, seed=3).numbered_devices()
BY_NAME = {device.name: device for device in DEVICES}
GATEWAY = "b01-gateway"
WATER, POWER, GAS = (f"b01-u1-0101-{what}" for what in ("water", "electricity", "gas"))


def messages_with(fault, start=NOW - 3 * timedelta(hours=1), end=NOW + 4 * timedelta(hours=1)):
    return list(Fleet(DEVICES, 1, [fault]).messages(start, end))


def items_of(messages, device):
    """Return (arrival, decoded item) for all items of one device."""
    return [
        (message.at, item)
        for message in messages
        for item in decode(message.topic, message.payload, message.at, lambda _, name: BY_NAME.get(name), PSEUDONYMISER)
        if item.device is not None and item.device.name == device
    ]


def events(messages, device):
    return [(item.event, item.ts) for _, item in items_of(messages, device) if isinstance(item, DeviceEvent)]


def series(messages, device, field):
    """Return (ts, value) of a field, in order of ts."""
    return sorted((item.ts, item.values[field]) for _, item in items_of(messages, device) if isinstance(item, Reading))


def during(values, fault):
    return [value for ts, value in values if fault.start <= ts < fault.end]


def fault_of(kind, device, minutes=60, **parameters):
    return Fault(kind, device, NOW, NOW + minutes * MINUTE, parameters)
