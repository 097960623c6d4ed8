"""Maintenance windows, in which matching alerts are not notified. The table and the API call them silences."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import LiteralString
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from store.database import Connection

LONGEST_MAINTENANCE = timedelta(days=90)


class Purpose(StrEnum):
    """What a window is announced for."""

    MAINTENANCE = "maintenance"
    POWER_CUT = "power_cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMaintenance:
    """A maintenance window to announce. It has at least one condition to match; a building needs its community.

    A planned power cut has the names of the `rules` that it suppresses, and goes on for `settling` after its end.
    """

    id: UUID
    community: str | None = None
    building: str | None = None
    kind: str | None = None
    rule: str | None = None
    device_id: int | None = None
    starts_at: datetime
    ends_at: datetime
    reason: str
    actor: str
    created_at: datetime
    purpose: Purpose = Purpose.MAINTENANCE
    rules: Sequence[str] | None = None
    settling: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceRow:
    """A maintenance window; `device` is a device name. `ended_at` is the time of an early end by a person."""

    id: UUID
    community: str | None
    building: str | None
    kind: str | None
    rule: str | None
    device: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str
    actor: str
    created_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    purpose: str = Purpose.MAINTENANCE
    rules: Sequence[str] | None = None


MaintenanceKey = tuple[datetime, UUID]
"""The start and the id of a window: its place in a list."""

_WINDOW: LiteralString = """
    SELECT silence.id, coalesce(silence.community, device.community) AS community, silence.building, silence.kind,
           silence.rule, device.name AS device, silence.starts_at, silence.ends_at, silence.reason, silence.actor,
           silence.created_at, silence.ended_at, silence.ended_by, silence.purpose, silence.rules
    FROM silence LEFT JOIN device ON device.id = silence.device_id
"""


def insert_maintenance(connection: Connection, window: NewMaintenance) -> None:
    """Store a window, inside the caller's transaction.

    Raises:
        UnusableDataError: the window has no condition, names something that does not exist, ends before it starts, or
            lasts longer than `LONGEST_MAINTENANCE` (at the edge of the store).
    """
    connection.execute(
        """
        INSERT INTO silence (id, community, building, kind, rule, device_id, starts_at, ends_at, reason, actor,
                             created_at, purpose, rules, settling)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            window.id, window.community, window.building, window.kind, window.rule, window.device_id,
            window.starts_at, window.ends_at, window.reason, window.actor, window.created_at,
            window.purpose, None if window.rules is None else list(window.rules), window.settling,
        ),
    )  # fmt: skip


def find_maintenance(connection: Connection, window_id: UUID) -> MaintenanceRow | None:
    """Return the window with this id, or None."""
    with connection.cursor(row_factory=class_row(MaintenanceRow)) as cursor:
        return cursor.execute(
            sql.SQL("{window} WHERE silence.id = %s").format(window=sql.SQL(_WINDOW)), (window_id,)
        ).fetchone()


def claim_maintenance(connection: Connection, window_id: UUID) -> MaintenanceRow | None:
    """Return the window with this id, or None, and lock its row until the caller's transaction ends."""
    connection.execute("SELECT 1 FROM silence WHERE id = %s FOR UPDATE", (window_id,))
    return find_maintenance(connection, window_id)


def end_maintenance(connection: Connection, window_id: UUID, *, at: datetime, actor: str) -> None:
    """End a claimed window early."""
    connection.execute("UPDATE silence SET ended_at = %s, ended_by = %s WHERE id = %s", (at, actor, window_id))


def list_maintenance(
    connection: Connection,
    *,
    community: str | None,
    not_over_at: datetime | None,
    before: MaintenanceKey | None,
    limit: int,
) -> list[MaintenanceRow]:
    """Return at most `limit` windows beyond the key `before`, latest start first.

    Args:
        connection: To read on.
        community: Only windows about this community or a device in it; None for all.
        not_over_at: Only windows that end after this time; None for all.
        before: The key of the last window of the previous page.
        limit: The size of the page.
    """
    starts_at, window_id = before or (None, None)
    with connection.cursor(row_factory=class_row(MaintenanceRow)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                {window}
                WHERE (%(community)s::text IS NULL OR %(community)s IN (silence.community, device.community))
                  AND (%(not_over_at)s::timestamptz IS NULL
                       OR (silence.ends_at > %(not_over_at)s AND coalesce(silence.ended_at > %(not_over_at)s, true)))
                  AND (%(starts_at)s::timestamptz IS NULL
                       OR silence.starts_at < %(starts_at)s
                       OR (silence.starts_at = %(starts_at)s AND silence.id > %(id)s::uuid))
                ORDER BY silence.starts_at DESC, silence.id
                LIMIT %(limit)s
                """
            ).format(window=sql.SQL(_WINDOW)),
            {
                "community": community, "not_over_at": not_over_at, "starts_at": starts_at, "id": window_id,
                "limit": limit,
            },
        ).fetchall()  # fmt: skip
