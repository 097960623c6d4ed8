"""Chinese sentences about actions on alerts, for the person who acted."""

from datetime import datetime

from devices.local_time import local_time_zh
from rules.model.labels_zh import ACT

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
