"""Wording of messages: their content in Chinese, and the template of each channel. Pure, without a clock."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jinja2 import Environment, PackageLoader, StrictUndefined

from devices.local_time import CITY
from devices.place import join_place
from notify.plain_text import plain_line, with_texts
from notify.plan import UNLIMITED, Form, Message
from notify.routing import RANK, ChannelKind
from rules.model.duration import in_chinese
from rules.model.labels_zh import SEVERITY
from rules.model.rule import Severity
from rules.model.subject_zh import sentence_zh
from store.alerts.alerts import AlertRow

_MAX_LINES = 10
_MAX_PLACES = 3
_PLATFORM = "平台"


@dataclass(frozen=True, slots=True)
class Entry:
    """Line about one alert. `label` names the severity where alerts of several causes are listed.

    `message` names the place, `device` is the id as an addition. `state` says that the alert has ended or is being
    handled, `duration` how long it has lasted; all three may be empty.
    """

    label: str
    device: str
    message: str
    since: str
    duration: str
    state: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Number of alerts of one cause in a digest, and how many of them have ended.

    `places` are the first places where a grave one is open still, at most three; `more` counts the others.
    """

    severity: str
    community: str
    title: str
    count: int
    ended: int
    places: tuple[str, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class MessageContent:
    """Text of a message before a channel formats it.

    A few alerts are listed as `entries`; many alerts of several causes are counted as `tallies`. `remark` gives the
    reason for sending now or to this recipient. `omitted` counts the lines left out.
    """

    heading: str
    severity: Severity
    ended: bool
    remark: str
    entries: tuple[Entry, ...]
    tallies: tuple[Tally, ...]
    omitted: int
    advice: str


def compose_content(message: Message, alerts: Sequence[AlertRow], now: datetime) -> MessageContent:
    """Compose the text of a message.

    Args:
        message: Notices to send, and the form of the message.
        alerts: All alerts of the notices.
        now: The current time, for durations.
    """
    alerts = [with_texts(alert, plain_line) for alert in alerts]
    severity = max((Severity(alert.severity) for alert in alerts), key=RANK.__getitem__)
    ended = all(alert.process == "ended" for alert in alerts)
    grouped = message.form is Form.GROUP or len(alerts) == 1
    is_itemised = grouped or len(alerts) <= _MAX_LINES
    ordered = sorted(alerts, key=lambda alert: (alert.process == "ended", -RANK[Severity(alert.severity)]))
    tallies = () if is_itemised else _tallies(alerts)
    return MessageContent(
        heading=_group_heading(alerts, severity, ended=ended) if grouped else _digest_heading(message.form, alerts),
        severity=severity,
        ended=ended,
        remark=_remark(message, alerts),
        entries=tuple(_entry(alert, now, alone=grouped) for alert in ordered[:_MAX_LINES]) if is_itemised else (),
        tallies=tallies[:_MAX_LINES],
        omitted=max(0, (len(alerts) if is_itemised else len(tallies)) - _MAX_LINES),
        advice=ordered[0].advice if grouped and not ended else "",
    )


def _group_heading(alerts: Sequence[AlertRow], severity: Severity, *, ended: bool) -> str:
    first = alerts[0]
    mark = "恢复" if ended else SEVERITY[severity]
    where = _place(first) if len(alerts) == 1 else f"{_community(first)} {len(alerts)} 处"
    return f"【{mark}】{first.title}{_simulated(alerts)} {where}".strip()


def _digest_heading(form: Form, alerts: Sequence[AlertRow]) -> str:
    ended = sum(alert.process == "ended" for alert in alerts)
    mark = "免打扰期间汇总" if form is Form.AFTER_QUIET else "汇总"
    parts = [f"{len(alerts) - ended} 条未恢复"] if ended < len(alerts) else []
    parts += [f"{ended} 条已恢复"] if ended else []
    return f"【{mark}】{'，'.join(parts)}{_simulated(alerts)}"


def _remark(message: Message, alerts: Sequence[AlertRow]) -> str:
    """Return the reason for sending now or to this recipient, or an empty text."""
    levels = [notice.n for notice in message.notices if notice.kind == "escalated"]
    critical = any(alert.severity == Severity.CRITICAL for alert in alerts)
    if message.form is Form.DIGEST and len(alerts) > 1:
        return "短时间内报警较多，已合并；紧急和重要的报警仍会单独通知。"
    if levels:
        return f"前面通知的人没有确认，现升级通知到您（第 {max(levels)} 级）。请先确认报警，再安排处理。"
    if any(notice.kind == "fallback" for notice in message.notices):
        return "原定的通知渠道发送失败，改为通知到您。请转告负责人，并检查该渠道。"
    again = {notice.alert_id for notice in message.notices if notice.kind == "raised" and notice.n > 1}
    if message.form is Form.GROUP and again:
        returned = any(alert.id in again and alert.returned_at for alert in alerts)
        return "这个问题解除后又发生了，请重新到场查看。" if returned else "这条报警变得更严重了，级别已提高。"
    if message.form is Form.GROUP and any(alert.chattering for alert in alerts):
        more = "" if critical else "，接下来不再逐次通知"
        return f"问题反复出现{more}。请检修设备，或请管理员调整限值。"
    return ""


def _entry(alert: AlertRow, now: datetime, *, alone: bool) -> Entry:
    simulated = "（模拟）" if alert.simulated else ""
    return Entry(
        label="" if alone else f"【{SEVERITY[alert.severity]}】{simulated}",
        device=alert.device or "",
        message=sentence_zh(alert.message, _place(alert)),
        since=_local_time(_beginning(alert), now),
        duration=_duration(alert, now),
        state=_state(alert),
    )


def _duration(alert: AlertRow, now: datetime) -> str:
    """Return the duration of an alert; of an open one in whole minutes, empty in the first minute."""
    if alert.ended_at:
        return in_chinese(max(timedelta(), alert.ended_at - _beginning(alert)))
    minutes = (now - _beginning(alert)) // timedelta(minutes=1)
    return in_chinese(timedelta(minutes=minutes)) if minutes > 0 else ""


def _beginning(alert: AlertRow) -> datetime:
    """Return the time of the present call for attention: that of the return, if the alert came back."""
    return alert.returned_at or alert.opened_at


def _state(alert: AlertRow) -> str:
    if alert.process == "ended":
        return "已恢复"
    return "" if alert.attention == "unacknowledged" else f"已有人处理{f'：{alert.assignee}' if alert.assignee else ''}"


def _tallies(alerts: Sequence[AlertRow]) -> tuple[Tally, ...]:
    """Count alerts by cause, the gravest and most frequent cause first."""
    causes: defaultdict[tuple[str, str, str], list[AlertRow]] = defaultdict(list)
    for alert in alerts:
        causes[alert.severity, _community(alert), alert.title].append(alert)
    order = sorted(causes, key=lambda key: (-RANK[Severity(key[0])], -len(causes[key]), key))
    return tuple(_tally(*key, causes[key]) for key in order)


def _tally(severity: str, community: str, title: str, alerts: Sequence[AlertRow]) -> Tally:
    still_open = [alert for alert in alerts if alert.process != "ended"]
    # Each place once: several devices may hang there. An alert about a whole community has none of its own.
    places = tuple(dict.fromkeys(alert.place for alert in still_open if alert.place)) if severity in UNLIMITED else ()
    return Tally(
        severity=SEVERITY[severity],
        community=community,
        title=title,
        count=len(alerts),
        ended=len(alerts) - len(still_open),
        places=places[:_MAX_PLACES],
        more=len(places[_MAX_PLACES:]),
    )


def _simulated(alerts: Sequence[AlertRow]) -> str:
    return "（模拟）" if all(alert.simulated for alert in alerts) else ""


def _place(alert: AlertRow) -> str:
    return join_place(_community(alert), alert.place)


def _community(alert: AlertRow) -> str:
    return alert.community_name or alert.community or _PLATFORM


def _local_time(moment: datetime, now: datetime) -> str:
    """Return the local time of day, with the date unless it is today."""
    local, today = moment.astimezone(CITY), now.astimezone(CITY).date()
    return f"{local:%H:%M}" if local.date() == today else f"{local.month}月{local.day}日 {local:%H:%M}"


def render_body(kind: ChannelKind, content: MessageContent) -> str:
    """Render the body of a message for a kind of channel."""
    name = kind if kind in {ChannelKind.WECOM, ChannelKind.DINGTALK, ChannelKind.FEISHU} else "text"
    return _TEMPLATES.get_template(f"{name}.jinja").render(content=content).strip()


def _environment() -> Environment:
    # The templates yield markdown and plain text: there is no HTML to escape.
    return Environment(loader=PackageLoader("notify"), undefined=StrictUndefined, autoescape=False)  # noqa: S701


_TEMPLATES = _environment()
