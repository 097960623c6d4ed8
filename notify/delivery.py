"""Delivery of a message in the format of its channel."""

from collections.abc import Sequence
from datetime import datetime

from notify.alertmanager import alertmanager_payload
from notify.apprise_channel import send_by_apprise
from notify.group_robots import send_dingtalk, send_feishu, send_wecom
from notify.http_post import post_json
from notify.plan import Message
from notify.routing import Channel, ChannelKind
from notify.wording import compose_content, render_body
from rules.model.rule import Severity
from store.alerts.alerts import AlertRow

_COLOUR = {Severity.CRITICAL: "red", Severity.MAJOR: "orange", Severity.WARNING: "yellow", Severity.INFO: "blue"}


def send_message(channel: Channel, message: Message, alerts: Sequence[AlertRow], now: datetime) -> None:
    """Send a message and return after its receiver accepted it.

    Raises:
        TemporarilyRefusedError: The message may be accepted later.
        RefusedError: The message will never be accepted.
    """
    if channel.kind is ChannelKind.WEBHOOK:
        receiver = channel.name.split("/", maxsplit=1)[0]
        post_json(channel.url, alertmanager_payload(alerts, receiver))
        return
    content = compose_content(message, alerts, now)
    body = render_body(channel.kind, content)
    match channel.kind:
        case ChannelKind.WECOM:
            send_wecom(channel.url, body)
        case ChannelKind.DINGTALK:
            send_dingtalk(channel.url, channel.secret, content.heading, body, now)
        case ChannelKind.FEISHU:
            colour = "green" if content.ended else _COLOUR[content.severity]
            header = {"title": {"tag": "plain_text", "content": content.heading}, "template": colour}
            send_feishu(channel.url, channel.secret, header, body, now)
        case _:
            send_by_apprise(channel.url, content.heading, body)
