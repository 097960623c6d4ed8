"""Queued notices and their delivery: due, postponed, dropped, sent, failed or dead."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from store.database import Connection


class WaitReason(StrEnum):
    """Reason for which a queued notice waits until its `due_at`; `suppressed` alerts have causes of their own."""

    GATHERING = "gathering"
    ESCALATION = "escalation"
    AFTER_RAISED = "after_raised"
    QUIET_HOURS = "quiet_hours"
    MESSAGE_LIMIT = "message_limit"
    SUPPRESSED = "suppressed"
    RETRY = "retry"


class DropReason(StrEnum):
    """Reason for which a queued notice is no longer needed."""

    ACKNOWLEDGED = "acknowledged"
    OVER = "over"
    OVER_WHILE_SUPPRESSED = "over_while_suppressed"
    TOLD_AS_OVER = "told_as_over"
    NOT_TOLD = "not_told"
    CHANNEL_REMOVED = "channel_removed"


class DueNotice(NamedTuple):
    """A notice that is due, with the facts that decide on its message.

    `over` means that the alert has ended, `held` that the notice has waited for the end of a suppression. The last
    three fields are set for a recovery, about the other notices of its alert on the same channel: whether one was sent,
    whether one was sent in a message that called the alert over, and whether one is still queued.
    """

    id: int
    alert_id: UUID
    kind: str
    n: int
    attempts: int
    queued_at: datetime
    severity: str
    community: str | None
    rule: str
    over: bool
    attention: str
    held: bool
    other_sent: bool = False
    other_sent_as_over: bool = False
    other_queued: bool = False


class SentMessage(NamedTuple):
    """A sent message; community and rule are None if its notices have several.

    `unlimited` means that the limit of messages to a person does not count it.
    """

    sent_at: datetime
    form: str
    community: str | None
    rule: str | None
    unlimited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    """A notice of an alert and its state.

    `reason` is its last error, or the `DropReason` of a dropped one. `waits_for` is the `WaitReason` of a queued one,
    `retry_at` the end of a pause of its channel after a failure.
    """

    channel: str
    kind: str
    level: int
    state: str
    attempts: int
    reason: str | None
    waits_for: str | None
    retry_at: datetime | None
    queued_at: datetime
    due_at: datetime
    settled_at: datetime | None


def list_notices(connection: Connection, alert_id: UUID) -> list[NoticeRow]:
    """Return every notice of an alert, in the order of queueing."""
    with connection.cursor(row_factory=class_row(NoticeRow)) as cursor:
        return cursor.execute(
            """
            SELECT notice.channel, notice.kind, notice.n AS level, notice.state, notice.attempts,
                   notice.last_error AS reason, notice.waits_for, stored.retry_at, notice.queued_at, notice.due_at,
                   notice.settled_at
            FROM notice LEFT JOIN notice_channel AS stored USING (channel)
            WHERE notice.alert_id = %s ORDER BY notice.id
            """,
            (alert_id,),
        ).fetchall()


def due_channels(connection: Connection, now: datetime) -> list[str]:
    """Return the channels that have due notices and are not waiting for a retry."""
    rows = connection.execute(
        """
        SELECT due.channel
        FROM (SELECT DISTINCT channel FROM notice WHERE state = 'queued' AND due_at <= %(now)s) AS due
        LEFT JOIN notice_channel AS stored USING (channel)
        WHERE stored.retry_at IS NULL OR stored.retry_at <= %(now)s
        ORDER BY due.channel
        """,
        {"now": now},
    )
    return [channel for (channel,) in rows]


def due_notices(connection: Connection, channel: str, now: datetime) -> list[DueNotice]:
    """Return the due notices of a channel and the recoveries of their alerts, in the order of queueing."""
    with connection.cursor(row_factory=class_row(DueNotice)) as cursor:
        return cursor.execute(
            """
            WITH due AS (
                SELECT * FROM notice WHERE channel = %(channel)s AND state = 'queued' AND due_at <= %(now)s
                UNION
                SELECT recovery.* FROM notice AS recovery
                JOIN notice AS other ON other.alert_id = recovery.alert_id AND other.channel = recovery.channel
                    AND other.state = 'queued' AND other.due_at <= %(now)s
                WHERE recovery.channel = %(channel)s AND recovery.kind = 'resolved' AND recovery.state = 'queued'
            )
            SELECT due.id, due.alert_id, due.kind, due.n, due.attempts, due.queued_at, alert.severity, alert.community,
                   alert.rule, alert.process = 'ended' AS over, alert.attention, due.held,
                   coalesce(others.sent, false) AS other_sent,
                   coalesce(others.sent_as_over, false) AS other_sent_as_over,
                   coalesce(others.queued, false) AS other_queued
            FROM due
            JOIN alert ON alert.id = due.alert_id
            CROSS JOIN LATERAL (
                SELECT bool_or(state = 'sent') AS sent, bool_or(told_over) AS sent_as_over,
                       bool_or(state = 'queued') AS queued
                FROM notice
                WHERE alert_id = due.alert_id AND channel = due.channel AND kind <> 'resolved' AND due.kind = 'resolved'
            ) AS others
            ORDER BY due.id
            """,
            {"channel": channel, "now": now},
        ).fetchall()


def recent_messages(connection: Connection, channel: str, since: datetime) -> list[SentMessage]:
    """Return the messages sent through a channel after `since`, oldest first."""
    with connection.cursor(row_factory=class_row(SentMessage)) as cursor:
        return cursor.execute(
            """
            SELECT sent_at, form, community, rule, unlimited FROM notice_message
            WHERE channel = %s AND sent_at > %s ORDER BY sent_at, id
            """,
            (channel, since),
        ).fetchall()


def postpone_notices(connection: Connection, ids: Sequence[int], until: datetime, reason: WaitReason) -> None:
    """Make queued notices due at `until`, and store the reason."""
    connection.execute(
        """
        UPDATE notice SET due_at = %s, waits_for = %s, held = held OR %s
        WHERE id = ANY (%s) AND state = 'queued'
        """,
        (until, reason, reason is WaitReason.SUPPRESSED, list(ids)),
    )


def drop_notices(connection: Connection, ids: Sequence[int], reason: DropReason, now: datetime) -> None:
    """Take queued notices out of the queue without sending them, and store the reason."""
    connection.execute(
        """
        UPDATE notice SET state = 'dropped', last_error = %s, settled_at = %s
        WHERE id = ANY (%s) AND state = 'queued'
        """,
        (reason, now, list(ids)),
    )


def record_sent(
    connection: Connection, channel: str, ids: Sequence[int], over: Sequence[UUID], message: SentMessage
) -> list[UUID]:
    """Record that notices were sent in one message, inside the caller's transaction.

    Args:
        connection: In the caller's transaction.
        channel: The channel of the message.
        ids: The notices.
        over: The alerts that the message called over.
        message: The message.

    Returns:
        The alerts with a `raised` notice in the message that were not called over.
    """
    rows = connection.execute(
        """
        WITH message AS (
            INSERT INTO notice_message (channel, sent_at, form, community, rule, unlimited, notices)
            VALUES (%(channel)s, %(sent_at)s, %(form)s, %(community)s, %(rule)s, %(unlimited)s,
                    cardinality(%(ids)s::bigint[]))
            RETURNING id
        ), counted AS (
            INSERT INTO notice_channel AS stored (channel, sent, last_sent_at)
            VALUES (%(channel)s, cardinality(%(ids)s::bigint[]), %(sent_at)s)
            ON CONFLICT (channel) DO UPDATE SET sent = stored.sent + excluded.sent, failures = 0, retry_at = NULL,
                last_error = NULL, last_sent_at = excluded.last_sent_at
        )
        UPDATE notice
        SET state = 'sent', settled_at = %(sent_at)s, message_id = message.id, last_error = NULL,
            told_over = notice.alert_id = ANY (%(over)s)
        FROM message
        WHERE notice.id = ANY (%(ids)s) AND notice.state = 'queued'
        RETURNING notice.alert_id, notice.kind, notice.told_over
        """,
        {"channel": channel, "ids": list(ids), "over": list(over), **message._asdict()},
    )
    return [alert_id for alert_id, kind, told_over in rows if kind == "raised" and not told_over]


def count_failure(connection: Connection, channel: str, error: str) -> int:
    """Record a failure of a channel; return the number of failures in a row."""
    row = connection.execute(
        """
        INSERT INTO notice_channel AS stored (channel, failed, failures, last_error)
        VALUES (%(channel)s, 1, 1, %(error)s)
        ON CONFLICT (channel) DO UPDATE
        SET failed = stored.failed + 1, failures = stored.failures + 1, last_error = excluded.last_error
        RETURNING failures
        """,
        {"channel": channel, "error": error},
    ).fetchone()
    return row[0] if row else 1


def record_failed(connection: Connection, channel: str, ids: Sequence[int], error: str, retry_at: datetime) -> None:
    """Record that sending notices failed; they and the channel are due again at `retry_at`."""
    connection.execute("UPDATE notice_channel SET retry_at = %s WHERE channel = %s", (retry_at, channel))
    connection.execute(
        """
        UPDATE notice SET attempts = attempts + 1, last_error = %s, due_at = %s, waits_for = %s
        WHERE id = ANY (%s) AND state = 'queued'
        """,
        (error, retry_at, WaitReason.RETRY, list(ids)),
    )


def record_dead(connection: Connection, channel: str, ids: Sequence[int], error: str, now: datetime) -> list[UUID]:
    """Record that notices are undeliverable; return the alerts that need another recipient now."""
    rows = connection.execute(
        """
        UPDATE notice SET state = 'dead', attempts = attempts + 1, last_error = %s, settled_at = %s
        WHERE id = ANY (%s) AND state = 'queued'
        RETURNING alert_id, kind
        """,
        (error, now, list(ids)),
    ).fetchall()
    connection.execute(
        """
        INSERT INTO notice_channel AS stored (channel, dead, last_error) VALUES (%s, %s, %s)
        ON CONFLICT (channel) DO UPDATE SET dead = stored.dead + excluded.dead, last_error = excluded.last_error
        """,
        (channel, len(rows), error),
    )
    return [alert_id for alert_id, kind in rows if kind in {"raised", "escalated"}]


def requeue_dead(connection: Connection, now: datetime) -> int:
    """Queue undeliverable notices again if their alert is still open; return the number of notices."""
    requeued = connection.execute(
        """
        UPDATE notice SET state = 'queued', attempts = 0, due_at = %s, settled_at = NULL, waits_for = NULL
        FROM alert
        WHERE notice.state = 'dead' AND alert.id = notice.alert_id AND alert.process <> 'ended'
        """,
        (now,),
    )
    return requeued.rowcount


def any_undelivered(connection: Connection, since: datetime) -> bool:
    """Return whether a notice became undeliverable after `since`."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM notice WHERE state = 'dead' AND settled_at > %s)", (since,)
    ).fetchone()
    return bool(row and row[0])
