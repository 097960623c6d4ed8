"""Replacements of meters (换表): recorded with both registers, in force until they are withdrawn."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import LiteralString

from psycopg import errors, sql
from psycopg.rows import class_row

from devices.catalogue import KIND_BY_NAME
from devices.device import Replacement
from devices.kind import Counter
from store.database import Connection, StoreError
from store.registry.devices import DeviceRow
from store.registry.version import count_registry_change, lock_registry

_CLOCK_ERROR = timedelta(minutes=5)  # of the person's clock against the server's


class ReplacementRefusedError(StoreError, ValueError):
    """A replacement that cannot have been.

    Attributes:
        part: The wrong attribute of the `NewReplacement`.
        reason: `no_counter`, `out_of_range`, `future` or `recorded`.
    """

    def __init__(self, part: str, reason: str, message: str) -> None:
        super().__init__(message)
        self.part, self.reason = part, reason


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReplacement:
    """A replacement to record.

    Attributes:
        field: The counter of both registers; None for the first counter of the kind.
        at: The time of the exchange.
        old_register: The last reading of the old meter.
        new_register: The first reading of the new meter.
        old_serial: The serial number of the old meter; None for the registered one.
        new_serial: The serial number of the new meter, which the registry takes over; None if it is unknown.
        note: A remark of the person.
        actor: The person.
    """

    field: str | None = None
    at: datetime
    old_register: float
    new_register: float = 0.0
    old_serial: str | None = None
    new_serial: str | None = None
    note: str | None = None
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementRow:
    """A recorded replacement. One that is withdrawn is not in force."""

    id: int
    device_id: int
    field: str
    at: datetime
    old_register: float
    new_register: float
    old_serial: str | None
    new_serial: str | None
    note: str | None
    actor: str
    recorded_at: datetime
    withdrawn_at: datetime | None
    withdrawn_by: str | None


_ROW: LiteralString = """
    SELECT id, device_id, field, at, old_register, new_register, old_serial, new_serial, note, actor, recorded_at,
           withdrawn_at, withdrawn_by
    FROM meter_replacement
"""


def record_replacement(connection: Connection, device: DeviceRow, new: NewReplacement, now: datetime) -> ReplacementRow:
    """Record the replacement of a meter, and let the registry take over the serial number of the newest meter.

    Call it inside the transaction of the change.

    Raises:
        ReplacementRefusedError: the kind has no such counter, a register is beyond its last digit, the time is in the
            future, or the replacement is recorded already.
    """
    counter = _counter(device.kind, new.field)
    for part, value in (("old_register", new.old_register), ("new_register", new.new_register)):
        if not 0 <= value <= counter.modulus:
            raise ReplacementRefusedError(
                part, "out_of_range", f"{counter.name} is from 0 to {counter.modulus:g}, not {value:g}"
            )
    if new.at > now + _CLOCK_ERROR:
        raise ReplacementRefusedError("at", "future", f"{new.at.isoformat()} is yet to come")
    lock_registry(connection)
    values = {**asdict(new), "field": counter.name, "old_serial": new.old_serial or device.serial}
    try:
        with connection.transaction(), connection.cursor(row_factory=class_row(ReplacementRow)) as cursor:
            row = cursor.execute(
                """
                INSERT INTO meter_replacement (
                    device_id, field, at, old_register, new_register, old_serial, new_serial, note, actor, recorded_at
                ) VALUES (
                    %(device_id)s, %(field)s, %(at)s, %(old_register)s, %(new_register)s, %(old_serial)s,
                    %(new_serial)s, %(note)s, %(actor)s, %(now)s
                ) RETURNING *
                """,
                {**values, "device_id": device.id, "now": now},
            ).fetchone()
    except errors.UniqueViolation:
        message = f"a replacement at {new.at.isoformat()} is recorded already: withdraw it to correct it"
        raise ReplacementRefusedError("at", "recorded", message) from None
    assert row is not None  # noqa: S101 - an INSERT returns its row
    _update_serial(connection, device.id)
    count_registry_change(connection)
    return row


def withdraw_replacement(connection: Connection, replacement: ReplacementRow, actor: str, now: datetime) -> None:
    """Withdraw a wrong replacement in force; the registry goes back to the serial number from before it.

    Call it inside the transaction of the change.
    """
    lock_registry(connection)
    connection.execute(
        "UPDATE meter_replacement SET withdrawn_at = %s, withdrawn_by = %s WHERE id = %s",
        (now, actor, replacement.id),
    )
    if replacement.new_serial is not None:
        connection.execute(
            "UPDATE device SET serial = %s WHERE id = %s AND serial = %s",
            (replacement.old_serial, replacement.device_id, replacement.new_serial),
        )
    _update_serial(connection, replacement.device_id)
    count_registry_change(connection)


def list_replacements(connection: Connection, device_id: int) -> list[ReplacementRow]:
    """Return all replacements of a device, withdrawn ones too, newest first."""
    with connection.cursor(row_factory=class_row(ReplacementRow)) as cursor:
        return cursor.execute(
            sql.SQL("{} WHERE device_id = %s ORDER BY at DESC, id DESC").format(sql.SQL(_ROW)), (device_id,)
        ).fetchall()


def find_replacement(connection: Connection, replacement_id: int) -> ReplacementRow | None:
    """Return the replacement with this id, or None; lock it until the transaction ends."""
    with connection.cursor(row_factory=class_row(ReplacementRow)) as cursor:
        return cursor.execute(
            sql.SQL("{} WHERE id = %s FOR UPDATE").format(sql.SQL(_ROW)), (replacement_id,)
        ).fetchone()


def load_replacements(connection: Connection) -> Mapping[int, tuple[Replacement, ...]]:
    """Return the replacements in force by device, each in order of time."""
    by_device: dict[int, tuple[Replacement, ...]] = defaultdict(tuple)
    for device_id, *replacement in connection.execute(
        """
        SELECT device_id, field, at, old_register, new_register FROM meter_replacement
        WHERE withdrawn_at IS NULL
        ORDER BY device_id, at
        """
    ):
        by_device[device_id] += (Replacement(*replacement),)
    return by_device


def _counter(kind: str, name: str | None) -> Counter:
    counters = [field for field in KIND_BY_NAME[kind].fields if isinstance(field, Counter)]
    if not counters:
        raise ReplacementRefusedError("field", "no_counter", f"{kind} has no counter, and so no register to replace")
    for counter in counters:
        if name in {None, counter.name}:
            return counter
    known = ", ".join(each.name for each in counters)
    raise ReplacementRefusedError("field", "no_counter", f"{kind} has the counters {known}")


def _update_serial(connection: Connection, device_id: int) -> None:
    """Give a device the serial number of the newest meter that is known by one."""
    connection.execute(
        """
        UPDATE device SET serial = newest.new_serial
        FROM (
            SELECT new_serial FROM meter_replacement
            WHERE device_id = %(device_id)s AND withdrawn_at IS NULL AND new_serial IS NOT NULL
            ORDER BY at DESC LIMIT 1
        ) AS newest
        WHERE device.id = %(device_id)s
        """,
        {"device_id": device_id},
    )
