"""Witnessed tests of devices, as the store returns them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from acceptance.witnessed import EXPECTED_EVENTS
from store.telemetry.evidence import RegisteredDevice
from store.telemetry.witnessed_tests import ExpectedEvent, WitnessedTestRow


def witnessed_test(
    device: RegisteredDevice, expected: ExpectedEvent, at: datetime, *, arrived: bool = True
) -> WitnessedTestRow:
    """Return a test of a device at a time; its event arrived after two seconds, or never."""
    return WitnessedTestRow(
        id=uuid5(NAMESPACE_OID, f"{device.name} {expected.event} {at.isoformat()}"), community="c",
        device_id=device.id, device=device.name, kind=device.kind, building=device.building, unit=device.unit,
        room=device.room, location=device.location, simulated=device.simulated, event=expected.event, triggered_at=at,
        tested_by="街道 王某", how="用检漏气体触发", recorded_at=at + timedelta(minutes=1), withdrawn_at=None,
        withdrawn_by=None, withdrawn_because=None, within=expected.within,
        arrived_at=at + timedelta(seconds=2) if arrived else None,
    )  # fmt: skip


def delivered_tests(devices: Iterable[RegisteredDevice], at: datetime) -> tuple[WitnessedTestRow, ...]:
    """Return a test that arrived, for each device and each event that its kind tests."""
    return tuple(
        witnessed_test(device, expected, at)
        for device in devices
        for expected in EXPECTED_EVENTS
        if expected.kind == device.kind
    )
