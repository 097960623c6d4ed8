"""Chinese texts of API errors, one constant or function for each, for the person who acted."""

from datetime import datetime

from devices.local_time import local_time_zh
from rules.model.labels_zh import ACT

# Attention axis of an alert. The refusals of its state machine are worded by `rules.model.attention`.
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


MAINTENANCE_WITHOUT_SCOPE = "请至少指定小区、楼栋、设备类型、规则、设备中的一项"
MAINTENANCE_WITHOUT_COMMUNITY = "指定楼栋或设备时，请同时指定小区"
MAINTENANCE_END_PAST = "结束时间须在开始时间之后，且尚未过去"
MAINTENANCE_TOO_LONG = "维护窗口最长 90 天"
MAINTENANCE_OVER_EXAMPLE = "维护窗口已经结束。"


def maintenance_over(ended_at: datetime, ended_by: str | None) -> str:
    """Return the refusal to end a window that is over; `ended_by` is None where it ran to its planned end."""
    by = f"，由 {ended_by} 提前结束" if ended_by else ""
    return f"维护窗口已于{local_time_zh(ended_at)}结束{by}。"


def unknown_kind(kind: str) -> str:
    """Return the message about a device kind that does not exist."""
    return f"没有设备类型“{kind}”"


def unknown_community(community: str) -> str:
    """Return the message about a community that is not registered."""
    return f"没有小区“{community}”"


def unknown_building(building: str) -> str:
    """Return the message about a building without devices in its community."""
    return f"小区里没有楼栋“{building}”"


def unknown_device(device: str) -> str:
    """Return the message about a device that its community does not have."""
    return f"小区里没有设备“{device}”"
