"""Audit of the reads of a household's data: one row a request, written before the answer leaves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from pydantic import BaseModel

from accounts.principal import Principal
from api.parameters import Caller, Now
from store.admin.audit import READ, Change, record_change
from store.database import Connection
from store.registry.devices import DeviceRow


@dataclass(frozen=True, slots=True)
class Read:
    """Read of data: its reader and its time."""

    principal: Principal
    now: datetime


def _read(caller: Caller, now: Now) -> Read:
    return Read(caller.principal, now)


AuditedRead = Annotated[Read, Depends(_read)]


def record_read(
    connection: Connection, read: Read, device: DeviceRow, data: str, query: BaseModel | None = None
) -> None:
    """Record that data of a device in a flat were read, in the transaction of the read; nothing for any other device.

    Args:
        connection: in the transaction.
        read: its reader and time.
        device: the device that was read.
        data: the type of the data, such as `telemetry`.
        query: the parameters of the request, of which those that were given are recorded.
    """
    if not device.room:
        return
    given: dict[str, Any] = query.model_dump(mode="json", exclude_defaults=True) if query else {}
    change = Change(
        at=read.now, actor=read.principal.name, person=read.principal.person, action=READ,
        subject="device", subject_id=f"{device.community}/{device.name}", before={}, after={"data": data, **given},
    )  # fmt: skip
    record_change(connection, change)
