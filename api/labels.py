"""The Chinese words for the states that people read."""

from collections.abc import Mapping

from devices.kind import Choice, Flag
from devices.kind import Field as KindField
from rules.pipeline import RULE_KINDS

SEVERITY: Mapping[str, str] = {"info": "提示", "warning": "一般", "major": "重要", "critical": "紧急"}
PROCESS: Mapping[str, str] = {"active": "发生中", "recovering": "恢复中", "latched": "待人工确认", "ended": "已结束"}
PHASE: Mapping[str, str] = {
    "normal": "正常",
    "pending": "观察中",
    "active": "发生中",
    "recovering": "恢复中",
    "latched": "待人工确认",
    "muted": "静默",
}
ATTENTION: Mapping[str, str] = {
    "unacknowledged": "未确认",
    "acknowledged": "已确认",
    "assigned": "已派单",
    "in_progress": "处理中",
    "resolved": "已解决",
    "closed": "已关闭",
}
ACT: Mapping[str, str] = {
    "acknowledge": "确认",
    "assign": "派单",
    "start": "开始处理",
    "resolve": "解决",
    "close": "关闭",
    "comment": "备注",
    "shelve": "搁置",
    "unshelve": "取消搁置",
}
SUPPRESSION: Mapping[str, str] = {
    "shelved": "已搁置",
    "maintenance": "维护窗口",
    "caused_by_parent": "另一故障引起",
    "out_of_service": "停用",
    "chattering": "频繁抖动",
}
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
