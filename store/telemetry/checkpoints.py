"""Checkpoints of devices, and the stored items since: the material of a replay after a late item."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import sql

from devices.catalogue import KIND_BY_NAME
from store.database import Connection
from store.telemetry.history import HistoryRow
from store.telemetry.schema import table_name


class CheckpointRow(NamedTuple):
    """The last two checkpoints of a device, in a form that only the rules read; the next one is due at `next_at`.

    To save one checkpoint, leave `older` empty: the newer one stored takes its place.
    """

    device_id: int
    next_at: datetime
    newer: bytes
    older: bytes | None = None


def save_checkpoints(connection: Connection, rows: Iterable[CheckpointRow]) -> None:
    """Store checkpoints inside the caller's transaction; each device occurs once at most."""
    connection.execute(
        """
        CREATE TEMPORARY TABLE IF NOT EXISTS incoming_checkpoint (
            device_id bigint, next_at timestamptz, newer bytea, older bytea
        ) ON COMMIT DELETE ROWS
        """
    )
    connection.execute("TRUNCATE incoming_checkpoint")
    with connection.cursor() as cursor, cursor.copy("COPY incoming_checkpoint FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int8", "timestamptz", "bytea", "bytea"])
        for row in rows:
            copy.write_row(row)
    connection.execute(
        """
        INSERT INTO device_checkpoint AS stored (device_id, next_at, newer, older)
        SELECT device_id, next_at, newer, older FROM incoming_checkpoint
        ON CONFLICT (device_id) DO UPDATE SET
            next_at = excluded.next_at, newer = excluded.newer, older = coalesce(excluded.older, stored.newer)
        """
    )


def load_checkpoints(connection: Connection, device_ids: Sequence[int]) -> list[CheckpointRow]:
    """Return the checkpoints of these devices; a device without any is left out."""
    rows = connection.execute(
        "SELECT device_id, next_at, newer, older FROM device_checkpoint WHERE device_id = ANY (%s)", (list(device_ids),)
    )
    return [CheckpointRow(*row) for row in rows]


class ItemsQuery(NamedTuple):
    """A query for the items of devices of one kind: the fields and events that the rules need.

    `since` is a time for each device, None for the beginning. Of each device the newest `at_most` readings and events
    are returned.
    """

    kind: str
    fields: Sequence[str]
    events: Sequence[str]
    since: Mapping[int, datetime | None]
    at_most: int


def read_items(connection: Connection, query: ItemsQuery) -> Iterator[HistoryRow]:
    """Yield the items after the times of a query, the events first, in no particular order otherwise."""
    parameters = {
        "device_ids": list(query.since),
        "since": list(query.since.values()),
        "events": list(query.events),
        "at_most": query.at_most,
    }
    if query.events:
        for device_id, ts, received_at, event, data in connection.execute(_EVENTS, parameters):
            yield HistoryRow(query.kind, device_id, ts, received_at, {}, event, data)
    names = [name for name in query.fields if KIND_BY_NAME[query.kind].field(name)]
    statement = sql.SQL(_READINGS).format(
        table=sql.Identifier(table_name(query.kind)),
        columns=sql.SQL("").join(sql.SQL(", reading.{}").format(sql.Identifier(name)) for name in names),
    )
    for device_id, ts, received_at, *values in connection.execute(statement, parameters):
        known = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        yield HistoryRow(query.kind, device_id, ts, received_at, known)


_EVENTS = """
    SELECT item.device_id, item.ts, item.received_at, item.event, item.data
    FROM unnest(%(device_ids)s::bigint[], %(since)s::timestamptz[]) AS begun (device_id, ts)
    CROSS JOIN LATERAL (
        SELECT device_id, ts, received_at, event, data FROM event
        WHERE device_id = begun.device_id AND ts > coalesce(begun.ts, '-infinity') AND event = ANY (%(events)s)
        ORDER BY ts DESC LIMIT %(at_most)s
    ) AS item
"""
_READINGS = """
    SELECT reading.device_id, reading.ts, reading.received_at{columns}
    FROM unnest(%(device_ids)s::bigint[], %(since)s::timestamptz[]) AS begun (device_id, ts)
    CROSS JOIN LATERAL (
        SELECT * FROM {table} WHERE device_id = begun.device_id AND ts > coalesce(begun.ts, '-infinity')
        ORDER BY ts DESC LIMIT %(at_most)s
    ) AS reading
"""
