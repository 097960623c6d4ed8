"""The watchdog in the database: whether its device has raised an alert, and the alert that says that it has not.

That alert is written here and not by ingest: what it tells of is that ingest, the broker or the rules do not work.
"""

from datetime import datetime
from uuid import UUID, uuid5

from store.alerts.rule_state import NewAlert, progress_alert, raise_alert
from store.alerts.transitions import TransitionRow, insert_transitions, lock_transitions
from store.database import Connection
from store.notices.jobs import defer_notice_job

COMMUNITY = "anju-watchdog"
"""The community of the watchdog's device, which is alone in it."""

RULE = "watchdog_missed"
_ALERTS = UUID("5be0c7f4-1a0e-4f0b-9f58-6f1f52c9d2a7")
_TITLE = "平台不再发出报警"
_MESSAGE = (
    "自检设备每分钟制造一次异常，最近一次没有按时触发报警：数据接入、消息服务或规则可能已停止工作，"
    "真实的报警也发不出来。"
)
_ADVICE = "请立即联系系统管理员：用 anju doctor 查看接入程序、消息服务和数据库；恢复之前请加强人工巡查。"


def find_watchdog(connection: Connection) -> int | None:
    """The number of the watchdog's device; None where none is registered."""
    row = connection.execute("SELECT id FROM device WHERE community = %s", (COMMUNITY,)).fetchone()
    return row[0] if row else None


def has_raised(connection: Connection, device_id: int, since: datetime) -> bool:
    """Whether an alert of the device opened at `since` or later."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM alert WHERE device_id = %s AND opened_at >= %s)", (device_id, since)
    ).fetchone()
    return bool(row and row[0])


def last_raised(connection: Connection) -> datetime | None:
    """When the watchdog last raised an alert; None where it never did."""
    row = connection.execute("SELECT max(raised_at) FROM alert WHERE community = %s", (COMMUNITY,)).fetchone()
    return row[0] if row else None


def note_missed(connection: Connection, now: datetime) -> bool:
    """Raise the alert that the watchdog's is missing, unless it is open already; whether it was raised."""
    with connection.transaction():
        lock_transitions(connection)
        if _open_alert(connection):
            return False
        row = connection.execute("SELECT count(*) FROM alert WHERE rule = %s", (RULE,)).fetchone()
        sequence = (row[0] if row else 0) + 1
        alert_id = uuid5(_ALERTS, str(sequence))
        raise_alert(
            connection,
            NewAlert(
                id=alert_id,
                rule=RULE,
                rule_version="1",
                device_id=None,
                sequence=sequence,
                community=None,
                kind="pipeline",
                severity="critical",
                title=_TITLE,
                message=_MESSAGE,
                advice=_ADVICE,
                opened_at=now,
                raised_at=now,
                simulated=False,
            ),
        )
        insert_transitions(connection, [_step(alert_id, sequence, "normal", "active", now)])
        defer_notice_job(connection, [alert_id])
        return True


def note_seen(connection: Connection, now: datetime) -> bool:
    """End that alert, for the watchdog's alerts come again; whether one was open."""
    with connection.transaction():
        lock_transitions(connection)
        found = _open_alert(connection)
        if found is None:
            return False
        alert_id, sequence = found
        progress_alert(connection, alert_id, "ended", now)
        insert_transitions(connection, [_step(alert_id, sequence, "active", "normal", now)])
        defer_notice_job(connection, [alert_id])
        return True


def _open_alert(connection: Connection) -> tuple[UUID, int] | None:
    return connection.execute(
        "SELECT id, sequence FROM alert WHERE rule = %s AND process <> 'ended'", (RULE,)
    ).fetchone()


def _step(alert_id: UUID, sequence: int, before: str, after: str, now: datetime) -> TransitionRow:
    return TransitionRow(
        alert_id=alert_id,
        rule=RULE,
        rule_version="1",
        device_id=None,
        sequence=sequence,
        axis="process",
        from_state=before,
        to_state=after,
        at=now,
        decided_at=now,
        reason="silence" if after == "active" else "arrival",
    )
