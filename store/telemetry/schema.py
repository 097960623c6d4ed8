"""The hypertables `telemetry_<kind>` and their views for readers, created and extended from the catalogue of kinds."""

from psycopg import sql

from devices.catalogue import KINDS
from devices.kind import Choice, Counter, DeviceKind, Field, Flag, Gauge
from store.database import Connection

_CHUNK = "7 days"


def table_name(kind: str) -> str:
    """Return the name of the table with the telemetry of a kind."""
    return f"telemetry_{kind}"


def visible_name(kind: str) -> str:
    """Return the name of the view with the telemetry of a kind, as far as the reader's scope reaches."""
    return f"visible_{table_name(kind)}"


def column_type(field: Field) -> str:
    """Return the PostgreSQL type of a field's column."""
    match field:
        case Gauge() | Counter():
            return "double precision"
        case Flag():
            return "boolean"
        case Choice():
            return "text"


def create_telemetry_tables(connection: Connection) -> None:
    """Create the missing tables of new kinds and columns of new fields; nothing is ever dropped."""
    for kind in KINDS:
        _create(connection, kind)
        for field in kind.fields:
            connection.execute(
                sql.SQL("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} {type}").format(
                    table=sql.Identifier(table_name(kind.name)),
                    column=sql.Identifier(field.name),
                    type=sql.SQL(column_type(field)),
                )
            )


def create_telemetry_views(connection: Connection) -> None:
    """Create the missing views of new kinds, and add the columns of new fields."""
    for kind in KINDS:
        _create_view(connection, kind)


def _create(connection: Connection, kind: DeviceKind) -> None:
    """Create the table of a kind. Unique (ts, device_id) is faster to fill, but readers want a device's series."""
    name = table_name(kind.name)
    connection.execute(
        sql.SQL(
            """
            CREATE TABLE IF NOT EXISTS {table} (
                device_id bigint NOT NULL,
                ts timestamptz NOT NULL,
                received_at timestamptz NOT NULL,
                UNIQUE (device_id, ts)
            )
            """
        ).format(table=sql.Identifier(name))
    )
    connection.execute(
        "SELECT create_hypertable(%s::regclass, by_range('ts', %s::interval), if_not_exists => true)", (name, _CHUNK)
    )


def _create_view(connection: Connection, kind: DeviceKind) -> None:
    """Create the view of a kind, or add its new columns; `visible_event` of the migrations is its like."""
    connection.execute(
        sql.SQL(
            """
            CREATE OR REPLACE VIEW {view} AS
            SELECT reading.* FROM {table} AS reading
            WHERE (SELECT sees_everything()) OR EXISTS (
                SELECT FROM device JOIN community ON community.id = device.community
                WHERE device.id = reading.device_id
                  AND scope_entries(community.id, banner, street) && (SELECT scope_in_force())
                  AND scope_entries(community.id, banner, street) && (SELECT scope_within())
            )
            """
        ).format(view=sql.Identifier(visible_name(kind.name)), table=sql.Identifier(table_name(kind.name)))
    )
