"""Stored events of a device."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from devices.kind import Value
from store.database import Connection

EventPosition = tuple[datetime, str, str]
"""The time, name and id of an event: its place in the list of its device."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event: its time by the device's clock, its arrival, and its data with personal values masked."""

    ts: datetime
    received_at: datetime
    event: str
    id: str
    data: Mapping[str, Value]


def list_events(
    connection: Connection,
    device_id: int,
    *,
    start: datetime | None,
    end: datetime | None,
    event: str | None,
    before: EventPosition | None,
    limit: int,
) -> list[StoredEvent]:
    """Return at most `limit` events of [start, end) older than `before`, newest first."""
    before_ts, before_event, before_id = before or (None, None, None)
    with connection.cursor(row_factory=class_row(StoredEvent)) as cursor:
        return cursor.execute(
            """
            SELECT ts, received_at, event, id, data
            FROM visible_event AS event
            WHERE device_id = %(device_id)s
              AND (%(start)s::timestamptz IS NULL OR ts >= %(start)s)
              AND (%(end)s::timestamptz IS NULL OR ts < %(end)s)
              AND (%(event)s::text IS NULL OR event = %(event)s)
              AND (%(before_ts)s::timestamptz IS NULL
                   OR (ts, event, id) < (%(before_ts)s, %(before_event)s::text, %(before_id)s::text))
            ORDER BY ts DESC, event DESC, id DESC
            LIMIT %(limit)s
            """,
            {
                "device_id": device_id,
                "start": start,
                "end": end,
                "event": event,
                "before_ts": before_ts,
                "before_event": before_event,
                "before_id": before_id,
                "limit": limit,
            },
        ).fetchall()
