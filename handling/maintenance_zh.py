"""Chinese sentences about maintenance windows and planned power cuts, for the person who announces one."""

from collections.abc import Sequence
from datetime import datetime

from devices.local_time import local_time_zh

MAINTENANCE_WITHOUT_SCOPE = "请至少指定小区、楼栋、设备类型、规则、设备中的一项"
MAINTENANCE_WITHOUT_COMMUNITY = "指定楼栋或设备时，请同时指定小区"
MAINTENANCE_END_PAST = "结束时间须在开始时间之后，且尚未过去"
MAINTENANCE_TOO_LONG = "维护窗口最长 90 天"


def lets_through(titles: Sequence[str]) -> str:
    """Return the effect of a window that names no rule; `titles` are those of the critical rules in its scope."""
    examples = f"（{''.join(f'“{title}”' for title in titles)}）" if titles else ""
    return (
        f"紧急报警{examples}可能伤人，不受这个窗口影响，照常马上通知。"
        "确实要暂停其中一条，请另登记一个窗口，写明规则和设备。"
    )


def names_critical_rule(title: str) -> str:
    """Return the effect of a window that names a critical rule."""
    return f"注意：“{title}”是紧急报警，可能伤人。窗口期间它不会通知任何人，请安排专人在现场看守，完工后马上提前结束。"


def names_rule(title: str) -> str:
    """Return the effect of a window that names a rule that is not critical."""
    return f"窗口期间只有“{title}”暂不通知，其他报警照常通知。"


def names_no_rule(rule: str) -> str:
    """Return the effect of a window that names a rule not in force."""
    return f"现在没有名为 {rule} 的规则，这个窗口不会挡住任何报警。请核对规则名称。"


MAINTENANCE_OVER_EXAMPLE = "维护窗口已经结束。"


def maintenance_over(ended_at: datetime, ended_by: str | None) -> str:
    """Return the refusal to end a window that is over; `ended_by` is None where it ran to its planned end."""
    by = f"，由 {ended_by} 提前结束" if ended_by else ""
    return f"维护窗口已于{local_time_zh(ended_at)}结束{by}。"


WINDOW_NEEDS_COMMUNITY = "请选择小区：这个账号只管部分小区，不能对全市设维护窗口"
POWER_CUT_WITHOUT_COMMUNITY = "计划停电须指定小区，可以再指定楼栋"
POWER_CUT_IS_FOR_A_PLACE = "计划停电只按小区和楼栋登记，不能指定设备类型、规则或设备"


def covers_power_cut(titles: Sequence[str], critical: Sequence[str]) -> str:
    """Return the effect of a planned power cut; `titles` are those of its rules, `critical` those it lets through."""
    held = "".join(f"“{title}”" for title in dict.fromkeys(titles))
    examples = f"（{''.join(f'“{title}”' for title in critical)}）" if critical else ""
    return (
        f"停电期间，离线和停电的报警（{held}）暂不通知；来电后半小时还没有恢复的，照常通知。其他报警不受影响。"
        f"紧急报警{examples}可能伤人，照常马上通知。"
    )


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
