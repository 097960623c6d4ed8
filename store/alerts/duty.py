"""Shifts of persons on duty for communities."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from store.database import Connection

LONGEST_SHIFT = timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewShift:
    """A shift to store."""

    id: UUID
    community: str
    person: str
    starts_at: datetime
    ends_at: datetime
    note: str
    actor: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftRow:
    """A stored shift. At `ended_at` a person ended it early; one that ended before its start never was."""

    id: UUID
    community: str
    community_name: str
    person: str
    starts_at: datetime
    ends_at: datetime
    note: str
    actor: str
    created_at: datetime
    ended_at: datetime | None
    ended_by: str | None

    @property
    def over_at(self) -> datetime:
        """The end, planned or early."""
        return self.ended_at or self.ends_at


ShiftKey = tuple[datetime, UUID]
"""The start and the id of a shift: its place in a list."""

_SHIFT: LiteralString = """
    SELECT duty_shift.id, community, community.name AS community_name, person, starts_at, ends_at, note, actor,
           created_at, ended_at, ended_by
    FROM duty_shift JOIN community ON community.id = duty_shift.community
"""


def insert_shift(connection: Connection, shift: NewShift) -> None:
    """Store a shift, inside the caller's transaction."""
    connection.execute(
        """
        INSERT INTO duty_shift (id, community, person, starts_at, ends_at, note, actor, created_at)
        VALUES (%(id)s, %(community)s, %(person)s, %(starts_at)s, %(ends_at)s, %(note)s, %(actor)s, %(created_at)s)
        """,
        asdict(shift),
    )


def list_shifts(
    connection: Connection,
    *,
    start: datetime,
    end: datetime,
    community: str | None = None,
    after: ShiftKey | None = None,
    limit: int,
) -> list[ShiftRow]:
    """Return at most `limit` shifts of which a part lies within a period, by start.

    A period of no length is the instant `start`.
    """
    after_start, after_id = after or (None, None)
    with connection.cursor(row_factory=class_row(ShiftRow)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                {shift}
                WHERE starts_at > %(start)s - %(longest)s AND coalesce(ended_at, ends_at) > %(start)s
                  AND (starts_at < %(end)s OR starts_at = %(start)s)
                  AND coalesce(ended_at, ends_at) > starts_at
                  AND (%(community)s::text IS NULL OR community = %(community)s)
                  AND (%(after_start)s::timestamptz IS NULL
                       OR (starts_at, duty_shift.id) > (%(after_start)s, %(after_id)s::uuid))
                ORDER BY starts_at, duty_shift.id
                LIMIT %(limit)s
                """
            ).format(shift=sql.SQL(_SHIFT)),
            {
                "start": start, "end": end, "longest": LONGEST_SHIFT + timedelta(seconds=1), "community": community,
                "after_start": after_start, "after_id": after_id, "limit": limit,
            },
        ).fetchall()  # fmt: skip


def find_shift(connection: Connection, shift_id: UUID) -> ShiftRow | None:
    """Return the shift with this id, or None."""
    with connection.cursor(row_factory=class_row(ShiftRow)) as cursor:
        return cursor.execute(sql.SQL("{} WHERE duty_shift.id = %s").format(sql.SQL(_SHIFT)), (shift_id,)).fetchone()


def claim_shift(connection: Connection, shift_id: UUID) -> ShiftRow | None:
    """Return the shift with this id, or None, and lock its row until the transaction ends."""
    connection.execute("SELECT FROM duty_shift WHERE id = %s FOR NO KEY UPDATE", (shift_id,))
    return find_shift(connection, shift_id)


def lock_roster(connection: Connection, community: str) -> None:
    """Let other writers of the shifts of a community wait until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('duty_shift'), hashtext(%s))", (community,))


def end_shift(connection: Connection, shift_id: UUID, *, at: datetime, actor: str) -> None:
    """End a claimed shift early."""
    connection.execute("UPDATE duty_shift SET ended_at = %s, ended_by = %s WHERE id = %s", (at, actor, shift_id))
