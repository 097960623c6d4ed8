"""Writers of device events and connection states, each stored once."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from devices.kind import Value
from store.database import Connection


class EventRow(NamedTuple):
    """An event to store; its key is (device, ts, event, id).

    `earlier_ids` are ids under which it may be stored already.
    """

    device_id: int
    ts: datetime
    received_at: datetime
    event: str
    id: str
    data: Mapping[str, Value]
    earlier_ids: Sequence[str] = ()


EventKey = tuple[int, datetime, str, str]
"""The device, the time, the name and the id of an event."""


class ConnectionRow(NamedTuple):
    """A report of a connection state; `at` is the time that the device gave, None in a last will without one.

    `redelivered` and `retained` mark a report that the broker may have sent before.
    """

    device_id: int
    at: datetime | None
    received_at: datetime
    state: str
    redelivered: bool = False
    retained: bool = False


def insert_events(connection: Connection, rows: Sequence[EventRow]) -> frozenset[EventKey]:
    """Store events inside the caller's transaction; return the keys of the events that are new."""
    if known := _stored_under_earlier_ids(connection, [row for row in rows if row.earlier_ids]):
        rows = [row for row in rows if (row.device_id, row.ts, row.event, row.id) not in known]
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


def _stored_under_earlier_ids(connection: Connection, rows: Sequence[EventRow]) -> set[EventKey]:
    """Return the keys of the events that are stored under one of their earlier ids."""
    if not rows:
        return set()
    earlier = [(row, identifier) for row in rows for identifier in row.earlier_ids]
    stored = connection.execute(
        """
        SELECT device_id, ts, event, sent.id
        FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::text[], %s::text[])
            AS sent (device_id, ts, event, id, earlier_id)
        JOIN event USING (device_id, ts, event)
        WHERE event.id = sent.earlier_id
        """,
        (
            [row.device_id for row, _ in earlier],
            [row.ts for row, _ in earlier],
            [row.event for row, _ in earlier],
            [row.id for row, _ in earlier],
            [identifier for _, identifier in earlier],
        ),
    ).fetchall()
    return {(device_id, ts, event, identifier) for device_id, ts, event, identifier in stored}


def record_connections(connection: Connection, rows: Sequence[ConnectionRow]) -> None:
    """Store the connection state of each device, and each change of it as an event `online` or `offline`.

    Only a change is written. Times given by the device are compared only with each other: its report after a
    reconnection counts even if its last will took longer to arrive. A report that is not newer is a redelivery. There
    are two exceptions, which count from their arrival:

    - A report without a time is a last will. A redelivered one takes the time of the stored state, so that the
      redelivered report behind it counts again. A retained one is new only if none was received before.
    - An `offline` that was not sent before is a last will with the time of its connection.
    """
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            WITH changed AS (
                INSERT INTO device_state AS state
                    (device_id, last_seen, connection, connection_at, connection_said_at, offline_received_at)
                VALUES (%(device_id)s, %(received_at)s, %(state)s, coalesce(%(at)s, %(received_at)s), %(at)s,
                        CASE %(state)s WHEN 'offline' THEN %(received_at)s::timestamptz END)
                ON CONFLICT (device_id) DO UPDATE
                SET connection = excluded.connection,
                    connection_at = CASE
                        WHEN %(at)s > coalesce(state.connection_said_at, '-infinity')
                             AND (%(at)s >= state.last_seen OR excluded.connection = 'online') THEN %(at)s
                        WHEN %(at)s = state.connection_at AND excluded.connection = 'online' THEN %(at)s
                        WHEN %(redelivered)s THEN coalesce(state.connection_at, excluded.connection_at)
                        ELSE %(received_at)s
                    END,
                    connection_said_at = greatest(state.connection_said_at, excluded.connection_said_at),
                    offline_received_at = coalesce(state.offline_received_at, excluded.offline_received_at)
                WHERE state.connection IS DISTINCT FROM excluded.connection
                  AND CASE
                          WHEN %(at)s IS NULL THEN
                              NOT %(retained)s OR state.connection IS NULL
                              OR (excluded.connection = 'offline' AND state.offline_received_at IS NULL)
                          WHEN %(at)s > coalesce(state.connection_said_at, '-infinity') THEN true
                          WHEN excluded.connection = 'offline' AND NOT %(redelivered)s AND NOT %(retained)s THEN true
                          ELSE %(at)s = state.connection_said_at AND %(at)s = state.connection_at
                      END
                RETURNING device_id, connection, connection_at
            )
            INSERT INTO event (device_id, ts, received_at, event, id, data)
            SELECT device_id, connection_at, %(received_at)s, connection, '', '{}' FROM changed
            ON CONFLICT DO NOTHING
            """,
            [row._asdict() for row in rows],
        )
