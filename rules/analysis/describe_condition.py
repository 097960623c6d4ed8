"""Chinese sentences about a condition and the values that decided it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any as Anything

from devices.kind import DeviceKind, Field
from devices.local_time import local_time_zh
from rules.analysis.stored_condition import stored_name
from rules.derived.repeats import RepeatedCondition, RepeatedEvents
from rules.derived.unchanged import Unchanged
from rules.model.condition import COMPARISONS, All, Any, Compare, Condition, Happens, NoData, Not, Verdict, negate
from rules.model.duration import in_chinese, parse_duration
from rules.model.template import in_words

_COMPARED = {"above": "高于限值", "below": "低于限值", "equals": "等于"}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Values and sample of a verdict.

    `values` holds fields and derived values by name. `sample` is JSON, with `ts` (RFC 3339) and, for an event, its name
    as `event`.
    """

    kind: DeviceKind
    values: Mapping[str, Anything]
    sample: Mapping[str, Anything]

    def value(self, name: str) -> Anything:  # noqa: ANN401
        """Return a value by its name in the condition; None if it is unknown."""
        return self.values.get(stored_name(name, self.values))


def describe_condition(condition: Condition, evidence: Evidence) -> str:
    """Return the values of a condition against its limits, without a full stop; empty for the absence of data."""
    match condition:
        case Compare(derived=RepeatedCondition(of, times, within)):
            return f"{in_chinese(within)}内 {times} 次出现：{describe_condition(of, evidence)}"
        case Compare():
            return _describe_comparison(condition, evidence)
        case Happens():
            return _describe_event(condition, evidence)
        case All(parts) | Any(parts):
            # The parts that held decide an `any`, the parts that did not hold decide an `all`.
            decisive = [part for part in parts if _verdict(part, evidence) is isinstance(condition, Any)] or parts
            return "；".join(dict.fromkeys(filter(None, (describe_condition(part, evidence) for part in decisive))))
        case Not(part):
            return describe_condition(part, evidence)
        case NoData():
            return ""


def describe_no_data(no_data: Mapping[str, Anything], last_arrival: object) -> str:
    """Return the last arrival (RFC 3339) and the allowed absence, from the stored JSON of `silent`."""
    period, jitter = stored_duration(no_data["period"]), stored_duration(no_data["jitter"])
    margin = f"加 {in_chinese(jitter)}" if jitter else ""
    allowed = f"{no_data['periods']} 个上报周期（每个 {in_chinese(period)}）{margin}"
    return f"最后一次收到新数据是在{stored_time_zh(last_arrival)}，此后超过 {allowed}没有新数据"


def stored_duration(text: object) -> timedelta:
    """Return a stored duration; zero if there is none."""
    return parse_duration(text) if isinstance(text, str) else timedelta()


def stored_time_zh(text: object) -> str:
    """Return a stored instant (RFC 3339) as local time in Chinese."""
    return local_time_zh(datetime.fromisoformat(text)) if isinstance(text, str) else "未知时间"


def _describe_comparison(condition: Compare, evidence: Evidence) -> str:
    derived, how, limit = condition.derived, condition.how, condition.limit
    field = derived.field if derived else evidence.kind.field(condition.field)
    verdict = _verdict(condition, evidence)
    if isinstance(derived, Unchanged):
        return f"{derived.of.zh}有了变化" if verdict is False else derived.field.zh
    name, quantity = field.zh if field else condition.field, _quantity(evidence.value(condition.field), field)
    if how == "equals":
        return f"{name}：{quantity}"
    value = f"{name} {quantity}"
    negation = "没有" if verdict is False else ""
    if isinstance(limit, tuple):
        low, high = limit
        return f"{value}，{negation}超出 {_quantity(low, field)} 至 {_quantity(high, field)} 的范围"
    return f"{value}，{negation}{_COMPARED[how]} {_quantity(limit, field)}"


def _describe_event(condition: Happens, evidence: Evidence) -> str:
    at, name = stored_time_zh(evidence.sample.get("ts")), evidence.sample.get("event")
    if isinstance(condition.derived, RepeatedEvents):
        names = "、".join(f"“{_event_zh(event, evidence.kind)}”" for event in condition.events)
        often = f"{in_chinese(condition.derived.within)}内 {condition.derived.times} 次"
        return f"设备在 {often}报告{names}，最近一次是{at}"
    return f"设备报告“{_event_zh(name, evidence.kind)}”（{at}）" if name else ""


def _event_zh(name: str, kind: DeviceKind) -> str:
    event = kind.event(name)
    return event.zh if event else name


def _verdict(condition: Condition, evidence: Evidence) -> Verdict:
    """Return the verdict of a condition on the evidence; an event holds if it is the sample."""
    match condition:
        case Compare(field, how, limit):
            value = evidence.value(field)
            return COMPARISONS[how](field, limit)({} if value is None else {field: value})
        case Happens(events):
            return evidence.sample.get("event") in events
        case Not(part):
            return negate(_verdict(part, evidence))
        case All(parts) | Any(parts):
            decisive = isinstance(condition, Any)
            verdicts = {_verdict(part, evidence) for part in parts}
            return decisive if decisive in verdicts else None if None in verdicts else not decisive
        case NoData():
            return None


def _quantity(value: object, field: Field | None) -> str:
    unit = "秒" if (symbol := getattr(field, "unit", "1")) == "s" else symbol
    words = in_words(value, field) if field else str(value)
    return f"{words} {unit}" if unit != "1" and value is not None else words
