"""The audit log: one row for each change by a person and each read of a household's data, in its own transaction.

Rows are only added, and each holds the hash of the row before (`audit_chain`). Write the row last: writers wait for
each other from there to the end of the transaction.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import sql
from psycopg.rows import class_row

from store.database import Connection

READ = "read"
"""The action of a read; every other action is a change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A person's change, with the changed thing as JSON before and after it.

    `actor` is the owner of the key or account, `person` the person that the holder of a shared key named. `subject` is
    the type of the changed thing, such as `alert`. `request_key` identifies a repeated request; None if the client gave
    none.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """A stored change; the id orders all changes."""

    id: int
    at: datetime
    actor: str
    person: str | None
    action: str
    subject: str
    subject_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


_STORED: LiteralString = "SELECT id, at, actor, person, action, subject, subject_id, before, after FROM audit_log"


def record_change(connection: Connection, change: Change) -> None:
    """Store a change, inside the transaction that makes it."""
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
    """Return the change that an earlier request with this key has made, or None.

    Another request with the same key waits here until the caller's transaction ends.
    """
    connection.execute(
        "SELECT pg_advisory_xact_lock(hashtext('audit_log'), hashtext(%s || ' ' || %s))", (actor, request_key)
    )
    with connection.cursor(row_factory=class_row(AuditRow)) as cursor:
        return cursor.execute(
            sql.SQL("{} WHERE actor = %s AND request_key = %s").format(sql.SQL(_STORED)), (actor, request_key)
        ).fetchone()


def list_changes(
    connection: Connection,
    *,
    subject: str | None,
    subject_id: str | None,
    before: int | None,
    limit: int,
    reads: bool = False,
) -> list[AuditRow]:
    """Return at most `limit` changes with ids below `before`, newest first; None is no condition.

    `reads` returns the reads of households' data in place of the changes.
    """
    with connection.cursor(row_factory=class_row(AuditRow)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                {stored}
                WHERE {kind}
                  AND (%(subject)s::text IS NULL OR subject = %(subject)s)
                  AND (%(subject_id)s::text IS NULL OR subject_id = %(subject_id)s)
                  AND (%(before)s::bigint IS NULL OR id < %(before)s)
                ORDER BY id DESC
                LIMIT %(limit)s
                """
            ).format(stored=sql.SQL(_STORED), kind=sql.SQL("action = 'read'" if reads else "action <> 'read'")),
            {"subject": subject, "subject_id": subject_id, "before": before, "limit": limit},
        ).fetchall()
