"""Changes of the registry by an import: rows of its tables, inserted or updated."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from psycopg import sql

from store.database import Connection
from store.registry.registry import lock_registry

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


@dataclass(frozen=True, slots=True)
class ImportCount:
    """The result of an import; `without_secret` counts the imported devices that cannot log in yet."""

    communities: RowCounts
    households: RowCounts
    devices: RowCounts
    secrets_issued: int = 0
    without_secret: int = 0

    @property
    def changed_anything(self) -> bool:
        """Whether the import changed the registry."""
        tables = (self.communities, self.households, self.devices)
        return bool(self.secrets_issued or any(table.created or table.changed for table in tables))


class _Table(NamedTuple):
    name: str
    key: tuple[str, ...]


_COMMUNITY = _Table("community", ("id",))
_HOUSEHOLD = _Table("household", ("community", "building", "unit", "room"))
_DEVICE = _Table("device", ("community", "name"))


def upsert_registry(
    connection: Connection, communities: TableRows, households: TableRows, devices: TableRows
) -> ImportCount:
    """Insert or update rows of the registry in one transaction; rows that are not given stay.

    The version grows exactly when a row was created or changed. The kind of an existing device must not change, because
    its telemetry, topic and login depend on it: callers check that, as `imports.checks` does.

    Raises:
        psycopg.Error: a row breaks a constraint, such as a community that does not exist, or a row is given twice.
    """
    with connection.transaction():
        lock_registry(connection)
        count = ImportCount(
            _upsert(connection, _COMMUNITY, communities),
            _upsert(connection, _HOUSEHOLD, households),
            _upsert(connection, _DEVICE, devices),
        )
        if any(counts.created or counts.changed for counts in (count.communities, count.households, count.devices)):
            connection.execute("UPDATE registry_version SET version = version + 1")
    return count


def _upsert(connection: Connection, table: _Table, rows: TableRows) -> RowCounts:
    """Update the rows that differ, then insert the new rows.

    The registry lock keeps other writers out, so this needs no ON CONFLICT, which would use up a number of the identity
    for every existing row.
    """
    if not rows.values:
        return RowCounts()
    names = _identifiers(table, rows)
    connection.execute(
        sql.SQL("CREATE TEMP TABLE staged ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA").format(**names)
    )
    with connection.cursor() as cursor, cursor.copy("COPY staged FROM STDIN") as copy:
        for values in rows.values:
            copy.write_row(values)
    connection.execute("ANALYZE staged")
    changed = 0
    if set(rows.columns) - set(table.key):
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
    connection.execute("DROP TABLE staged")
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
        "stored_key": qualified(table.key, "stored"),
        "staged_key": qualified(table.key, "staged"),
        "stored_rest": qualified(rest, "stored"),
        "staged_rest": qualified(rest, "staged"),
    }
