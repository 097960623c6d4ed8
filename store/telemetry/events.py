"""Events of a device, newest first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from store.database import Connection

EventKey = tuple[datetime, str, str]
"""The time, name and id of an event: unique within its device."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event: when it happened by the device's clock, when it arrived, and its data, with personal values masked."""

    ts: datetime
    received_at: datetime
    event: str
    id: str
    data: Mapping[str, float | bool | str]


def list_events(
    connection: Connection,
    device_id: int,
    *,
    start: datetime | None,
    end: datetime | None,
    event: str | None,
    before: EventKey | None,
    limit: int,
) -> list[StoredEvent]:
    """At most `limit` events of [start, end), newest first, from the first one older than `before`."""
    before_ts, before_event, before_id = before or (None, None, None)
    with connection.cursor(row_factory=class_row(StoredEvent)) as cursor:
        return cursor.execute(
            """
            SELECT ts, received_at, event, id, data
            FROM event
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
