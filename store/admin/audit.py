"""The audit log: one row for each change by a person, written in the transaction of the change, and only ever added."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What somebody changed, as JSON before and after it.

    `actor` is whose key or account it was, `person` whom the holder of a key that several share named. `subject` says
    of what sort the changed thing is, such as `alert`. `request_key` tells a request that is sent again; None where
    the client gave none.
    """

    at: datetime
    actor: str
    person: str | None
    action: str
    subject: str
    subject_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    request_key: str | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A change as it was written down; the number orders all of them."""

    id: int
    at: datetime
    actor: str
    person: str | None
    action: str
    subject: str
    subject_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def record_change(connection: Connection, change: Change) -> None:
    """Write a change down, inside the transaction that makes it."""
    connection.execute(
        """
        INSERT INTO audit_log (at, actor, person, action, subject, subject_id, before, after, request_key)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            change.at, change.actor, change.person, change.action, change.subject, change.subject_id,
            json.dumps(change.before, ensure_ascii=False), json.dumps(change.after, ensure_ascii=False),
            change.request_key,
        ),
    )  # fmt: skip


def find_request(connection: Connection, actor: str, request_key: str) -> AuditRow | None:
    """What a request with that key has changed already, or None.

    Until the caller's transaction ends, another request of the same key waits here.
    """
    connection.execute(
        "SELECT pg_advisory_xact_lock(hashtext('audit_log'), hashtext(%s || ' ' || %s))", (actor, request_key)
    )
    with connection.cursor(row_factory=class_row(AuditRow)) as cursor:
        return cursor.execute(
            """
            SELECT id, at, actor, person, action, subject, subject_id, before, after
            FROM audit_log WHERE actor = %s AND request_key = %s
            """,
            (actor, request_key),
        ).fetchone()


def list_changes(
    connection: Connection, *, subject: str | None, subject_id: str | None, before: int | None, limit: int
) -> list[AuditRow]:
    """At most `limit` changes, the newest first, with numbers below `before`; a filter that is None passes all."""
    with connection.cursor(row_factory=class_row(AuditRow)) as cursor:
        return cursor.execute(
            """
            SELECT id, at, actor, person, action, subject, subject_id, before, after
            FROM audit_log
            WHERE (%(subject)s::text IS NULL OR subject = %(subject)s)
              AND (%(subject_id)s::text IS NULL OR subject_id = %(subject_id)s)
              AND (%(before)s::bigint IS NULL OR id < %(before)s)
            ORDER BY id DESC
            LIMIT %(limit)s
            """,
            {"subject": subject, "subject_id": subject_id, "before": before, "limit": limit},
        ).fetchall()
