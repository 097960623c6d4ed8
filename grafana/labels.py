"""What the database stores in English, in the words that people read on a dashboard."""

from typing import NamedTuple


class Label(NamedTuple):
    """A Chinese word and the name of a Grafana colour."""

    text: str
    colour: str


SEVERITY: dict[str, Label] = {
    "critical": Label("紧急", "red"),
    "major": Label("重要", "orange"),
    "warning": Label("一般", "yellow"),
    "info": Label("提示", "blue"),
}

PROCESS: dict[str, Label] = {
    "active": Label("发生中", "red"),
    "recovering": Label("恢复中", "yellow"),
    "latched": Label("待人工确认", "orange"),
    "ended": Label("已结束", "green"),
}

ATTENTION: dict[str, Label] = {
    "unacknowledged": Label("未确认", "red"),
    "acknowledged": Label("已确认", "yellow"),
    "assigned": Label("已派单", "yellow"),
    "in_progress": Label("处理中", "blue"),
    "resolved": Label("已解决", "green"),
    "closed": Label("已关闭", "green"),
}

SUPPRESSION: dict[str, Label] = {
    "shelved": Label("已搁置", "blue"),
    "maintenance": Label("维护窗口", "blue"),
    "caused_by_parent": Label("另一故障引起", "yellow"),
    "out_of_service": Label("停用", "text"),
    "chattering": Label("频繁抖动", "orange"),
}

CONNECTION: dict[str, Label] = {"online": Label("在线", "green"), "offline": Label("离线", "red")}

SIMULATED: dict[str, Label] = {"true": Label("模拟", "purple"), "false": Label("", "text")}

REJECTION_REASON: dict[str, str] = {
    "bad_topic": "主题错误",
    "unknown_device": "未登记的设备",
    "wrong_kind": "设备类型不符",
    "bad_json": "JSON 错误",
    "too_large": "消息过大",
    "missing_timestamp": "缺少时间",
    "bad_timestamp": "时间无法识别",
    "future_timestamp": "时间在未来",
    "unknown_field": "未知字段",
    "impossible_value": "数值不可能",
    "unknown_event": "未知事件",
    "rate_limited": "发送过多",
}
