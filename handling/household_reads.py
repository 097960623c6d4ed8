"""Audit of the reads of a household's data: one row a read, in its transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from handling.signature import Signature
from store.admin.audit import READ, Change, record_change
from store.database import Connection
from store.registry.devices import DeviceRow


def record_household_read(
    connection: Connection,
    reader: Signature,
    device: DeviceRow,
    data: str,
    *,
    now: datetime,
    query: Mapping[str, Any] | None = None,
) -> None:
    """Record that data of a device in a flat were read, in the transaction of the read; nothing for any other device.

    Args:
        connection: in the transaction.
        reader: who read.
        device: the device that was read.
        data: the type of the data, such as `telemetry`.
        now: the time of the read.
        query: the parameters of the read.
    """
    if not device.room:
        return
    change = Change(
        at=now, actor=reader.actor, person=reader.person, action=READ, subject="device",
        subject_id=f"{device.community}/{device.name}", before={}, after={"data": data, **(query or {})},
    )  # fmt: skip
    record_change(connection, change)
