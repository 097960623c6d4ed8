"""Audit of the reads of a household's data: one row a request, written before the answer leaves."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from api.access import ACTOR
from store.admin.audit import READ, Change, record_change
from store.database import Connection
from store.registry.devices import DeviceRow


def record_read(
    connection: Connection, device: DeviceRow, data: str, now: datetime, query: BaseModel | None = None
) -> None:
    """Record that data of a device in a flat were read, in the transaction of the read; nothing for any other device.

    Args:
        connection: in the transaction.
        device: the device that was read.
        data: the type of the data, such as `telemetry`.
        now: the time of the read.
        query: the parameters of the request, of which those that were given are recorded.
    """
    if not device.room:
        return
    given: dict[str, Any] = query.model_dump(mode="json", exclude_defaults=True) if query else {}
    change = Change(
        at=now, actor=ACTOR, person=None, action=READ, subject="device", subject_id=f"{device.community}/{device.name}",
        before={}, after={"data": data, **given},
    )  # fmt: skip
    record_change(connection, change)
