"""The registry: which communities, households and devices there are. Read by ingest, written by the import."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from sys import intern
from typing import Any, NamedTuple

from psycopg import sql

from devices.device import Device, Service
from store.database import Connection

CellValue = str | bool | int | float | date | None


@dataclass(frozen=True, slots=True)
class TableRows:
    """TableRows of one table: the columns that are set, and the values of each row in that order.

    A column that is not named keeps its stored value; a new row gets the column's default.
    """

    columns: tuple[str, ...] = ()
    values: Sequence[tuple[CellValue, ...]] = ()


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What became of the rows of one table, in rows."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class ImportCount:
    """What an import did; `without_secret` counts the imported devices that can't log in yet."""

    communities: RowCounts
    households: RowCounts
    devices: RowCounts
    secrets_issued: int = 0
    without_secret: int = 0

    @property
    def changed_anything(self) -> bool:
        """Whether the registry is another one than before."""
        tables = (self.communities, self.households, self.devices)
        return bool(self.secrets_issued or any(table.created or table.changed for table in tables))


class _Table(NamedTuple):
    name: str
    key: tuple[str, ...]


_COMMUNITY = _Table("community", ("id",))
_HOUSEHOLD = _Table("household", ("community", "building", "unit", "room"))
_DEVICE = _Table("device", ("community", "name"))
_ROWS_AT_A_TIME = 10_000  # 400,000 rows at once would take as much memory as what is made of them


def registry_version(connection: Connection) -> int:
    """How often the registry has changed. Read it before the devices: then no change between the two is missed."""
    row = connection.execute("SELECT version FROM registry_version").fetchone()
    return int(row[0]) if row else 0


def load_communities(connection: Connection) -> list[str]:
    """The ids of all communities."""
    return [row[0] for row in connection.execute("SELECT id FROM community ORDER BY id")]


def load_devices(connection: Connection, communities: list[str] | None = None) -> list[Device]:
    """The registered devices of some communities, or all of them, by their numbers."""
    with connection.transaction(), connection.cursor(name="devices") as cursor:
        cursor.itersize = _ROWS_AT_A_TIME
        cursor.execute(
            """
            SELECT id, community, name, kind, gateway, building, unit, room, simulated, service
            FROM device
            WHERE %(communities)s::text[] IS NULL OR community = ANY (%(communities)s)
            ORDER BY id
            """,
            {"communities": communities},
        )
        # Many devices have the same community, kind, gateway and place: one text for all of them.
        return [
            Device(
                number,
                intern(community),
                name,
                intern(kind),
                gateway and intern(gateway),
                intern(compose_place(building, unit, room)),
                simulated,
                intern(building),
                intern(room),
                Service(service),
            )
            for number, community, name, kind, gateway, building, unit, room, simulated, service in cursor
        ]


def compose_place(building: str, unit: str, room: str) -> str:
    """Where a device is, as people say it: `3号楼 2单元 501`. Empty parts are left out.

    A bare number or letter gets its noun; a part that is already written in words (`A栋`, `物业中心`) is left as it is.
    """
    parts = (_with_noun(building, "号楼"), _with_noun(unit, "单元"), room)
    return " ".join(part for part in parts if part)


def lock_registry(connection: Connection) -> None:
    """Let no other import in until this transaction ends; readers are not kept waiting."""
    connection.execute("SELECT FROM registry_version FOR UPDATE")


def upsert_registry(
    connection: Connection, communities: TableRows, households: TableRows, devices: TableRows
) -> ImportCount:
    """Bring the registry to what the rows say, in one transaction; rows that it does not name stay.

    The version is counted up exactly when a row was created or changed. The kind of an existing device must not
    change, because its telemetry, topic and login hang on it: callers check that, as `imports.checks` does.

    Raises:
        psycopg.Error: a row breaks a constraint, such as a community that does not exist, or a row stands twice.
    """
    with connection.transaction():
        lock_registry(connection)
        count = ImportCount(
            _merge(connection, _COMMUNITY, communities),
            _merge(connection, _HOUSEHOLD, households),
            _merge(connection, _DEVICE, devices),
        )
        if any(change.created or change.changed for change in (count.communities, count.households, count.devices)):
            connection.execute("UPDATE registry_version SET version = version + 1")
    return count


def _with_noun(part: str, noun: str) -> str:
    return part + noun if part and part.isascii() else part


def _merge(connection: Connection, table: _Table, rows: TableRows) -> RowCounts:
    """Update what differs, then insert what is new.

    The registry's lock keeps other writers out, so this needs no ON CONFLICT, which would use up a number of the
    identity for every row that exists already.
    """
    if not rows.values:
        return RowCounts()
    names = _names(table, rows)
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


def _names(table: _Table, rows: TableRows) -> dict[str, Any]:
    rest = [column for column in rows.columns if column not in table.key]
    comma = sql.SQL(", ")

    def listed(columns: Sequence[str], relation: str) -> sql.Composable:
        return comma.join(sql.Identifier(relation, column) for column in columns)

    return {
        "table": sql.Identifier(table.name),
        "columns": comma.join(map(sql.Identifier, rows.columns)),
        "assignments": comma.join(
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Identifier("staged", column)) for column in rest
        ),
        "stored_key": listed(table.key, "stored"),
        "staged_key": listed(table.key, "staged"),
        "stored_rest": listed(rest, "stored"),
        "staged_rest": listed(rest, "staged"),
    }
