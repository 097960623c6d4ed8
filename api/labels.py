"""The Chinese words for what the API tells besides alerts: notices, connections, kinds, events, values."""

from collections.abc import Mapping

from devices.kind import Choice, Flag
from devices.kind import Field as KindField
from rules.model.virtual_kinds import RULE_KINDS

NOTICE_KIND: Mapping[str, str] = {"raised": "报警", "escalated": "升级", "fallback": "转通知", "resolved": "恢复"}
NOTICE_STATE: Mapping[str, str] = {"queued": "待发送", "sent": "已送达", "dead": "发送失败", "dropped": "不再需要"}
CONNECTION: Mapping[str, str] = {"online": "在线", "offline": "离线", "unknown": "未知"}


def kind_label(kind: str) -> str:
    """The Chinese name of a kind; its own name where this version does not know it."""
    known = RULE_KINDS.get(kind)
    return known.zh if known else kind


def event_label(kind: str, event: str) -> str:
    """The Chinese name of an event of a kind; every device also comes online and goes offline."""
    known = RULE_KINDS.get(kind)
    named = known.event(event) if known else None
    return named.zh if named else {"online": "上线", "offline": "离线"}.get(event, event)


def value_label(field: KindField, value: float | bool | str) -> str | None:
    """The Chinese words for a value that is not a number, or None."""
    match field:
        case Choice(choices=choices):
            return choices.get(str(value))
        case Flag():
            return "是" if value else "否"
        case _:
            return None
