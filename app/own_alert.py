"""Alerts of Anju itself that the worker writes into the database.

Ingest cannot raise them: they mean that ingest, the broker or the rules do not work, or that the machine is about to
fail.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from rules.engine.state_machine import Reason
from rules.model.rule import Phase, Severity
from rules.model.virtual_kinds import PIPELINE
from store.alerts.alerts import NewAlert, progress_alert, raise_alert
from store.alerts.own_alerts import count_alerts, find_open_alert
from store.alerts.transitions import TransitionRow, alert_lock, insert_transitions
from store.database import Connection
from store.notices.enqueue import defer_notice_job

_VERSION = "1"
_ALERTS = UUID("5be0c7f4-1a0e-4f0b-9f58-6f1f52c9d2a7")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAlert:
    """Texts of an alert of Anju itself; at most one of its rule is open."""

    rule: str
    severity: Severity
    title: str
    message: str
    advice: str


def raise_own_alert(connection: Connection, own: OwnAlert, now: datetime) -> bool:
    """Raise the alert, unless it is open already; return whether it was raised."""
    with connection.transaction(), alert_lock(connection) as locked:
        if find_open_alert(locked, own.rule):
            return False
        sequence = count_alerts(locked, own.rule) + 1
        alert_id = uuid5(_ALERTS, f"{own.rule} {sequence}")
        alert = NewAlert(
            id=alert_id,
            rule=own.rule,
            rule_version=_VERSION,
            device_id=None,
            sequence=sequence,
            community=None,
            kind=PIPELINE.name,
            severity=own.severity,
            title=own.title,
            message=own.message,
            advice=own.advice,
            opened_at=now,
            raised_at=now,
            simulated=False,
        )
        raise_alert(locked, alert)
        raised = _transition(own.rule, alert_id, sequence, now, reason=Reason.NO_DATA)
        insert_transitions(locked, [replace(raised, from_state=Phase.NORMAL, to_state=Phase.ACTIVE)])
        defer_notice_job(locked, [alert_id])
        return True


def end_own_alert(connection: Connection, rule: str, now: datetime) -> bool:
    """End the open alert of a rule; return whether one was open."""
    with connection.transaction(), alert_lock(connection) as locked:
        open_alert = find_open_alert(locked, rule)
        if open_alert is None:
            return False
        alert_id, sequence = open_alert
        progress_alert(locked, alert_id, "ended", now)
        insert_transitions(locked, [_transition(rule, alert_id, sequence, now, reason=Reason.ARRIVAL)])
        defer_notice_job(locked, [alert_id])
        return True


def _transition(rule: str, alert_id: UUID, sequence: int, now: datetime, *, reason: Reason) -> TransitionRow:
    """Return the step that ends an alert."""
    return TransitionRow(
        alert_id=alert_id,
        rule=rule,
        rule_version=_VERSION,
        device_id=None,
        sequence=sequence,
        axis="process",
        from_state=Phase.ACTIVE,
        to_state=Phase.NORMAL,
        at=now,
        decided_at=now,
        reason=reason,
    )
