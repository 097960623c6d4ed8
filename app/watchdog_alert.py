"""The alert that the watchdog's own alert did not come.

The watchdog writes it into the database itself: ingest cannot, because the alert means that ingest, the broker or the
rules do not work.
"""

from datetime import datetime
from uuid import UUID, uuid5

from rules.engine.state_machine import Reason
from rules.model.rule import Phase, Severity
from rules.model.virtual_kinds import PIPELINE
from store.alerts.alerts import NewAlert, progress_alert, raise_alert
from store.alerts.transitions import TransitionRow, alert_lock, insert_transitions
from store.alerts.watchdog import MISSED_RULE, count_missed_alerts, find_missed_alert
from store.database import Connection
from store.notices.enqueue import defer_notice_job

_VERSION = "1"
_ALERTS = UUID("5be0c7f4-1a0e-4f0b-9f58-6f1f52c9d2a7")
_TITLE = "平台不再发出报警"
_MESSAGE = (
    "自检设备每分钟制造一次异常，最近一次没有按时触发报警：数据接入、消息服务或规则可能已停止工作，"
    "真实的报警也发不出来。"
)
_ADVICE = "请立即联系系统管理员：用 anju doctor 查看接入程序、消息服务和数据库；恢复之前请加强人工巡查。"


def raise_missed_alert(connection: Connection, now: datetime) -> bool:
    """Raise the alert, unless it is open already; return whether it was raised."""
    with connection.transaction(), alert_lock(connection) as locked:
        if find_missed_alert(locked):
            return False
        sequence = count_missed_alerts(locked) + 1
        alert_id = uuid5(_ALERTS, str(sequence))
        alert = NewAlert(
            id=alert_id,
            rule=MISSED_RULE,
            rule_version=_VERSION,
            device_id=None,
            sequence=sequence,
            community=None,
            kind=PIPELINE.name,
            severity=Severity.CRITICAL,
            title=_TITLE,
            message=_MESSAGE,
            advice=_ADVICE,
            opened_at=now,
            raised_at=now,
            simulated=False,
        )
        raise_alert(locked, alert)
        insert_transitions(
            locked, [_transition(alert_id, sequence, Phase.NORMAL, Phase.ACTIVE, now, reason=Reason.NO_DATA)]
        )
        defer_notice_job(locked, [alert_id])
        return True


def end_missed_alert(connection: Connection, now: datetime) -> bool:
    """End the alert, because the watchdog's own alert came again; return whether one was open."""
    with connection.transaction(), alert_lock(connection) as locked:
        open_alert = find_missed_alert(locked)
        if open_alert is None:
            return False
        alert_id, sequence = open_alert
        progress_alert(locked, alert_id, "ended", now)
        insert_transitions(
            locked, [_transition(alert_id, sequence, Phase.ACTIVE, Phase.NORMAL, now, reason=Reason.ARRIVAL)]
        )
        defer_notice_job(locked, [alert_id])
        return True


def _transition(
    alert_id: UUID, sequence: int, from_phase: Phase, to_phase: Phase, now: datetime, *, reason: Reason
) -> TransitionRow:
    return TransitionRow(
        alert_id=alert_id,
        rule=MISSED_RULE,
        rule_version=_VERSION,
        device_id=None,
        sequence=sequence,
        axis="process",
        from_state=from_phase,
        to_state=to_phase,
        at=now,
        decided_at=now,
        reason=reason,
    )
