"""What a shift hands over: the steps of people, its notes, and alerts that somebody still works on."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from store.alerts.alerts import ALERT_COLUMNS, ALERT_TABLES, AlertRow
from store.database import Connection

IN_HAND_FOR = timedelta(days=30)
"""An alert that opened earlier and has ended is no work any more, whatever its state of attention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonStep:
    """A step of a person on an alert."""

    alert_id: UUID
    community: str | None
    community_name: str | None
    title: str
    severity: str
    place: str
    at: datetime
    actor: str
    reason: str
    comment: str | None
    assignee: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverNote:
    """A note of a shift for the next one."""

    id: UUID
    community: str
    at: datetime
    actor: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftCounts:
    """Alerts that opened within a period, by severity, and those of them that have ended."""

    critical: int
    major: int
    warning: int
    info: int
    ended: int


def list_steps_of_people(
    connection: Connection, start: datetime, end: datetime, community: str | None, limit: int
) -> list[PersonStep]:
    """Return at most `limit` steps that people took within a period, the latest first."""
    with connection.cursor(row_factory=class_row(PersonStep)) as cursor:
        return cursor.execute(
            """
            SELECT alert.id AS alert_id, alert.community, community.name AS community_name, alert.title, alert.severity,
                   compose_place(
                       coalesce(device.building, alert.building, ''), coalesce(device.unit, ''),
                       coalesce(device.room, ''), coalesce(device.location, '')
                   ) AS place,
                   step.decided_at AS at, step.actor, step.reason, step.comment, step.inputs ->> 'assignee' AS assignee
            FROM alert_transition AS step
            JOIN alert ON alert.id = step.alert_id
            LEFT JOIN device ON device.id = alert.device_id
            LEFT JOIN community ON community.id = alert.community
            WHERE step.axis = 'attention' AND step.actor IS NOT NULL
              AND step.decided_at >= %(start)s AND step.decided_at < %(end)s
              AND (%(community)s::text IS NULL OR alert.community = %(community)s)
            ORDER BY step.decided_at DESC, step.id DESC
            LIMIT %(limit)s
            """,
            {"start": start, "end": end, "community": community, "limit": limit},
        ).fetchall()


def list_in_hand(connection: Connection, now: datetime, community: str | None, limit: int) -> list[AlertRow]:
    """Return alerts that have ended while somebody was assigned or at work, the newest first."""
    with connection.cursor(row_factory=class_row(AlertRow)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                SELECT {columns} FROM {tables}
                WHERE alert.process = 'ended' AND alert.attention IN ('assigned', 'in_progress')
                  AND alert.opened_at >= %(since)s
                  AND (%(community)s::text IS NULL OR alert.community = %(community)s)
                ORDER BY alert.opened_at DESC, alert.id
                LIMIT %(limit)s
                """
            ).format(columns=sql.SQL(ALERT_COLUMNS), tables=sql.SQL(ALERT_TABLES)),
            {"since": now - IN_HAND_FOR, "community": community, "limit": limit},
        ).fetchall()


def count_opened(connection: Connection, start: datetime, end: datetime, community: str | None) -> ShiftCounts:
    """Count the alerts that opened within a period."""
    with connection.cursor(row_factory=class_row(ShiftCounts)) as cursor:
        row = cursor.execute(
            """
            SELECT count(*) FILTER (WHERE severity = 'critical') AS critical,
                   count(*) FILTER (WHERE severity = 'major') AS major,
                   count(*) FILTER (WHERE severity = 'warning') AS warning,
                   count(*) FILTER (WHERE severity = 'info') AS info,
                   count(*) FILTER (WHERE process = 'ended') AS ended
            FROM alert
            WHERE opened_at >= %(start)s AND opened_at < %(end)s
              AND (%(community)s::text IS NULL OR community = %(community)s)
            """,
            {"start": start, "end": end, "community": community},
        ).fetchone()
        assert row is not None  # noqa: S101
        return row


def list_notes(
    connection: Connection, start: datetime, end: datetime, community: str | None, limit: int
) -> list[HandoverNote]:
    """Return at most `limit` notes of a period, the latest first; one of its last instant is in it."""
    with connection.cursor(row_factory=class_row(HandoverNote)) as cursor:
        return cursor.execute(
            """
            SELECT id, community, at, actor, note FROM handover_note
            WHERE at >= %(start)s AND at <= %(end)s AND (%(community)s::text IS NULL OR community = %(community)s)
            ORDER BY at DESC, id
            LIMIT %(limit)s
            """,
            {"start": start, "end": end, "community": community, "limit": limit},
        ).fetchall()


def find_note(connection: Connection, note_id: UUID) -> HandoverNote | None:
    """Return the note with this id, or None."""
    with connection.cursor(row_factory=class_row(HandoverNote)) as cursor:
        return cursor.execute(
            "SELECT id, community, at, actor, note FROM handover_note WHERE id = %s", (note_id,)
        ).fetchone()


def insert_note(connection: Connection, note: HandoverNote) -> None:
    """Store a note, inside the caller's transaction."""
    connection.execute(
        """
        INSERT INTO handover_note (id, community, at, actor, note)
        VALUES (%(id)s, %(community)s, %(at)s, %(actor)s, %(note)s)
        """,
        asdict(note),
    )
