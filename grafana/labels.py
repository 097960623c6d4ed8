"""Chinese labels of stored values with their colours on a dashboard."""

from collections.abc import Mapping
from typing import NamedTuple

from rules.model import labels_zh


class Label(NamedTuple):
    """Chinese word with the name of a Grafana colour."""

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

CONNECTION = _coloured(labels_zh.CONNECTION, online="green", offline="red")
CONNECTION_EVENT = _coloured(labels_zh.CONNECTION_EVENT, online="green", offline="red")

SIMULATED: dict[str, Label] = {"true": Label("模拟", "purple"), "false": Label("", "text")}
