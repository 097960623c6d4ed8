"""Chinese sentences about measures, spans and shares."""

from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from acceptance.criterion import (
    Coverage,
    EventDelivery,
    Inspection,
    Measured,
    OnlineRate,
    ReadSuccess,
    WitnessedDelivery,
)
from devices.catalogue import KIND_BY_NAME

_UNITS = ((86_400, "天"), (3_600, "小时"), (60, "分钟"), (1, "秒"))


class Method(NamedTuple):
    """Method of counting a figure and its unit, which is empty for a manual criterion."""

    sentence: str
    unit: str


def span(length: timedelta) -> str:
    """Return a span in whole units, the largest first: `1天6小时`; fractions of a second are dropped."""
    seconds = int(length.total_seconds())
    parts = []
    for size, name in _UNITS:
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number}{name}")
    return "".join(parts) or "0秒"


def percent(share: Decimal | str) -> str:
    """Return a target from 0 to 1 as a percentage without trailing zeros, such as `98.5 %`."""
    return f"{(Decimal(share) * 100).normalize():f} %"


def measured_percent(share: Decimal | str) -> str:
    """Return a measured share from 0 to 1 as a percentage with two decimals."""
    return f"{Decimal(share) * 100:.2f} %"


def method(measure: Measured | Inspection) -> Method:
    """Return the method of a measure, for people who assess the figure."""
    match measure:
        case Coverage(fresh=fresh):
            return Method(
                f"本户智能表在时段结束前{span(fresh)}内有读数的住户（含有人工凭证的出户表）÷登记住户（不含豁免）", "户"
            )
        case ReadSuccess(kind=kind):
            return Method(
                f"有读数的上报周期÷应有的上报周期（每{_period(kind)}一个）；一条读数只算一个周期，迟到的也算", "次"
            )
        case OnlineRate(kind=kind):
            return Method(
                f"收到过消息的上报周期÷全部上报周期（每{_period(kind)}一个）；一条消息只算一个周期，以收到的时间为准",
                "周期",
            )
        case EventDelivery(limit=limit):
            return Method(f"发生后{span(limit)}内送达的事件÷已收到的事件；从未送达的事件不在其中", "件")
        case WitnessedDelivery(limit=limit):
            return Method(
                f"触发后{span(limit)}内送达的现场测试÷登记的现场测试（撤回的不算）；没有登记就是数据不足", "次"
            )
        case Inspection(requirement=requirement):
            return Method(requirement, "")


def _period(kind: str) -> str:
    return span(KIND_BY_NAME[kind].reporting_period)
