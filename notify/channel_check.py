"""Test message for `anju notify test`: shows whether a channel works."""

from datetime import datetime
from uuid import UUID

from notify.delivery import send_message
from notify.errors import NotifyError
from notify.plan import Form, Message
from notify.routing import Channel
from rules.model.rule import Severity
from store.alerts.alerts import AlertRow
from store.notices.delivery import DueNotice

_NO_ALERT = UUID(int=0)


def send_test_message(channel: Channel, now: datetime) -> str | None:
    """Send a message marked as a test; return the reason if it was not accepted, else None."""
    notice = DueNotice(
        id=0, alert_id=_NO_ALERT, kind="raised", n=1, attempts=0, queued_at=now, severity=Severity.INFO, community=None,
        rule="trial", over=False, attention="unacknowledged", held=False,
    )  # fmt: skip
    try:
        send_message(channel, Message(Form.GROUP, (None, "trial"), False, (notice,)), [_test_alert(now)], now)
    except NotifyError as error:
        return str(error)
    return None


def _test_alert(now: datetime) -> AlertRow:
    return AlertRow(
        id=_NO_ALERT,
        rule="trial",
        rule_version="1",
        sequence=1,
        device_id=None,
        community=None,
        community_name=None,
        device=None,
        building=None,
        unit=None,
        room=None,
        kind="pipeline",
        severity=Severity.INFO,
        title="通知测试",
        message="这是一条测试通知，收到即说明该渠道可用。",
        advice="不需要处理。",
        process="active",
        attention="unacknowledged",
        assignee=None,
        opened_at=now,
        raised_at=now,
        ended_at=None,
        simulated=False,
        chattering=False,
        historical=False,
    )
