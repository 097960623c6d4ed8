"""The input of the rules: one telemetry sample or one event of one device."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from devices.kind import Value


class Sample(NamedTuple):
    """One accepted message item.

    Attributes:
        device_id: The device.
        ts: Time of the device, aware and in UTC.
        received_at: Time of arrival, aware and in UTC.
        values: Fields in the units of the kind; empty for an event.
        event: Name of the event; None for telemetry.
        data: Data of the event, personal values only as `<name>_hash` and `<name>_masked`.
    """

    device_id: int
    ts: datetime
    received_at: datetime
    values: Mapping[str, Value]
    event: str | None = None
    data: Mapping[str, object] = {}
