"""Writers of device events and connection states, each stored once."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from devices.kind import Value
from store.database import Connection


class EventRow(NamedTuple):
    """An event to store; its key is (device, ts, event, id)."""

    device_id: int
    ts: datetime
    received_at: datetime
    event: str
    id: str
    data: Mapping[str, Value]


EventKey = tuple[int, datetime, str, str]
"""The device, the time, the name and the id of an event."""


class ConnectionRow(NamedTuple):
    """A connection state to store; `at` is its start, None where that is unknown (a redelivered last will).

    `device_time` means that the device itself gave the time; the time of a last will is its arrival.
    """

    device_id: int
    at: datetime | None
    received_at: datetime
    state: str
    device_time: bool = True


def insert_events(connection: Connection, rows: Sequence[EventRow]) -> frozenset[EventKey]:
    """Store events inside the caller's transaction; return the keys of the events that are new."""
    inserted = connection.execute(
        """
        INSERT INTO event (device_id, ts, received_at, event, id, data)
        SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[], %s::jsonb[])
        ON CONFLICT DO NOTHING
        RETURNING device_id, ts, event, id
        """,
        (
            [row.device_id for row in rows],
            [row.ts for row in rows],
            [row.received_at for row in rows],
            [row.event for row in rows],
            [row.id for row in rows],
            [json.dumps(dict(row.data), ensure_ascii=False) for row in rows],
        ),
    ).fetchall()
    return frozenset((device_id, ts, event, identifier) for device_id, ts, event, identifier in inserted)


def record_connections(connection: Connection, rows: Sequence[ConnectionRow]) -> None:
    """Store the connection state of each device, and each change of it as an event `online` or `offline`.

    Only a change is written. Times given by the device are compared only with each other: its report after a
    reconnection counts even if its last will took longer to arrive. A report with the same time as the stored one is a
    redelivery. It counts only after a redelivered last will, which takes the time of the stored state.
    """
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            WITH changed AS (
                INSERT INTO device_state AS state
                    (device_id, last_seen, connection, connection_at, connection_said_at)
                VALUES (%(device_id)s, %(received_at)s, %(state)s, coalesce(%(at)s, %(received_at)s),
                        CASE WHEN %(device_time)s THEN %(at)s::timestamptz END)
                ON CONFLICT (device_id) DO UPDATE
                SET connection = excluded.connection,
                    connection_at = coalesce(%(at)s, state.connection_at, excluded.connection_at),
                    connection_said_at = coalesce(excluded.connection_said_at, state.connection_said_at)
                WHERE state.connection IS DISTINCT FROM excluded.connection
                  AND (NOT %(device_time)s
                       OR state.connection_said_at IS NULL
                       OR %(at)s > state.connection_said_at
                       OR (%(at)s = state.connection_said_at AND %(at)s = state.connection_at))
                RETURNING device_id, connection, connection_at
            )
            INSERT INTO event (device_id, ts, received_at, event, id, data)
            SELECT device_id, connection_at, %(received_at)s, connection, '', '{}' FROM changed
            ON CONFLICT DO NOTHING
            """,
            [row._asdict() for row in rows],
        )
