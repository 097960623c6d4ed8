"""Queueing of notices, and of the job that decides on them.

Ingest defers the job in its own transaction and needs nothing else of the job queue. The job inserts the notices.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from store.database import Connection

NOTICE_TASK = "tell"
"""The task that inserts the notices of alerts that were raised, reworded, released or ended."""


class NewNotice(NamedTuple):
    """A notice to queue. `n` is the level of an escalation, or counts the `raised` notices of an alert.

    Until `due_at` an escalation waits for an acknowledgement, any other notice for alerts of the same cause.
    """

    alert_id: UUID
    channel: str
    kind: str
    n: int
    severity: str
    due_at: datetime


def defer_notice_job(connection: Connection, alert_ids: Sequence[UUID], not_before: datetime | None = None) -> None:
    """Defer one job for the notices of these alerts, inside the transaction that changes the alerts."""
    connection.execute(
        """
        SELECT procrastinate_defer_jobs_v1(
            ARRAY[ROW(%(task)s, %(task)s, 0, NULL, NULL, %(arguments)s, %(not_before)s)::procrastinate_job_to_defer_v1]
        )
        """,
        {
            "task": NOTICE_TASK,
            "arguments": json.dumps({"alerts": [str(alert_id) for alert_id in alert_ids]}),
            "not_before": not_before,
        },
    )


def insert_notices(connection: Connection, notices: Sequence[NewNotice], now: datetime) -> None:
    """Queue notices inside the caller's transaction; a notice that was queued before is not queued again.

    A waiting escalation moves forward if it is due earlier now, because the severity of its alert has risen. One from
    before the return of its alert is queued anew.
    """
    if not notices:
        return
    connection.execute(
        """
        INSERT INTO notice (alert_id, channel, kind, n, severity, due_at, queued_at, waits_for)
        SELECT new.*, %s, CASE WHEN new.kind = 'escalated' THEN 'escalation' ELSE 'gathering' END
        FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::timestamptz[])
            AS new (alert_id, channel, kind, n, severity, due_at)
        ON CONFLICT (alert_id, channel, kind, n) DO UPDATE
        SET due_at = excluded.due_at, severity = excluded.severity, state = 'queued', attempts = 0, settled_at = NULL,
            waits_for = excluded.waits_for, queued_at = excluded.queued_at
        WHERE notice.kind = 'escalated' AND (
            (notice.state = 'queued' AND notice.due_at > excluded.due_at)
            OR notice.queued_at < (SELECT returned_at FROM alert WHERE alert.id = notice.alert_id)
        )
        """,
        (now, *map(list, zip(*notices, strict=True))),
    )


def insert_recoveries(connection: Connection, alert_ids: Sequence[UUID], now: datetime, due_at: datetime) -> None:
    """Queue the recoveries of ended alerts on every channel with a sent or waiting notice of them.

    Notices that were sent in a message that called the alert over do not count.
    """
    connection.execute(
        """
        INSERT INTO notice (alert_id, channel, kind, n, severity, due_at, queued_at, waits_for)
        SELECT DISTINCT other.alert_id, other.channel, 'resolved', 1, alert.severity, %(due_at)s::timestamptz,
                        %(now)s::timestamptz, 'gathering'
        FROM notice AS other JOIN alert ON alert.id = other.alert_id
        WHERE other.alert_id = ANY (%(ids)s) AND other.kind <> 'resolved' AND other.state IN ('queued', 'sent')
          AND NOT other.told_over
        ON CONFLICT DO NOTHING
        """,
        {"ids": list(alert_ids), "now": now, "due_at": due_at},
    )


class RaisedNotice(NamedTuple):
    """The latest `raised` notice of an alert on a channel."""

    n: int
    severity: str
    queued_at: datetime


def latest_raised_notices(connection: Connection, alert_ids: Sequence[UUID]) -> dict[tuple[UUID, str], RaisedNotice]:
    """Return the latest `raised` notice of each alert, by alert and channel."""
    rows = connection.execute(
        """
        SELECT DISTINCT ON (alert_id, channel) alert_id, channel, n, severity, queued_at
        FROM notice WHERE alert_id = ANY (%s) AND kind = 'raised'
        ORDER BY alert_id, channel, n DESC
        """,
        (list(alert_ids),),
    )
    return {(alert_id, channel): RaisedNotice(*notice) for alert_id, channel, *notice in rows}
