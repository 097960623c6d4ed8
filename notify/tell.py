"""What the queue's job does: settles who is told of alerts that were raised or ended. Twice changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from notify.routing import RANK, Routing
from rules.model.rule import Severity
from store.database import Connection
from store.notices.notices import (
    NewNotice,
    ToldAlert,
    find_alerts,
    insert_notices,
    insert_recoveries,
    latest_raised_notices,
)

# Within it the others of the same cause come too, and are told together.
_GATHER = timedelta(seconds=5)
# What ended so long ago needs nobody any more, even if nobody was told: the worker was away.
_TOO_OLD = timedelta(days=1)
_AT_ONCE = 5_000


def settle(connection: Connection, alert_ids: Sequence[UUID], routing: Routing, now: datetime) -> None:
    """Queue the notices that these alerts call for, inside the caller's transaction."""
    for start in range(0, len(alert_ids), _AT_ONCE):
        alerts = find_alerts(connection, alert_ids[start : start + _AT_ONCE])
        told = latest_raised_notices(connection, [alert.id for alert in alerts])
        insert_notices(connection, [notice for alert in alerts for notice in _first(alert, routing, told, now)], now)
        over = [alert.id for alert in alerts if alert.ended_at]
        if over:
            insert_recoveries(connection, over, now, now + _GATHER)


def escalations(alerts: Sequence[ToldAlert], routing: Routing, now: datetime) -> list[NewNotice]:
    """What is told to others in time if nobody acknowledges alerts that somebody has just been told of."""
    return [
        NewNotice(alert.id, channel.name, "escalated", each.level, alert.severity, now + each.after)
        for alert in alerts
        if alert.attention == "unacknowledged" and not alert.ended_at
        for each in routing.escalations(alert.community, Severity(alert.severity))
        for channel in each.channels
    ]


def last_resorts(alerts: Sequence[ToldAlert], routing: Routing, failed: str, now: datetime) -> list[NewNotice]:
    """What is told to the fallback, because it can't be told through the channel that failed."""
    return [
        NewNotice(alert.id, channel.name, "fallback", 1, alert.severity, now)
        for alert in alerts
        for channel in routing.last_resort(alert.community)
        if channel.name != failed
    ]


def _first(
    alert: ToldAlert, routing: Routing, told: Mapping[tuple[UUID, str], tuple[int, str]], now: datetime
) -> Iterator[NewNotice]:
    """What the first to be told are told: once, and again where the alert has become graver since."""
    if alert.historical or (alert.ended_at and now - alert.ended_at > _TOO_OLD):
        return
    due_at = now if alert.severity == Severity.CRITICAL else now + _GATHER
    for channel in routing.first(alert.community, Severity(alert.severity)):
        n, severity = told.get((alert.id, channel.name), (0, None))
        if severity is None or RANK[Severity(alert.severity)] > RANK[Severity(severity)]:
            yield NewNotice(alert.id, channel.name, "raised", n + 1, alert.severity, due_at)
