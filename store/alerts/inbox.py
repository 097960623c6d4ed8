"""Numbers of alerts behind the tabs of an inbox, by severity."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxCount:
    """Numbers of alerts of one severity.

    Attributes:
        severity: the severity.
        waiting: open, not suppressed, and nobody has seen them.
        mine: assigned to the person who asks, and not resolved.
        working: open, and somebody has seen them.
        suppressed: open, and kept from being notified.
    """

    severity: str
    waiting: int
    mine: int
    working: int
    suppressed: int


def count_inbox(
    connection: Connection, names: Sequence[str], community: str | None, kind: str | None, now: datetime
) -> list[InboxCount]:
    """Return the numbers of alerts that need somebody, by severity.

    Args:
        connection: shows the communities of the person alone.
        names: names under which alerts are assigned to the person.
        community: only alerts of this community.
        kind: only alerts of this kind of device.
        now: the time at which suppressions count.
    """
    with connection.cursor(row_factory=class_row(InboxCount)) as cursor:
        return cursor.execute(
            """
            WITH suppressed AS MATERIALIZED (SELECT DISTINCT alert_id FROM suppression_at(%(now)s))
            SELECT alert.severity,
                   count(*) FILTER (WHERE alert.process <> 'ended' AND alert.attention = 'unacknowledged'
                                    AND suppressed.alert_id IS NULL) AS waiting,
                   count(*) FILTER (WHERE alert.attention IN ('assigned', 'in_progress')
                                    AND alert.assignee = ANY (%(names)s)) AS mine,
                   count(*) FILTER (WHERE alert.process <> 'ended'
                                    AND alert.attention IN ('acknowledged', 'assigned', 'in_progress')) AS working,
                   count(*) FILTER (WHERE alert.process <> 'ended'
                                    AND suppressed.alert_id IS NOT NULL) AS suppressed
            FROM alert LEFT JOIN suppressed ON suppressed.alert_id = alert.id
            WHERE (alert.process <> 'ended' OR alert.attention IN ('assigned', 'in_progress'))
              AND (%(community)s::text IS NULL OR alert.community = %(community)s)
              AND (%(kind)s::text IS NULL OR alert.kind = %(kind)s)
            GROUP BY alert.severity
            """,
            {"names": list(names), "community": community, "kind": kind, "now": now},
        ).fetchall()
