"""Notices for raised and ended alerts, queued by the job of the job queue. A second run changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from notify.routing import RANK, Routing
from rules.model.rule import Severity
from store.alerts.alerts import AlertRow, find_alerts
from store.database import Connection
from store.notices.enqueue import (
    NewNotice,
    RaisedNotice,
    insert_notices,
    insert_recoveries,
    latest_raised_notices,
)

# Alerts of the same cause that arrive within this time share one message.
_GATHERING_TIME = timedelta(seconds=5)
# An alert that ended longer ago needs no notice, even if none was sent because no worker ran.
_MAX_AGE = timedelta(days=1)
_BATCH_SIZE = 5_000


def enqueue_notices(connection: Connection, alert_ids: Sequence[UUID], routing: Routing, now: datetime) -> None:
    """Queue the notices of these alerts, inside the caller's transaction.

    A raised alert yields notices for its first channels. An ended one yields recoveries for the channels that
    were notified or are about to be.
    """
    for start in range(0, len(alert_ids), _BATCH_SIZE):
        alerts = find_alerts(connection, alert_ids[start : start + _BATCH_SIZE])
        last_raised = latest_raised_notices(connection, [alert.id for alert in alerts])
        insert_notices(
            connection,
            [notice for alert in alerts for notice in _raised_notices(alert, routing, last_raised, now)],
            now,
        )
        ended = [alert.id for alert in alerts if alert.ended_at]
        if ended:
            insert_recoveries(connection, ended, now, now + _GATHERING_TIME)


def escalation_notices(alerts: Sequence[AlertRow], routing: Routing, now: datetime) -> list[NewNotice]:
    """Return the escalation notices of alerts that are open and unacknowledged, each due after its level's delay."""
    return [
        NewNotice(alert.id, channel.name, "escalated", each.level, alert.severity, now + each.after)
        for alert in alerts
        if alert.attention == "unacknowledged" and not alert.ended_at
        for each in routing.escalations(alert.community, Severity(alert.severity))
        for channel in each.channels
    ]


def fallback_notices(
    alerts: Sequence[AlertRow], routing: Routing, failed_channel: str, now: datetime
) -> list[NewNotice]:
    """Return notices to the fallback channels for alerts that the `failed_channel` could not deliver."""
    return [
        NewNotice(alert.id, channel.name, "fallback", 1, alert.severity, now)
        for alert in alerts
        for channel in routing.fallback_channels(alert.community)
        if channel.name != failed_channel
    ]


def _raised_notices(
    alert: AlertRow, routing: Routing, last_raised: Mapping[tuple[UUID, str], RaisedNotice], now: datetime
) -> Iterator[NewNotice]:
    """Yield the `raised` notices: one for each first channel, and another when it became graver or came back."""
    if alert.historical or (alert.ended_at and now - alert.ended_at > _MAX_AGE):
        return
    due_at = now if alert.severity == Severity.CRITICAL else now + _GATHERING_TIME
    for channel in routing.first_channels(alert.community, Severity(alert.severity)):
        last = last_raised.get((alert.id, channel.name))
        if last is None:
            yield NewNotice(alert.id, channel.name, "raised", 1, alert.severity, due_at)
        elif _is_graver(alert, last) or (alert.returned_at and last.queued_at < alert.returned_at):
            yield NewNotice(alert.id, channel.name, "raised", last.n + 1, alert.severity, due_at)


def _is_graver(alert: AlertRow, last: RaisedNotice) -> bool:
    return RANK[Severity(alert.severity)] > RANK[Severity(last.severity)]
