"""Changes of the registry by an import: rows of its tables, inserted or updated."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString, NamedTuple

from psycopg import sql

from store.database import Connection
from store.registry.version import count_registry_change, lock_registry

CellValue = str | bool | int | float | date | None
"""The value of one column of a registry row."""


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows of one table: the columns to set, and the values of each row in that order.

    Other columns keep their stored values; a new row gets their defaults.
    """

    columns: tuple[str, ...] = ()
    values: Sequence[tuple[CellValue, ...]] = ()


@dataclass(frozen=True, slots=True)
class RowCounts:
    """The rows of one table that an import created, changed or left as they were."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0


class RegistryCounts(NamedTuple):
    """The rows of all tables that an import created, changed or left as they were."""

    communities: RowCounts
    households: RowCounts
    devices: RowCounts


class RowChange(NamedTuple):
    """A change that an import would make to one row of `table`.

    `before` holds the stored values of the imported columns as JSON values, and is empty for a new row.
    """

    table: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


class _Table(NamedTuple):
    name: str
    key: tuple[str, ...]


_COMMUNITY = _Table("community", ("id",))
_HOUSEHOLD = _Table("household", ("community", "building", "unit", "room"))
_DEVICE = _Table("device", ("community", "name"))


# A file from before the replacement of a meter still has the serial number of the old one.
_KEEP_NEW_SERIALS: LiteralString = """
    UPDATE staged SET serial = device.serial
    FROM device JOIN meter_replacement AS replacement ON replacement.device_id = device.id
    WHERE (device.community, device.name) = (staged.community, staged.name)
      AND replacement.withdrawn_at IS NULL AND replacement.new_serial IS NOT NULL
      AND replacement.old_serial = staged.serial
"""


def upsert_registry(
    connection: Connection, communities: TableRows, households: TableRows, devices: TableRows
) -> RegistryCounts:
    """Insert or update rows of the registry in one transaction; rows that are not given stay.

    Withdrawn households and devices that are given are registered again. The version grows exactly when a row was
    created or changed. The kind of an existing device must not change, because its telemetry, topic and login depend on
    it: callers check that, as `imports.checks` does.

    Raises:
        psycopg.Error: a row breaks a constraint, such as a community that does not exist, or a row is given twice.
    """
    with connection.transaction():
        lock_registry(connection)
        counts = RegistryCounts(
            *(_upsert(connection, table, rows) for table, rows in _tables(communities, households, devices))
        )
        if any(table.created or table.changed for table in counts):
            count_registry_change(connection)
    return counts


def list_changes(
    connection: Connection, communities: TableRows, households: TableRows, devices: TableRows
) -> list[RowChange]:
    """Return the changes that `upsert_registry` would make, in the order of the rows, inside a transaction."""
    changes = []
    for table, rows in _tables(communities, households, devices):
        if not rows.values:
            continue
        with _staged(connection, table, rows) as names:
            stored = connection.execute(
                sql.SQL(
                    """
                    SELECT stored.{first_key} IS NULL, jsonb_build_object({stored_pairs}), to_jsonb(staged)
                    FROM staged LEFT JOIN {table} AS stored ON ({stored_key}) = ({staged_key})
                    WHERE stored.{first_key} IS NULL OR ROW({stored_rest}) IS DISTINCT FROM ROW({staged_rest})
                    ORDER BY staged.ctid
                    """
                ).format(**names)
            )
            changes += [RowChange(table.name, {} if new else before, after) for new, before, after in stored]
    return changes


def _tables(communities: TableRows, households: TableRows, devices: TableRows) -> Iterator[tuple[_Table, TableRows]]:
    """Yield the tables that have rows, and no withdrawal in a row of a household or device."""
    yield _COMMUNITY, communities
    for table, rows in ((_HOUSEHOLD, households), (_DEVICE, devices)):
        yield table, TableRows((*rows.columns, "withdrawn_at"), [(*values, None) for values in rows.values])


@contextmanager
def _staged(connection: Connection, table: _Table, rows: TableRows) -> Iterator[dict[str, Any]]:
    """Hold the rows in a table `staged`; the names for statements about them come back."""
    names = _identifiers(table, rows)
    connection.execute(
        sql.SQL("CREATE TEMP TABLE staged ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA").format(**names)
    )
    with connection.cursor() as cursor, cursor.copy("COPY staged FROM STDIN") as copy:
        for values in rows.values:
            copy.write_row(values)
    if table is _DEVICE and "serial" in rows.columns:
        connection.execute(_KEEP_NEW_SERIALS)
    connection.execute("ANALYZE staged")
    yield names
    connection.execute("DROP TABLE staged")


def _upsert(connection: Connection, table: _Table, rows: TableRows) -> RowCounts:
    """Update the rows that differ, then insert the new rows.

    The registry lock keeps other writers out, so this needs no ON CONFLICT, which would use up a number of the identity
    for every existing row.
    """
    if not rows.values:
        return RowCounts()
    with _staged(connection, table, rows) as names:
        changed = connection.execute(
            sql.SQL(
                """
                UPDATE {table} AS stored SET {assignments} FROM staged
                WHERE ({stored_key}) = ({staged_key}) AND ROW({stored_rest}) IS DISTINCT FROM ROW({staged_rest})
                """
            ).format(**names)
        ).rowcount
        created = connection.execute(
            sql.SQL(
                """
                INSERT INTO {table} ({columns})
                SELECT {columns} FROM staged
                WHERE NOT EXISTS (SELECT FROM {table} AS stored WHERE ({stored_key}) = ({staged_key}))
                """
            ).format(**names)
        ).rowcount
    return RowCounts(created, changed, len(rows.values) - created - changed)


def _identifiers(table: _Table, rows: TableRows) -> dict[str, Any]:
    rest = [column for column in rows.columns if column not in table.key]
    comma = sql.SQL(", ")

    def qualified(columns: Sequence[str], relation: str) -> sql.Composable:
        return comma.join(sql.Identifier(relation, column) for column in columns)

    return {
        "table": sql.Identifier(table.name),
        "columns": comma.join(map(sql.Identifier, rows.columns)),
        "assignments": comma.join(
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Identifier("staged", column)) for column in rest
        ),
        "first_key": sql.Identifier(table.key[0]),
        "stored_pairs": comma.join(
            sql.SQL("{}, {}").format(sql.Literal(column), sql.Identifier("stored", column)) for column in rows.columns
        ),
        "stored_key": qualified(table.key, "stored"),
        "staged_key": qualified(table.key, "staged"),
        "stored_rest": qualified(rest, "stored"),
        "staged_rest": qualified(rest, "staged"),
    }
