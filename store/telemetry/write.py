"""Writer of readings into the hypertables, each stored once.

A batch of new readings goes by binary COPY straight into the tables. A batch with a key that is already stored goes
through a staging table instead: readings of the same device and time merge field by field, and the first value stands.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import errors, sql

from devices.catalogue import KIND_BY_NAME
from devices.kind import Choice, Counter, DeviceKind, Field, Flag, Gauge, Value
from store.database import Connection
from store.telemetry.schema import table_name


class ReadingRow(NamedTuple):
    """A reading to store: the values of a device at `ts`, by its own clock, and their arrival."""

    device_id: int
    ts: datetime
    received_at: datetime
    values: Mapping[str, Value]


ReadingKey = tuple[int, datetime]
"""The device and the time of a reading."""


class InsertResult(NamedTuple):
    """The result for the readings of one kind, as numbers of readings.

    `new` holds the keys that were not stored before; None where every reading was new and no two had the same key.
    `added` holds the values that stored readings lacked. `contradicting` are the readings with another value of a field
    than the one that was stored first: their device's clock stands still, or repeats itself.
    """

    new: frozenset[ReadingKey] | None
    stored: int
    merged: int
    duplicates: int
    added: Mapping[ReadingKey, Mapping[str, Value]] = {}
    contradicting: Sequence[ReadingRow] = ()


def insert_readings(connection: Connection, batch: Mapping[str, Sequence[ReadingRow]]) -> dict[str, InsertResult]:
    """Store the readings of a batch, grouped by kind, inside the caller's transaction.

    Every reading is counted as stored, merged (it added a field to a stored row) or duplicate (it added nothing).
    """
    # A new chunk locks its table until the commit. Two workers that wrote the tables in different orders would wait for
    # each other.
    ordered = sorted(batch.items())
    try:
        with connection.transaction():
            for kind, rows in ordered:
                _copy(connection, KIND_BY_NAME[kind], sql.Identifier(table_name(kind)), rows)
    except errors.UniqueViolation:
        return {kind: _insert_staged(connection, KIND_BY_NAME[kind], rows) for kind, rows in ordered}
    return {kind: InsertResult(None, len(rows), merged=0, duplicates=0) for kind, rows in ordered}


def _merge_within(rows: Sequence[ReadingRow]) -> dict[ReadingKey, ReadingRow]:
    """Merge the readings of a batch with the same device and time; the first value of a field stands."""
    merged: dict[ReadingKey, ReadingRow] = {}
    for row in rows:
        key = (row.device_id, row.ts)
        first = merged.get(key)
        merged[key] = row if first is None else first._replace(values={**row.values, **first.values})
    return merged


def _copy(connection: Connection, kind: DeviceKind, table: sql.Identifier, rows: Sequence[ReadingRow]) -> None:
    names = [field.name for field in kind.fields]
    columns = sql.SQL(", ").join(map(sql.Identifier, ["device_id", "ts", "received_at", *names]))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(table, columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["int8", "timestamptz", "timestamptz", *(_binary_type(field) for field in kind.fields)])
        for row in rows:
            value = row.values.get
            copy.write_row((row.device_id, row.ts, row.received_at, *[value(name) for name in names]))


def _binary_type(field: Field) -> str:
    match field:
        case Gauge() | Counter():
            return "float8"
        case Flag():
            return "bool"
        case Choice():
            return "text"


def _insert_staged(connection: Connection, kind: DeviceKind, received: Sequence[ReadingRow]) -> InsertResult:
    rows = _merge_within(received)
    table, staging = sql.Identifier(table_name(kind.name)), sql.Identifier(f"incoming_{kind.name}")
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {} (LIKE {}) ON COMMIT DELETE ROWS").format(staging, table)
    )
    connection.execute(sql.SQL("TRUNCATE {}").format(staging))
    _copy(connection, kind, staging, list(rows.values()))
    bounds = {
        "devices": sorted({device_id for device_id, _ in rows}),
        "first": min(ts for _, ts in rows),
        "last": max(ts for _, ts in rows),
    }
    known = {key: row.values for key, row in rows.items()}
    added: dict[ReadingKey, Mapping[str, Value]] = {}
    for device_id, ts, *values in connection.execute(_others_statement(kind, table, staging), bounds).fetchall():
        key, incoming = (device_id, ts), rows[device_id, ts].values
        stored = {field.name: value for field, value in zip(kind.fields, values, strict=True) if value is not None}
        if lacking := {name: value for name, value in incoming.items() if name not in stored}:
            added[key] = lacking
        known[key] = {**incoming, **stored}
    if added:
        connection.execute(_merge_statement(kind, table, staging), bounds)
    names = sql.SQL(", ").join(map(sql.Identifier, ["device_id", "ts", "received_at", *(f.name for f in kind.fields)]))
    inserted = connection.execute(
        sql.SQL(
            "INSERT INTO {} ({names}) SELECT {names} FROM {} ON CONFLICT DO NOTHING RETURNING device_id, ts"
        ).format(table, staging, names=names)
    ).fetchall()
    new = frozenset((device_id, ts) for device_id, ts in inserted)
    differing = [row for row in received if not row.values.items() <= known[row.device_id, row.ts].items()]
    duplicates = len(received) - len(new) - len(added)
    return InsertResult(new, len(new), len(added), duplicates, added, differing)


def _others_statement(kind: DeviceKind, table: sql.Identifier, staging: sql.Identifier) -> sql.Composed:
    """Compose the SELECT of the stored rows that lack a staged value or have another one."""
    columns = [sql.Identifier(field.name) for field in kind.fields]
    return sql.SQL(
        """
        SELECT stored.device_id, stored.ts, {columns}
        FROM {table} AS stored JOIN {staging} AS incoming USING (device_id, ts)
        WHERE stored.device_id = ANY(%(devices)s) AND stored.ts BETWEEN %(first)s AND %(last)s AND ({others})
        """
    ).format(
        table=table,
        staging=staging,
        columns=sql.SQL(", ").join(sql.SQL("stored.{}").format(column) for column in columns),
        others=sql.SQL(" OR ").join(
            sql.SQL("(incoming.{0} IS NOT NULL AND stored.{0} IS DISTINCT FROM incoming.{0})").format(column)
            for column in columns
        ),
    )


def _merge_statement(kind: DeviceKind, table: sql.Identifier, staging: sql.Identifier) -> sql.Composed:
    """Compose the UPDATE that fills missing fields of stored rows.

    The bounds on ts let the planner skip chunks. The list of devices lets a columnstore (if an operator has enabled it)
    unpack only these: by the join alone it would unpack every device of the chunk.
    """
    columns = [sql.Identifier(field.name) for field in kind.fields]
    fill = sql.SQL(", ").join(sql.SQL("{0} = coalesce(stored.{0}, incoming.{0})").format(c) for c in columns)
    lacks = sql.SQL(" OR ").join(
        sql.SQL("(stored.{0} IS NULL AND incoming.{0} IS NOT NULL)").format(c) for c in columns
    )
    return sql.SQL(
        """
        UPDATE {table} AS stored SET {fill} FROM {staging} AS incoming
        WHERE stored.device_id = incoming.device_id AND stored.ts = incoming.ts
          AND stored.device_id = ANY(%(devices)s) AND stored.ts BETWEEN %(first)s AND %(last)s AND ({lacks})
        """
    ).format(table=table, staging=staging, fill=fill, lacks=lacks)
