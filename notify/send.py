"""Putting a message into the form of its channel, and sending it."""

from collections.abc import Sequence
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from notify.alertmanager import as_alertmanager
from notify.by_apprise import send_by_apprise
from notify.plan import Message
from notify.post import post_json
from notify.robots import send_dingtalk, send_feishu, send_wecom
from notify.routing import Channel, ChannelKind
from notify.story import Story, tell
from rules.model.rule import Severity
from store.notices.notices import ToldAlert

# What a robot would read as markup, as characters that look the same.
_PLAIN = str.maketrans({"<": "＜", ">": "＞", "*": "＊", "`": "＇", "[": "［", "]": "］", "\n": " "})
_COLOUR = {Severity.CRITICAL: "red", Severity.MAJOR: "orange", Severity.WARNING: "yellow", Severity.INFO: "blue"}


def send(channel: Channel, message: Message, alerts: Sequence[ToldAlert], now: datetime) -> None:
    """Send a message, and return when its receiver has accepted it.

    Raises:
        TemporarilyRefusedError: it may be accepted later.
        RefusedError: it never will be.
    """
    if channel.kind is ChannelKind.WEBHOOK:
        receiver = channel.name.split("/", maxsplit=1)[0]
        post_json(channel.url, as_alertmanager(alerts, receiver))
        return
    story = tell(message, alerts, now)
    body = render(channel.kind, story)
    match channel.kind:
        case ChannelKind.WECOM:
            send_wecom(channel.url, body)
        case ChannelKind.DINGTALK:
            send_dingtalk(channel.url, channel.secret, story.heading, body, now)
        case ChannelKind.FEISHU:
            colour = "green" if story.over else _COLOUR[story.severity]
            header = {"title": {"tag": "plain_text", "content": story.heading}, "template": colour}
            send_feishu(channel.url, channel.secret, header, body, now)
        case _:
            send_by_apprise(channel.url, story.heading, body)


def render(kind: ChannelKind, story: Story) -> str:
    """The body of a message for this kind of channel."""
    name = kind if kind in {ChannelKind.WECOM, ChannelKind.DINGTALK, ChannelKind.FEISHU} else "text"
    return _TEMPLATES.get_template(f"{name}.jinja").render(story=story).strip()


def _environment() -> Environment:
    # It writes markdown and plain text, so there is no HTML to escape.
    environment = Environment(loader=PackageLoader("notify"), undefined=StrictUndefined, autoescape=False)  # noqa: S701
    environment.filters["plain"] = lambda text: text.translate(_PLAIN)
    return environment


_TEMPLATES = _environment()
