"""Newest value of each field of a device, with its own time."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from psycopg import sql
from psycopg.rows import class_row

from devices.kind import DeviceKind, Value
from store.database import Connection
from store.telemetry.schema import visible_name

_RECENT = 2000
"""Readings in which a field is looked for that no reading newer than all before has had."""


class NewestValue(NamedTuple):
    """The newest value of a field, at `ts` by the device's clock; None where its reading is no longer stored."""

    field: str
    value: Value
    ts: datetime | None


def newest_values(
    connection: Connection, kind: DeviceKind, device_id: int, last_values: Mapping[str, Value]
) -> list[NewestValue]:
    """Return the newest value of each field that the device has sent, in no order.

    A reading may hold only some fields, may be late, or may have been merged into a stored one. The table knows the
    newest of each field; `last_values`, of readings that were newer than all before, tells which fields to look for.
    A field without any value would be searched through all of the device's history.
    """
    table, device = sql.Identifier(visible_name(kind.name)), sql.Literal(device_id)
    fields = {field.name for field in kind.fields}
    wanted = sorted(fields & last_values.keys()) + _recent_fields(
        connection, table, device, fields - last_values.keys()
    )
    found = {name: NewestValue(name, last_values[name], None) for name in wanted if name in last_values}
    if wanted:
        newest = sql.SQL(
            "(SELECT {name} AS field, to_jsonb({column}) AS value, ts FROM {table}"
            " WHERE device_id = {device} AND {column} IS NOT NULL ORDER BY ts DESC LIMIT 1)"
        )
        statement = sql.SQL(" UNION ALL ").join(
            newest.format(name=sql.Literal(name), column=sql.Identifier(name), table=table, device=device)
            for name in wanted
        )
        with connection.cursor(row_factory=class_row(NewestValue)) as cursor:
            found |= {each.field: each for each in cursor.execute(statement)}
    return list(found.values())


def _recent_fields(connection: Connection, table: sql.Identifier, device: sql.Literal, fields: set[str]) -> list[str]:
    """Return which of these fields the newest readings of the device have, in alphabetical order."""
    names = sorted(fields)
    if not names:
        return []
    columns = [sql.Identifier(name) for name in names]
    counts = connection.execute(
        sql.SQL(
            "SELECT {counts} FROM (SELECT {columns} FROM {table} WHERE device_id = {device} ORDER BY ts DESC LIMIT {n})"
            " AS recent"
        ).format(
            counts=sql.SQL(", ").join(sql.SQL("count({})").format(column) for column in columns),
            columns=sql.SQL(", ").join(columns),
            table=table,
            device=device,
            n=sql.Literal(_RECENT),
        )
    ).fetchone()
    return [name for name, count in zip(names, counts or (), strict=True) if count]
