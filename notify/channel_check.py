"""A message by which a person finds out whether a channel works."""

from datetime import datetime
from uuid import UUID

from notify.delivery import send_message
from notify.errors import NotifyError
from notify.plan import Form, Message
from notify.routing import Channel
from rules.model.rule import Severity
from store.notices.notices import DueNotice, ToldAlert

_NO_ALERT = UUID(int=0)


def send_test_message(channel: Channel, now: datetime) -> str | None:
    """Send a message that says it is a test; why it was not accepted, or None."""
    notice = DueNotice(0, _NO_ALERT, "raised", 1, 0, now, Severity.INFO, None, "trial", False, "", "", False)
    try:
        send_message(channel, Message(Form.GROUP, (None, "trial"), False, (notice,)), [_test_alert(now)], now)
    except NotifyError as error:
        return str(error)
    return None


def _test_alert(now: datetime) -> ToldAlert:
    return ToldAlert(
        id=_NO_ALERT,
        rule="trial",
        community=None,
        community_name="",
        building="",
        unit="",
        room="",
        device="",
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
