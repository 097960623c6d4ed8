"""Transitions of rule instances and alerts, and the lock of everything that writes them.

The numbers of `alert_transition` order the stream that clients resume from. A row gets its number when it is inserted,
but becomes visible when its transaction commits. Writers therefore take turns: a reader that has seen number n has seen
every number below it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString, NewType
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from store.database import ALERT_CHANNEL, Connection

LockedConnection = NewType("LockedConnection", Connection)
"""A connection whose transaction holds the alert lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionRow:
    """A transition to insert, of a rule instance or of an alert.

    `axis` is `process` or `attention`. `alert_id` is None before an alert is raised, `device_id` for an alert about
    Anju itself. `actor` is the person or API key that acted, None for a rule. `at` is the time of the event,
    `decided_at` the time of the decision. `suppressions` are the causes that kept it from being notified.
    """

    alert_id: UUID | None
    rule: str
    rule_version: str
    device_id: int | None
    sequence: int
    axis: str
    from_state: str
    to_state: str
    at: datetime
    decided_at: datetime
    reason: str
    actor: str | None = None
    comment: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    suppressions: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTransition:
    """A stored transition; its id orders the transitions of all alerts."""

    id: int
    axis: str
    from_state: str
    to_state: str
    at: datetime
    decided_at: datetime
    reason: str
    rule_version: str
    actor: str | None
    comment: str | None
    inputs: Mapping[str, Any]
    suppressions: Sequence[str]


_STORED: LiteralString = """
    SELECT id, axis, from_state, to_state, at, decided_at, reason, rule_version, actor, comment, inputs, suppressions
    FROM alert_transition
"""


@contextmanager
def alert_lock(connection: Connection) -> Iterator[LockedConnection]:
    """Lock out other writers of alerts until the caller's transaction ends, and wake the readers at its commit.

    Functions that write alerts, transitions or suppressions ask for the `LockedConnection`, so that none of them runs
    without the lock. A transaction takes it before it touches a row of `alert`: two transactions that took both in a
    different order would wait for each other.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('alert_transition'))")
    yield LockedConnection(connection)
    connection.execute("SELECT pg_notify(%s, '')", (ALERT_CHANNEL,))


def insert_transitions(connection: LockedConnection, rows: Sequence[TransitionRow]) -> None:
    """Insert transitions in the order given."""
    if not rows:
        return
    # No COPY: PostgreSQL refuses it for tables with row-level security.
    connection.cursor().executemany(
        """
        INSERT INTO alert_transition (alert_id, rule, rule_version, device_id, sequence, axis, from_state, to_state, at,
                                      decided_at, reason, actor, comment, inputs, suppressions)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        [
            (
                row.alert_id, row.rule, row.rule_version, row.device_id, row.sequence, row.axis, row.from_state,
                row.to_state, row.at, row.decided_at, row.reason, row.actor, row.comment,
                json.dumps(row.inputs, ensure_ascii=False), list(row.suppressions),
            )
            for row in rows
        ],
    )  # fmt: skip


def list_transitions(connection: Connection, alert_id: UUID) -> list[StoredTransition]:
    """Return every transition of an alert, in the order of writing."""
    with connection.cursor(row_factory=class_row(StoredTransition)) as cursor:
        return cursor.execute(
            sql.SQL("{} WHERE alert_id = %s ORDER BY id").format(sql.SQL(_STORED)), (alert_id,)
        ).fetchall()


def previous_transition(
    connection: Connection, rule: str, device_id: int | None, before: int
) -> StoredTransition | None:
    """Return the last transition of a rule on a device before the one numbered `before`; device None is Anju itself."""
    with connection.cursor(row_factory=class_row(StoredTransition)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                {stored}
                WHERE rule = %(rule)s AND id < %(before)s AND axis = 'process'
                  AND (device_id = %(device_id)s OR (%(device_id)s::bigint IS NULL AND device_id IS NULL))
                ORDER BY id DESC
                LIMIT 1
                """
            ).format(stored=sql.SQL(_STORED)),
            {"rule": rule, "device_id": device_id, "before": before},
        ).fetchone()
