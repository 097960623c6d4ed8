"""Statistics of the delivery of notices, for operators."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFigures:
    """The totals of a channel since its first notice; `failed` counts attempts, not notices."""

    channel: str
    sent: int
    failed: int
    dead: int
    retry_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class NoticeBacklog:
    """The number of queued notices, and the due time of the oldest overdue one on a usable channel."""

    queued: int
    overdue_since: datetime | None


def channel_figures(connection: Connection) -> list[ChannelFigures]:
    """Return the totals of every channel that was ever used, by name."""
    with connection.cursor(row_factory=class_row(ChannelFigures)) as cursor:
        return cursor.execute(
            "SELECT channel, sent, failed, dead, retry_at, last_error FROM notice_channel ORDER BY channel"
        ).fetchall()


def notice_backlog(connection: Connection, now: datetime) -> NoticeBacklog:
    """Return the queued notices and the lag of the dispatcher."""
    with connection.cursor(row_factory=class_row(NoticeBacklog)) as cursor:
        backlog = cursor.execute(
            """
            SELECT count(*) AS queued,
                   min(due_at) FILTER (WHERE due_at <= %(now)s AND coalesce(retry_at <= %(now)s, true))
                       AS overdue_since
            FROM notice LEFT JOIN notice_channel USING (channel)
            WHERE state = 'queued'
            """,
            {"now": now},
        ).fetchone()
    return backlog or NoticeBacklog(0, None)


def notice_counts(connection: Connection) -> dict[tuple[str, str], int]:
    """Count the notices by channel and state."""
    rows = connection.execute("SELECT channel, state, count(*) FROM notice GROUP BY channel, state")
    return {(channel, state): count for channel, state, count in rows}


def alert_delays(connection: Connection) -> tuple[int, list[float]]:
    """Return the number of alerts, and the delays from event to alert in ms: p50, p99, p99.9 and the longest."""
    row = connection.execute(
        """
        SELECT count(*), percentile_cont(ARRAY[0.5, 0.99, 0.999, 1]) WITHIN GROUP
                             (ORDER BY extract(epoch FROM raised_at - opened_at) * 1000)
        FROM alert
        """
    ).fetchone()
    return (row[0], list(row[1] or ())) if row else (0, [])
