"""The input of the rules: one telemetry sample or one event of one device."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from devices.kind import Value

LATENESS = timedelta(minutes=10)
"""Bound on lateness: an item that comes within it takes its place in time."""

CLOCK_FAULT = timedelta(days=30)
"""Age at its arrival from which an event comes from a wrong clock, and not out of a backlog."""


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


def lateness(described: Mapping[str, object]) -> timedelta:
    """Return the time between the data of a described sample and its arrival; zero without either."""
    ts, received_at = described.get("ts"), described.get("received_at")
    if not isinstance(ts, str) or not isinstance(received_at, str):
        return timedelta()
    return datetime.fromisoformat(received_at) - datetime.fromisoformat(ts)
