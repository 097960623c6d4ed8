"""Who is to be told of what through which channel, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from store.database import Connection


@dataclass(frozen=True, slots=True)
class ToldAlert:
    """An alert as people are told of it; `community_name` is empty for one about Anju itself."""

    id: UUID
    rule: str
    community: str | None
    community_name: str
    building: str
    unit: str
    room: str
    device: str
    kind: str
    severity: str
    title: str
    message: str
    advice: str
    process: str
    attention: str
    assignee: str | None
    opened_at: datetime
    raised_at: datetime
    ended_at: datetime | None
    simulated: bool
    chattering: bool
    historical: bool


class NewNotice(NamedTuple):
    """Something to be told; `n` counts the levels of an escalation, or how often a raised alert has become graver."""

    alert_id: UUID
    channel: str
    kind: str
    n: int
    severity: str
    due_at: datetime


class DueNotice(NamedTuple):
    """A notice whose time has come, with what decides how it is told.

    `first` is, for a recovery, how far the channel has been told of the alert: `over` (that it is over, too), `sent`,
    `queued`, another state, or "" where there is none. `held` is whether it has waited for the end of a suppression.
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
    first: str
    held: bool


class SentMessage(NamedTuple):
    """A message that was sent; community and rule are None where it told of several."""

    sent_at: datetime
    form: str
    community: str | None
    rule: str | None
    critical: bool


def find_alerts(connection: Connection, ids: Sequence[UUID]) -> list[ToldAlert]:
    """The alerts of these ids, the one that was raised first first."""
    with connection.cursor(row_factory=class_row(ToldAlert)) as cursor:
        return cursor.execute(
            """
            SELECT alert.id, alert.rule, alert.community, coalesce(community.name, '') AS community_name,
                   coalesce(device.building, alert.building, '') AS building, coalesce(device.unit, '') AS unit,
                   coalesce(device.room, '') AS room, coalesce(device.name, '') AS device, alert.kind, alert.severity,
                   alert.title, alert.message, alert.advice, alert.process, alert.attention, alert.assignee,
                   alert.opened_at, alert.raised_at, alert.ended_at, alert.simulated, alert.chattering,
                   alert.historical
            FROM alert
            LEFT JOIN community ON community.id = alert.community
            LEFT JOIN device ON device.id = alert.device_id
            WHERE alert.id = ANY (%s)
            ORDER BY alert.raised_at, alert.id
            """,
            (list(ids),),
        ).fetchall()


def insert_notices(connection: Connection, notices: Sequence[NewNotice], now: datetime) -> None:
    """Queue what is not queued yet and never was, inside the caller's transaction.

    An escalation that waits comes forward if it is due earlier now, because its alert has become graver.
    """
    if not notices:
        return
    connection.execute(
        """
        INSERT INTO notice (alert_id, channel, kind, n, severity, due_at, queued_at)
        SELECT new.*, %s
        FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::timestamptz[]) AS new
        ON CONFLICT (alert_id, channel, kind, n) DO UPDATE
        SET due_at = excluded.due_at, severity = excluded.severity
        WHERE notice.kind = 'escalated' AND notice.state = 'queued' AND notice.due_at > excluded.due_at
        """,
        (now, *map(list, zip(*notices, strict=True))),
    )


def latest_raised_notices(connection: Connection, alert_ids: Sequence[UUID]) -> dict[tuple[UUID, str], tuple[int, str]]:
    """Number and severity of the last notice that each of these alerts was raised, by alert and channel."""
    rows = connection.execute(
        """
        SELECT DISTINCT ON (alert_id, channel) alert_id, channel, n, severity
        FROM notice WHERE alert_id = ANY (%s) AND kind = 'raised'
        ORDER BY alert_id, channel, n DESC
        """,
        (list(alert_ids),),
    )
    return {(alert_id, channel): (n, severity) for alert_id, channel, n, severity in rows}


def insert_recoveries(connection: Connection, alert_ids: Sequence[UUID], now: datetime, due_at: datetime) -> None:
    """Queue that these alerts are over for the channels that were told of them, or are about to be."""
    connection.execute(
        """
        INSERT INTO notice (alert_id, channel, kind, n, severity, due_at, queued_at)
        SELECT DISTINCT told.alert_id, told.channel, 'resolved', 1, alert.severity, %(due_at)s::timestamptz,
                        %(now)s::timestamptz
        FROM notice AS told JOIN alert ON alert.id = told.alert_id
        WHERE told.alert_id = ANY (%(ids)s) AND told.kind <> 'resolved' AND told.state IN ('queued', 'sent')
          AND NOT told.told_over
        ON CONFLICT DO NOTHING
        """,
        {"ids": list(alert_ids), "now": now, "due_at": due_at},
    )


def due_channels(connection: Connection, now: datetime) -> list[str]:
    """The channels that something is due on, and that may be tried again."""
    rows = connection.execute(
        """
        SELECT due.channel
        FROM (SELECT DISTINCT channel FROM notice WHERE state = 'queued' AND due_at <= %(now)s) AS due
        LEFT JOIN notice_channel AS known USING (channel)
        WHERE known.retry_at IS NULL OR known.retry_at <= %(now)s
        ORDER BY due.channel
        """,
        {"now": now},
    )
    return [channel for (channel,) in rows]


def due_notices(connection: Connection, channel: str, now: datetime) -> list[DueNotice]:
    """What is due on a channel, with the recoveries that belong to it, in the order it was queued."""
    rows = connection.execute(
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
               alert.rule, alert.process = 'ended', alert.attention, coalesce(first.state, ''),
               due.held
        FROM due
        JOIN alert ON alert.id = due.alert_id
        LEFT JOIN LATERAL (
            SELECT CASE WHEN told_over THEN 'over' ELSE state END AS state FROM notice
            WHERE alert_id = due.alert_id AND channel = due.channel AND kind <> 'resolved' AND due.kind = 'resolved'
            ORDER BY told_over DESC, state = 'sent' DESC, state = 'queued' DESC LIMIT 1
        ) AS first ON true
        ORDER BY due.id
        """,
        {"channel": channel, "now": now},
    )
    return [DueNotice(*row) for row in rows]


def recent_messages(connection: Connection, channel: str, since: datetime) -> list[SentMessage]:
    """The messages that were sent through a channel after `since`, oldest first."""
    rows = connection.execute(
        """
        SELECT sent_at, form, community, rule, critical FROM notice_message
        WHERE channel = %s AND sent_at > %s ORDER BY sent_at, id
        """,
        (channel, since),
    )
    return [SentMessage(*row) for row in rows]


def postpone_notices(connection: Connection, ids: Sequence[int], until: datetime, *, held: bool) -> None:
    """Look at these notices again at that time; `held` where a suppression is why."""
    connection.execute(
        "UPDATE notice SET due_at = %s, held = held OR %s WHERE id = ANY (%s) AND state = 'queued'",
        (until, held, list(ids)),
    )


def drop_notices(connection: Connection, ids: Sequence[int], reason: str, now: datetime) -> None:
    """Tell nobody of these notices after all; `reason` says why."""
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
    """Settle notices as sent, in one message; the alerts that it raised without calling them over.

    Args:
        connection: Its transaction is the caller's.
        channel: The channel it went through.
        ids: The notices.
        over: The alerts that the message called over.
        message: What the channel was told.
    """
    rows = connection.execute(
        """
        WITH message AS (
            INSERT INTO notice_message (channel, sent_at, form, community, rule, critical, notices)
            VALUES (%(channel)s, %(sent_at)s, %(form)s, %(community)s, %(rule)s, %(critical)s,
                    cardinality(%(ids)s::bigint[]))
            RETURNING id
        ), counted AS (
            INSERT INTO notice_channel AS known (channel, sent, last_sent_at)
            VALUES (%(channel)s, cardinality(%(ids)s::bigint[]), %(sent_at)s)
            ON CONFLICT (channel) DO UPDATE SET sent = known.sent + excluded.sent, failures = 0, retry_at = NULL,
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
    """Note that a channel could not be used; how many times in a row that is."""
    row = connection.execute(
        """
        INSERT INTO notice_channel AS known (channel, failed, failures, last_error)
        VALUES (%(channel)s, 1, 1, %(error)s)
        ON CONFLICT (channel) DO UPDATE
        SET failed = known.failed + 1, failures = known.failures + 1, last_error = excluded.last_error
        RETURNING failures
        """,
        {"channel": channel, "error": error},
    ).fetchone()
    return row[0] if row else 1


def record_failed(connection: Connection, channel: str, ids: Sequence[int], error: str, retry_at: datetime) -> None:
    """Keep notices whose sending failed, and try the channel again at that time."""
    connection.execute("UPDATE notice_channel SET retry_at = %s WHERE channel = %s", (retry_at, channel))
    connection.execute(
        """
        UPDATE notice SET attempts = attempts + 1, last_error = %s, due_at = %s
        WHERE id = ANY (%s) AND state = 'queued'
        """,
        (error, retry_at, list(ids)),
    )


def record_dead(connection: Connection, channel: str, ids: Sequence[int], error: str, now: datetime) -> list[UUID]:
    """Give notices up; the alerts that somebody else has to be told of now."""
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
        INSERT INTO notice_channel AS known (channel, dead, last_error) VALUES (%s, %s, %s)
        ON CONFLICT (channel) DO UPDATE SET dead = known.dead + excluded.dead, last_error = excluded.last_error
        """,
        (channel, len(rows), error),
    )
    return [alert_id for alert_id, kind in rows if kind in {"raised", "escalated"}]


def requeue_dead(connection: Connection, now: datetime) -> int:
    """Try again what was given up, where the alert is still open; how many notices that are."""
    done = connection.execute(
        """
        UPDATE notice SET state = 'queued', attempts = 0, due_at = %s, settled_at = NULL
        FROM alert
        WHERE notice.state = 'dead' AND alert.id = notice.alert_id AND alert.process <> 'ended'
        """,
        (now,),
    )
    return done.rowcount


def any_undelivered(connection: Connection, since: datetime) -> bool:
    """Whether a notice has been given up after that time."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM notice WHERE state = 'dead' AND settled_at > %s)", (since,)
    ).fetchone()
    return bool(row and row[0])
