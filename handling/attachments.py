"""Photos at alerts: added, read and removed by people, each with a step of the alert and a row of the audit log."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from handling.photos import Photo
from handling.signature import Signature
from store.admin.audit import READ, Change, record_change
from store.alerts.alerts import AlertRow, claim_alert, find_alert
from store.alerts.attachments import (
    AttachmentRow,
    NewAttachment,
    find_attachment,
    insert_attachment,
    list_attachments,
    read_content,
    remove_content,
)
from store.alerts.attention import AttentionChange, record_attention
from store.alerts.transitions import LockedConnection, alert_lock
from store.database import Connection

MOST_PHOTOS = 20
"""Photos of an alert at most."""


class AttachmentRefusedError(Exception):
    """A photo can't be added or removed now; the message is for the person."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Photo with a caption. It is decoded before the transaction, which it would hold up."""

    photo: Photo
    caption: str = ""


def add_photo(
    connection: Connection,
    alert_id: UUID,
    upload: Upload,
    signature: Signature,
    *,
    now: datetime,
    key: str | None = None,
) -> AttachmentRow | None:
    """Add a photo to an alert in any state, in the caller's transaction; None if there is no such alert.

    A photo that the alert has already is returned as it is.

    Raises:
        AttachmentRefusedError: The alert has as many photos as it may have.
    """
    photo = upload.photo
    with alert_lock(connection) as locked:
        alert = claim_alert(locked, alert_id)
        if alert is None:
            return None
        kept = [row for row in list_attachments(connection, alert_id) if row.removed_at is None]
        for row in kept:
            if row.received_sha256 == photo.received_sha256:
                return row
        if len(kept) >= MOST_PHOTOS:
            raise AttachmentRefusedError(f"这条报警已有 {MOST_PHOTOS} 张照片，不能再加：请先删除不需要的照片。")
        new = NewAttachment(
            id=uuid4(), alert_id=alert_id, content=photo.content, width=photo.width, height=photo.height,
            sha256=photo.sha256, received_sha256=photo.received_sha256, caption=upload.caption, actor=signature.shown,
            added_at=now,
        )  # fmt: skip
        insert_attachment(connection, new)
        _record_step(locked, alert, ("photo", upload.caption or None, signature.shown), new.id, now)
    after = {"alert": str(alert_id), "sha256": new.sha256, "received_sha256": new.received_sha256}
    record_change(connection, replace(_change("create", new.id, after, signature, now), request_key=key))
    return find_attachment(connection, alert_id, new.id)


def list_photos(connection: Connection, alert_id: UUID) -> list[AttachmentRow] | None:
    """Return the photos of an alert, oldest first and removed ones included; None if there is no such alert."""
    return list(list_attachments(connection, alert_id)) if find_alert(connection, alert_id) else None


def read_photo_of(
    connection: Connection, alert_id: UUID, attachment_id: UUID, signature: Signature, *, now: datetime
) -> bytes | None:
    """Return the JPEG of a photo; None if it is unknown or removed.

    The read of a photo from a flat is recorded, in the caller's transaction.
    """
    alert = find_alert(connection, alert_id)
    if alert is None or find_attachment(connection, alert_id, attachment_id) is None:
        return None
    content = read_content(connection, attachment_id)
    if content is not None and alert.room:
        record_change(connection, _change(READ, attachment_id, {"alert": str(alert_id)}, signature, now))
    return content


def remove_photo(
    connection: Connection,
    alert_id: UUID,
    attachment_id: UUID,
    signature: Signature,
    *,
    now: datetime,
    key: str | None = None,
) -> AttachmentRow | None:
    """Delete the content of a photo, in the caller's transaction; None if it is unknown.

    Raises:
        AttachmentRefusedError: It was removed before.
    """
    with alert_lock(connection) as locked:
        alert = claim_alert(locked, alert_id)
        row = find_attachment(connection, alert_id, attachment_id)
        if alert is None or row is None:
            return None
        if row.removed_at:
            raise AttachmentRefusedError(f"这张照片已由 {row.removed_by} 删除。")
        remove_content(connection, attachment_id, at=now, actor=signature.shown)
        _record_step(locked, alert, ("photo_removed", None, signature.shown), attachment_id, now)
    after = {"alert": str(alert_id), "sha256": row.sha256}
    record_change(connection, replace(_change("remove", attachment_id, after, signature, now), request_key=key))
    return find_attachment(connection, alert_id, attachment_id)


def _record_step(
    locked: LockedConnection, alert: AlertRow, act: tuple[str, str | None, str], attachment_id: UUID, now: datetime
) -> None:
    reason, comment, actor = act
    change = AttentionChange(
        attention=alert.attention, assignee=alert.assignee, reason=reason, actor=actor, comment=comment,
        inputs={"attachment": str(attachment_id)},
    )  # fmt: skip
    record_attention(locked, alert, change, now)


def _change(action: str, attachment_id: UUID, after: dict[str, str], signature: Signature, now: datetime) -> Change:
    return Change(
        at=now, actor=signature.actor, person=signature.person, action=action, subject="attachment",
        subject_id=str(attachment_id), before={}, after=after,
    )  # fmt: skip
