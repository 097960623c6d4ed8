"""Photos of alerts. Of a removed one the content is gone, and hash, time and account stay."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttachment:
    """Photo to be stored, with the hash of its content and that of the file as it came (SHA-256, hexadecimal)."""

    id: UUID
    alert_id: UUID
    content: bytes
    width: int
    height: int
    sha256: str
    received_sha256: str
    caption: str
    actor: str
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRow:
    """Stored photo without its content; see `NewAttachment`. `bytes` is the size of the content."""

    id: UUID
    alert_id: UUID
    width: int
    height: int
    bytes: int
    sha256: str
    received_sha256: str
    caption: str
    actor: str
    added_at: datetime
    removed_at: datetime | None
    removed_by: str | None


_FACTS: LiteralString = """
    SELECT id, alert_id, width, height, bytes, sha256, received_sha256, caption, actor, added_at, removed_at, removed_by
    FROM attachment
"""


def insert_attachment(connection: Connection, photo: NewAttachment) -> None:
    """Store a photo, inside the caller's transaction."""
    connection.execute(
        """
        INSERT INTO attachment (id, alert_id, content, width, height, bytes, sha256, received_sha256, caption, actor,
                                added_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            photo.id, photo.alert_id, photo.content, photo.width, photo.height, len(photo.content), photo.sha256,
            photo.received_sha256, photo.caption, photo.actor, photo.added_at,
        ),
    )  # fmt: skip


def list_attachments(connection: Connection, alert_id: UUID) -> Sequence[AttachmentRow]:
    """Return the photos of an alert, oldest first, removed ones included."""
    with connection.cursor(row_factory=class_row(AttachmentRow)) as cursor:
        return cursor.execute(
            sql.SQL("{} WHERE alert_id = %s ORDER BY added_at, id").format(sql.SQL(_FACTS)), (alert_id,)
        ).fetchall()


def find_attachment(connection: Connection, alert_id: UUID, attachment_id: UUID) -> AttachmentRow | None:
    """Return a photo of an alert, or None."""
    with connection.cursor(row_factory=class_row(AttachmentRow)) as cursor:
        return cursor.execute(
            sql.SQL("{} WHERE alert_id = %s AND id = %s").format(sql.SQL(_FACTS)), (alert_id, attachment_id)
        ).fetchone()


def read_content(connection: Connection, attachment_id: UUID) -> bytes | None:
    """Return the JPEG of a photo; None if it was removed, or never was."""
    row = connection.execute("SELECT content FROM attachment WHERE id = %s", (attachment_id,)).fetchone()
    return row[0] if row else None


def remove_content(connection: Connection, attachment_id: UUID, *, at: datetime, actor: str) -> None:
    """Delete the content of a photo; who did so and when stay beside its hash."""
    connection.execute(
        "UPDATE attachment SET content = NULL, caption = '', removed_at = %s, removed_by = %s WHERE id = %s",
        (at, actor, attachment_id),
    )
