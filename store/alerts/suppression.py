"""Suppression of alerts: shelved, in a maintenance window, or suppressed by the rules (ISA-18.2).

Suppression stops notices and nothing else: the rules keep evaluating the alert, and every suppressed alert can be
listed. A critical alert is one that can hurt people: only a window that names its rule suppresses it, or a shelving of
this very alert. The function `suppression_at` of the database holds that law.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from devices.device import OUT_OF_SERVICE_ZH
from store.alerts.transitions import LockedConnection
from store.database import Connection

LONGEST_SHELVING = timedelta(hours=24)


class CauseName(StrEnum):
    """A cause that keeps an alert from being notified; several may hold at once."""

    SHELVED = "shelved"
    MAINTENANCE = "maintenance"
    CAUSED_BY_PARENT = "caused_by_parent"
    OUT_OF_SERVICE = "out_of_service"
    CHATTERING = "chattering"


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause that suppresses an alert; `until` None is open-ended, `actor` None for a decision of the rules."""

    name: CauseName
    since: datetime
    until: datetime | None
    detail: str
    actor: str | None


def causes_of(connection: Connection, alert_ids: Collection[UUID], now: datetime) -> Mapping[UUID, tuple[Cause, ...]]:
    """Return the causes that suppress each alert at `now`, oldest first; alerts without a cause are left out.

    A shelving also holds for later alerts of the same rule on the same device until it expires, critical ones excepted.
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
    causes: defaultdict[UUID, list[Cause]] = defaultdict(list)
    for alert_id, cause, since, until, detail, actor in rows:
        causes[alert_id].append(Cause(CauseName(cause), since, until, detail, actor))
    return {alert_id: tuple(of_alert) for alert_id, of_alert in causes.items()}


def count_suppressed(connection: Connection, now: datetime) -> dict[str, int]:
    """Count the open alerts that each cause suppresses at `now`; an alert with two causes counts for both."""
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
    connection: LockedConnection,
    alert_ids: Collection[UUID],
    cause: CauseName,
    *,
    since: datetime,
    until: datetime | None = None,
    detail: str = "",
    actor: str | None = None,
) -> None:
    """Suppress alerts for one cause, inside the caller's transaction.

    A suppression of the same cause with the same end and detail stays as it is, unless the severity has changed since;
    another one is replaced from `since` on.

    Args:
        connection: Holds the alert lock.
        alert_ids: Alerts that have been raised.
        cause: The cause.
        since: Start; not before the start of an earlier suppression of the same cause.
        until: End; None if only `release` ends it. At most 24 hours after `since` for a shelving.
        detail: Explanation for people, in Chinese, such as the name of the parent without data.
        actor: The person who decided it; None for the rules.

    Raises:
        UnusableDataError: a shelving without end, or of more than 24 hours (at the edge of the store).
    """
    connection.execute(
        """
        WITH in_force AS (
            SELECT own.id, own.alert_id, own.until IS NOT DISTINCT FROM %(until)s::timestamptz
                       AND own.detail = %(detail)s AND own.actor IS NOT DISTINCT FROM %(actor)s::text
                       AND coalesce(own.severity = alert.severity, true) AS same
            FROM alert_suppression AS own JOIN alert ON alert.id = own.alert_id
            WHERE own.alert_id = ANY (%(alerts)s) AND own.cause = %(cause)s
              AND own.since <= %(since)s AND (own.until IS NULL OR own.until > %(since)s)
        ), replaced AS (
            UPDATE alert_suppression SET until = %(since)s, released_by = %(actor)s
            WHERE id IN (SELECT id FROM in_force WHERE NOT same)
        )
        INSERT INTO alert_suppression (alert_id, cause, since, until, detail, actor, severity)
        SELECT target, %(cause)s, %(since)s, %(until)s, %(detail)s, %(actor)s, alert.severity
        FROM unnest(%(alerts)s::uuid[]) AS target LEFT JOIN alert ON alert.id = target
        WHERE target NOT IN (SELECT alert_id FROM in_force WHERE same)
        """,
        {
            "alerts": list(alert_ids), "cause": cause, "since": since, "until": until, "detail": detail,
            "actor": actor,
        },
    )  # fmt: skip


def release(
    connection: LockedConnection,
    alert_ids: Collection[UUID],
    cause: CauseName,
    *,
    at: datetime,
    actor: str | None = None,
) -> frozenset[UUID]:
    """End one cause of alerts at `at`, inside the caller's transaction; return the alerts it suppressed until then.

    Any alert of the same rule on the same device identifies a shelving.
    """
    rows = connection.execute(
        """
        UPDATE alert_suppression AS ending SET until = %(at)s, released_by = %(actor)s
        FROM alert AS owner, alert AS target
        WHERE target.id = ANY (%(alerts)s) AND owner.id = ending.alert_id AND ending.cause = %(cause)s
          AND ending.since <= %(at)s AND (ending.until IS NULL OR ending.until > %(at)s)
          AND (owner.id = target.id
               OR (ending.cause = 'shelved' AND owner.rule = target.rule
                   AND coalesce(owner.device_id, -owner.partition) = coalesce(target.device_id, -target.partition)))
        RETURNING target.id
        """,
        {"alerts": list(alert_ids), "cause": cause, "at": at, "actor": actor},
    ).fetchall()
    return frozenset(alert_id for (alert_id,) in rows)


def update_out_of_service(connection: LockedConnection, communities: list[str], now: datetime) -> frozenset[UUID]:
    """Suppress the open alerts of devices out of service, and release the alerts of devices back in service.

    Returns:
        The released alerts, which may have to be notified now.
    """
    rows = connection.execute(
        """
        SELECT alert.id, device.service = 'out_of_service'
        FROM alert JOIN device ON device.id = alert.device_id
        WHERE alert.process <> 'ended' AND device.community = ANY (%(communities)s)
          AND (device.service = 'out_of_service') <> EXISTS (
              SELECT FROM alert_suppression AS own
              WHERE own.alert_id = alert.id AND own.cause = 'out_of_service'
                AND own.since <= %(now)s AND (own.until IS NULL OR own.until > %(now)s)
          )
        """,
        {"communities": communities, "now": now},
    ).fetchall()
    out_of_service = [alert_id for alert_id, is_out_of_service in rows if is_out_of_service]
    in_service = [alert_id for alert_id, is_out_of_service in rows if not is_out_of_service]
    if out_of_service:
        suppress(connection, out_of_service, CauseName.OUT_OF_SERVICE, since=now, detail=OUT_OF_SERVICE_ZH)
    return release(connection, in_service, CauseName.OUT_OF_SERVICE, at=now) if in_service else frozenset()
