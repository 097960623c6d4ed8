"""What the database stores in English, in the words that people read on a dashboard."""

from collections.abc import Mapping
from typing import NamedTuple

from rules.model import labels_zh


class Label(NamedTuple):
    """A Chinese word and the name of a Grafana colour."""

    text: str
    colour: str


def _coloured(words: Mapping[str, str], **colours: str) -> dict[str, Label]:
    return {value: Label(words[value], colour) for value, colour in colours.items()}


SEVERITY = _coloured(labels_zh.SEVERITY, critical="red", major="orange", warning="yellow", info="blue")
PROCESS = _coloured(labels_zh.PROCESS, active="red", recovering="yellow", latched="orange", ended="green")
ATTENTION = _coloured(
    labels_zh.ATTENTION, unacknowledged="red", acknowledged="yellow", assigned="yellow", in_progress="blue",
    resolved="green", closed="green",
)  # fmt: skip
SUPPRESSION = _coloured(
    labels_zh.SUPPRESSION, shelved="blue", maintenance="blue", caused_by_parent="yellow", out_of_service="text",
    chattering="orange",
)  # fmt: skip

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
