"""Audit of the reads of a household's data: one row a request, written before the answer leaves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel

from accounts.principal import Principal
from api.parameters import Caller, Now
from handling.household_reads import record_household_read
from handling.signature import Signature
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
    principal = read.principal
    reader = Signature(principal.name, principal.person, principal.display_name)
    given = query.model_dump(mode="json", exclude_defaults=True) if query else None
    record_household_read(connection, reader, device, data, now=read.now, query=given)
