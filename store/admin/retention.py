"""Retention: raw telemetry and events are dropped by chunks; single kinds' events, rejections and notices by rows."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from devices.catalogue import KINDS
from store.database import Connection
from store.telemetry.schema import table_name

_REJECTIONS = timedelta(days=30)
_UNREGISTERED_REJECTIONS = 10_000
"""Invented topics have no end; a registered device has a few reasons."""
_REJECTION_COUNTS = timedelta(days=400)
_NOTICES = timedelta(days=400)
_ERASURES = timedelta(days=30)


def drop_expired(connection: Connection, now: datetime, keep: timedelta | None) -> int:
    """Drop the chunks of telemetry and events older than `keep` (None: none), old rejections and old notices.

    Alerts, their transitions and verifications stay: evidence outlives the raw data.

    Returns:
        The number of dropped chunks.
    """
    connection.execute("DELETE FROM rejection WHERE last_received_at < %s", (now - _REJECTIONS,))
    connection.execute(
        """
        DELETE FROM rejection WHERE device_id IS NULL AND last_received_at < (
            SELECT last_received_at FROM rejection WHERE device_id IS NULL
            ORDER BY last_received_at DESC OFFSET %s LIMIT 1
        )
        """,
        (_UNREGISTERED_REJECTIONS - 1,),
    )
    counted_since = now - min(keep or _REJECTION_COUNTS, _REJECTION_COUNTS)
    connection.execute("DELETE FROM rejection_count WHERE hour < %s", (counted_since,))
    connection.execute("DELETE FROM device_rejection_count WHERE hour < %s", (counted_since,))
    connection.execute("DELETE FROM notice WHERE settled_at < %s", (now - _NOTICES,))
    connection.execute(
        """
        DELETE FROM notice_message AS message
        WHERE sent_at < %s AND NOT EXISTS (SELECT FROM notice WHERE message_id = message.id)
        """,
        (now - _NOTICES,),
    )
    if keep is None:
        return 0
    dropped = 0
    for table in (*(table_name(kind.name) for kind in KINDS), "event"):
        # By a function of the owner: the worker owns no table.
        row = connection.execute("SELECT drop_chunks_before(%s, %s)", (table, now - keep)).fetchone()
        dropped += row[0] if row else 0
    return dropped


def delete_expired_events(connection: Connection, now: datetime, keep: Mapping[str, timedelta]) -> int:
    """Delete the events of devices of some kinds that are older than their time; return the number of events."""
    deleted = 0
    for kind, kept in sorted(keep.items()):
        deleted += connection.execute(
            """
            DELETE FROM event WHERE ts < %s AND device_id = ANY (ARRAY(SELECT id FROM device WHERE kind = %s))
            """,
            (now - kept, kind),
        ).rowcount
    return deleted


def forget_erasures(connection: Connection, now: datetime) -> None:
    """Delete the records of erasures that no message on its way can concern any more."""
    connection.execute("DELETE FROM erasure WHERE until < %s", (now - _ERASURES,))
