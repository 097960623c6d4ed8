"""How well people are told: figures for operators."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from store.database import Connection


@dataclass(frozen=True, slots=True)
class ChannelFigures:
    """What became of the notices of a channel since its first; `failed` counts attempts, not notices."""

    channel: str
    sent: int
    failed: int
    dead: int
    retry_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class NoticeBacklog:
    """Notices that wait to be sent, and since when the oldest of those is due whose channel can be used."""

    queued: int
    overdue_since: datetime | None


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice of an alert and what became of it; `reason` says why it failed last, or was dropped."""

    channel: str
    kind: str
    level: int
    state: str
    attempts: int
    reason: str | None
    queued_at: datetime
    due_at: datetime
    settled_at: datetime | None


def list_notices(connection: Connection, alert_id: UUID) -> list[NoticeRow]:
    """Every notice of an alert, in the order in which they were queued."""
    rows = connection.execute(
        """
        SELECT channel, kind, n, state, attempts, last_error, queued_at, due_at, settled_at
        FROM notice WHERE alert_id = %s ORDER BY id
        """,
        (alert_id,),
    )
    return [NoticeRow(*row) for row in rows]


def channel_figures(connection: Connection) -> list[ChannelFigures]:
    """Every channel that was ever used, by name."""
    rows = connection.execute(
        "SELECT channel, sent, failed, dead, retry_at, last_error FROM notice_channel ORDER BY channel"
    )
    return [ChannelFigures(*row) for row in rows]


def notice_backlog(connection: Connection, now: datetime) -> NoticeBacklog:
    """What waits, and how long the sender is behind."""
    row = connection.execute(
        """
        SELECT count(*), min(due_at) FILTER (WHERE due_at <= %(now)s AND coalesce(retry_at <= %(now)s, true))
        FROM notice LEFT JOIN notice_channel USING (channel)
        WHERE state = 'queued'
        """,
        {"now": now},
    ).fetchone()
    return NoticeBacklog(*row) if row else NoticeBacklog(0, None)


def notice_counts(connection: Connection) -> dict[tuple[str, str], int]:
    """How many notices there are by channel and state."""
    rows = connection.execute("SELECT channel, state, count(*) FROM notice GROUP BY channel, state")
    return {(channel, state): count for channel, state, count in rows}


def alert_delays(connection: Connection) -> tuple[int, list[float]]:
    """How many alerts there are; the median, 99 and 99.9 of a hundred, and the longest from event to alert, in ms."""
    row = connection.execute(
        """
        SELECT count(*), percentile_cont(ARRAY[0.5, 0.99, 0.999, 1]) WITHIN GROUP
                             (ORDER BY extract(epoch FROM raised_at - opened_at) * 1000)
        FROM alert
        """
    ).fetchone()
    return (row[0], list(row[1] or ())) if row else (0, [])
