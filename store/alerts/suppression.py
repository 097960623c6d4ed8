"""Why alerts are not notified: shelved, in a maintenance window, or suppressed by the rules; and what is, right now.

Suppression stops notices and nothing else: an alert goes on being judged, and everything suppressed can be listed.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from store.database import Connection

LONGEST_SHELVING = timedelta(hours=24)


class CauseName(StrEnum):
    """What can keep an alert from being notified; several may at once."""

    SHELVED = "shelved"
    MAINTENANCE = "maintenance"
    CAUSED_BY_PARENT = "caused_by_parent"
    OUT_OF_SERVICE = "out_of_service"
    CHATTERING = "chattering"


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why an alert is not notified; `until` None is open-ended, `actor` None where the rules decided."""

    name: CauseName
    since: datetime
    until: datetime | None
    detail: str
    actor: str | None


def causes_of(connection: Connection, alert_ids: Collection[UUID], now: datetime) -> Mapping[UUID, tuple[Cause, ...]]:
    """What suppresses each of these alerts at `now`, the oldest cause first; one that nothing suppresses is left out.

    A shelving also holds for later occurrences of the same rule on the same device, until it runs out.
    """
    if not alert_ids:
        return {}
    rows = connection.execute(
        """
        SELECT alert_id, cause, since, until, detail, actor
        FROM suppression_at(%s)
        WHERE alert_id = ANY (%s)
        ORDER BY since, cause, detail
        """,
        (now, list(alert_ids)),
    )
    found: defaultdict[UUID, list[Cause]] = defaultdict(list)
    for alert_id, cause, since, until, detail, actor in rows:
        found[alert_id].append(Cause(CauseName(cause), since, until, detail, actor))
    return {alert_id: tuple(causes) for alert_id, causes in found.items()}


def count_suppressed(connection: Connection, now: datetime) -> dict[str, int]:
    """How many open alerts each cause suppresses at `now`; one with two causes counts for both."""
    rows = connection.execute(
        """
        SELECT cause, count(DISTINCT alert_id)
        FROM suppression_at(%s) JOIN alert ON alert.id = alert_id
        WHERE alert.process <> 'ended'
        GROUP BY cause
        """,
        (now,),
    ).fetchall()
    return {name.value: 0 for name in CauseName} | dict(rows)


def suppress(
    connection: Connection,
    alert_ids: Collection[UUID],
    cause: CauseName,
    *,
    since: datetime,
    until: datetime | None = None,
    detail: str = "",
    actor: str | None = None,
) -> None:
    """Suppress these alerts for one cause, inside the caller's transaction, which has claimed them.

    Where the same cause is in force already with the same end and detail, nothing happens; else it is replaced from
    `since` on.

    Args:
        connection: Inside a transaction that holds the lock of the transitions (`lock_transitions`).
        alert_ids: Of alerts that have been raised.
        cause: Why.
        since: From when on; not before an earlier suppression for the same cause began.
        until: When it ends by itself; None if only `release` ends it. At most 24 hours after `since` for a shelving.
        detail: What a person should know, in Chinese, such as the parent that is silent.
        actor: Who decided it; None for the rules.

    Raises:
        UnusableDataError: a shelving without end, or of more than 24 hours (at the edge of the store).
    """
    connection.execute(
        """
        WITH standing AS (
            SELECT id, alert_id, until IS NOT DISTINCT FROM %(until)s::timestamptz
                       AND detail = %(detail)s AND actor IS NOT DISTINCT FROM %(actor)s::text AS same
            FROM alert_suppression
            WHERE alert_id = ANY (%(alerts)s) AND cause = %(cause)s
              AND since <= %(since)s AND (until IS NULL OR until > %(since)s)
        ), replaced AS (
            UPDATE alert_suppression SET until = %(since)s, released_by = %(actor)s
            WHERE id IN (SELECT id FROM standing WHERE NOT same)
        )
        INSERT INTO alert_suppression (alert_id, cause, since, until, detail, actor)
        SELECT wanted, %(cause)s, %(since)s, %(until)s, %(detail)s, %(actor)s
        FROM unnest(%(alerts)s::uuid[]) AS wanted
        WHERE wanted NOT IN (SELECT alert_id FROM standing WHERE same)
        """,
        {
            "alerts": list(alert_ids), "cause": cause, "since": since, "until": until, "detail": detail,
            "actor": actor,
        },
    )  # fmt: skip


def release(
    connection: Connection, alert_ids: Collection[UUID], cause: CauseName, *, at: datetime, actor: str | None = None
) -> frozenset[UUID]:
    """End one cause of these alerts at `at`, in the caller's transaction; those that it suppressed until then.

    A shelving is found by any occurrence of its rule on its device.
    """
    rows = connection.execute(
        """
        UPDATE alert_suppression AS ending SET until = %(at)s, released_by = %(actor)s
        FROM alert AS known, alert AS wanted
        WHERE wanted.id = ANY (%(alerts)s) AND known.id = ending.alert_id AND ending.cause = %(cause)s
          AND ending.since <= %(at)s AND (ending.until IS NULL OR ending.until > %(at)s)
          AND (known.id = wanted.id
               OR (ending.cause = 'shelved' AND known.rule = wanted.rule
                   AND coalesce(known.device_id, -known.partition) = coalesce(wanted.device_id, -wanted.partition)))
        RETURNING wanted.id
        """,
        {"alerts": list(alert_ids), "cause": cause, "at": at, "actor": actor},
    ).fetchall()
    return frozenset(alert_id for (alert_id,) in rows)
