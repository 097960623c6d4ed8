"""Chinese sentences about actions on alerts and their notices, for the person who acted."""

from collections.abc import Mapping
from datetime import datetime

from devices.local_time import local_time_zh
from rules.model.labels_zh import ACT
from store.notices.delivery import WaitReason

HIDDEN_CHARACTERS = "含有换行或不可见字符，请重新输入"

_POWER_CUT = "计划停电："
"""Begin of the reason of a planned power cut, as the function `suppression_at` of the database words it."""

REFUSED_ACTION_EXAMPLE = "报警已解决，不能再“确认”；可以“关闭”。最近一次操作：王师傅 于7月1日 12:05:03“解决”。"
SHELVING_OUT_OF_RANGE = "搁置的截止时间须在现在之后、24 小时之内"
ENDED_ALERT_NOT_SHELVED = "报警已结束，无需搁置。"
NOT_SHELVED = "报警没有被搁置，或者搁置已经到期。"


def already_shelved(actor: str | None, until: datetime) -> str:
    """Return the refusal of a second shelving."""
    return f"报警已由 {actor} 搁置到{local_time_zh(until)}；要改时间，请先取消搁置。"


def already_assigned(assignee: str, last: str) -> str:
    """Return the refusal of an assignment to the present assignee; `last` comes from `last_action`, or is empty."""
    return f"报警已经派给{assignee}。{last}"


def assigned_to_another(assignee: str, new_assignee: str, last: str) -> str:
    """Return the refusal to reassign without naming the present assignee."""
    return f"报警已派给{assignee}，没有改派给{new_assignee}；如确要改派，请刷新后再操作。{last}"


def last_action(actor: str | None, action: str, at: datetime) -> str:
    """Return the sentence about the last action on an alert, for a person whose own action came too late."""
    return f"最近一次操作：{actor} 于{local_time_zh(at)}“{ACT.get(action, action)}”。"


NOTICE_WAITS: Mapping[str, str] = {
    WaitReason.GATHERING: "稍等片刻，把同一原因的报警合成一条再发",
    WaitReason.ESCALATION: "先等前面通知的人确认；到时候还没有人确认，再通知这一级",
    WaitReason.AFTER_RAISED: "报警的通知还没发出，恢复随后再发",
    WaitReason.QUIET_HOURS: "收件人在免打扰时段，到时候一并通知",
    WaitReason.MESSAGE_LIMIT: "十分钟内通知已经够多，到时候合成一条汇总再发",
    WaitReason.RETRY: "上一次没有发出去，到时候再试",
}
NOTICE_SENDING = "马上就发；过了一分钟还没发出，请管理员检查通知程序"


def waits_for_shelving(actor: str | None, reason: str) -> str:
    """Return why the notice of a shelved alert waits."""
    return f"{actor}搁置了这条报警：{reason}"


def waits_for_maintenance(actor: str | None, reason: str) -> str:
    """Return why a notice waits for the end of a maintenance window; that of a planned power cut says what it is."""
    return f"{actor}登记了{reason}" if reason.startswith(_POWER_CUT) else f"{actor}登记了维护窗口：{reason}"


def notice_failed(error: str) -> str:
    """Return the last failure of a notice; `error` is the answer of the receiver or of the network."""
    return f"没有发出去，对方或网络的答复：{error}"
