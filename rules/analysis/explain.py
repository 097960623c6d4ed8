"""Why a transition came about, in Chinese sentences, from what is stored with it: values, limits, times and delays.

The words come from the inputs alone and never from the rule in force: that one may have changed since.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any as Anything

from devices.kind import DeviceKind, Field
from devices.local_time import local_time_zh
from rules.derived.naming import usual_gap, without_gaps
from rules.derived.repeats import RepeatedCondition, RepeatedEvents
from rules.derived.unchanged import Unchanged
from rules.engine.state_machine import Reason
from rules.language.read_condition import read_condition
from rules.language.read_derived import ConditionContext
from rules.language.yaml_document import Diagnostics, Node
from rules.model.condition import (
    COMPARISONS,
    All,
    Any,
    Compare,
    Condition,
    Happens,
    NoData,
    Not,
    Verdict,
    fields_of,
    negate,
)
from rules.model.duration import in_chinese, parse_duration
from rules.model.rule import Phase, Scope
from rules.model.template import in_words
from rules.model.virtual_kinds import DEVICE_GROUP, RULE_KINDS

_OPENED = {Phase.NORMAL, Phase.PENDING, Phase.MUTED}
_COMPARED = {"above": "高于限值", "below": "低于限值", "equals": "等于"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTransition:
    """A stored step of the process axis; `inputs` as in `rules.engine.transition.Transition`."""

    kind: str
    from_phase: str
    to_phase: str
    at: datetime
    reason: str
    inputs: Mapping[str, Anything]


def explain(transition: ProcessTransition) -> tuple[str, ...]:
    """The reasons of a step, one sentence each, the most telling first; times are those of the city."""
    ended = _ENDS.get(transition.reason)
    if ended is not None and transition.to_phase != Phase.ACTIVE and not _opens(transition):
        return ended(transition)
    found = _held(transition) if transition.to_phase in {Phase.PENDING, Phase.ACTIVE} else _over(transition)
    return (*_opening(transition), *found, _consequence(transition), *_chattering(transition), *_caused(transition))


def describe_values(condition: Condition, kind: DeviceKind, values: Mapping[str, Anything], ts: datetime) -> str:
    """What values that were measured at `ts` say of a condition."""
    return _worded(condition, _Reading(kind, values, {"ts": ts.isoformat()}))


def _consequence(transition: ProcessTransition) -> str:
    match transition.to_phase, transition.from_phase:
        case Phase.PENDING, _:
            says = f"这一情况须持续{_delay(transition, 'on_delay')}才会报警，从{local_time_zh(transition.at)}起计时。"
        case _ if transition.reason == Reason.REWORDED:
            says = f"规则的级别或文字于{local_time_zh(transition.at)}修改，本次报警随之更新。"
        case Phase.ACTIVE, Phase.ACTIVE:
            says = f"同组的其他设备已恢复，这一台仍没有数据，{local_time_zh(transition.at)}起单独报警。"
        case Phase.ACTIVE, before:
            says = _ripened(transition) if before in _OPENED else "恢复过程中情况再次出现，仍是同一次报警。"
        case Phase.RECOVERING, _ if _momentary(transition):
            delay = _delay(transition, "off_delay")
            says = f"此后须{delay}没有再次发生，报警才会结束，从{local_time_zh(transition.at)}起计时。"
        case Phase.RECOVERING, _:
            says = (
                f"这一状态须持续{_delay(transition, 'off_delay')}报警才会结束，从{local_time_zh(transition.at)}起计时。"
            )
        case Phase.LATCHED, _:
            says = "按规则，报警须经人工确认才会结束。"
        case _, Phase.PENDING:
            says = "情况没有持续到规定的时间，因此没有报警。"
        case _, Phase.MUTED:
            says = "情况已消失，此后再次出现会重新报警。"
        case _:
            says = _recovered(transition)
    return says


def _resolved(transition: ProcessTransition) -> tuple[str, ...]:
    by = transition.inputs.get("resolved_by")
    who = (
        f"{by} 于{local_time_zh(transition.at)}关闭了报警。"
        if by
        else f"报警于{local_time_zh(transition.at)}人工关闭。"
    )
    if transition.to_phase == Phase.MUTED:
        return (who, "关闭时情况仍然存在：在系统看到它消失之前，同一问题不会再次报警。")
    return (who,)


def _changed(transition: ProcessTransition) -> tuple[str, ...]:
    return (f"规则于{local_time_zh(transition.at)}修改或停用，按旧规则发出的报警随之结束。",)


def _withdrawn(transition: ProcessTransition) -> tuple[str, ...]:
    if transition.kind == DEVICE_GROUP.name:
        return (
            f"{local_time_zh(transition.at)}起台账中已没有设备属于这个网关或楼栋，合并的报警随之结束；仍没有数据的设备会单独报警。",
        )
    return (f"设备于{local_time_zh(transition.at)}转为调试或报废，不再按规则判断，报警随之结束。",)


def _closed(transition: ProcessTransition) -> tuple[str, ...]:
    over = "不再继续观察" if transition.from_phase == Phase.PENDING else "报警随之结束"
    return (f"规则只在{_calendar(transition)}有效，这一时段于{local_time_zh(transition.at)}结束，{over}。",)


_ENDS: Mapping[str, Callable[[ProcessTransition], tuple[str, ...]]] = {
    Reason.RESOLVED: _resolved,
    Reason.RULE_CHANGED: _changed,
    Reason.SCHEDULE: _closed,
    Reason.SERVICE: _withdrawn,
}


def _opens(transition: ProcessTransition) -> bool:
    """Whether a calendar opened: its closing says nothing about the condition."""
    return transition.reason == Reason.SCHEDULE and transition.inputs.get("verdict") is not None


def _opening(transition: ProcessTransition) -> tuple[str, ...]:
    if not _opens(transition):
        return ()
    return (
        f"规则只在{_calendar(transition)}有效，这一时段于{local_time_zh(transition.at)}开始，按设备此前最后的数据判断。",
    )


def _calendar(transition: ProcessTransition) -> str:
    return f"“{_mapping(transition.inputs.get('schedule')).get('label', '')}”"


def _caused(transition: ProcessTransition) -> tuple[str, ...]:
    if group := transition.inputs.get("caused_by"):
        return (f"{group}的多台设备同时没有数据，由合并的报警通知，这一条不单独通知。",)
    if alert := transition.inputs.get("explained_by"):
        return (f"同一设备的“{alert}”已说明原因，这一条不单独通知。",)
    return ()


def _chattering(transition: ProcessTransition) -> tuple[str, ...]:
    if "chattering" not in transition.inputs:
        return ()
    recovery = _spelled(_duration(transition.inputs.get("off_delay")))
    return (f"同一问题在短时间内反复报警：恢复后须持续{recovery}才会结束，此后十分钟内不再逐次通知。",)


def _ripened(transition: ProcessTransition) -> str:
    delay = _duration(transition.inputs.get("on_delay"))
    if not delay or transition.reason == Reason.NO_DATA:
        return f"规则不要求持续时间，{local_time_zh(transition.at)}即报警。"
    return f"自{local_time_zh(transition.at - delay)}起持续满{_spelled(delay)}，{local_time_zh(transition.at)}报警。"


def _recovered(transition: ProcessTransition) -> str:
    delay = _duration(transition.inputs.get("off_delay"))
    if transition.reason == Reason.ARRIVAL or not delay:
        return f"报警于{local_time_zh(transition.at)}结束。"
    lasted = f"{_spelled(delay)}没有再次发生" if _momentary(transition) else f"持续满{_spelled(delay)}"
    return f"自{local_time_zh(transition.at - delay)}起{lasted}，报警于{local_time_zh(transition.at)}结束。"


def _momentary(transition: ProcessTransition) -> bool:
    """Whether the condition was over as soon as its event had been."""
    cleared = _mapping(transition.inputs.get("cleared"))
    return "event" in cleared and not _limits(transition, "until")


def _held(transition: ProcessTransition) -> tuple[str, ...]:
    """What made the condition hold, by the sample that last did."""
    return _judged(transition, transition.inputs, _limits(transition, "when"))


def _over(transition: ProcessTransition) -> tuple[str, ...]:
    """What ended it, by the sample that last did; without one there is nothing to tell."""
    cleared = transition.inputs.get("cleared")
    if not isinstance(cleared, Mapping):
        return ()
    if _momentary(transition):
        return ()
    if transition.reason == Reason.ARRIVAL:
        return (f"设备恢复上报，数据于{_instant(cleared.get('received_at'))}收到。",)
    until = _limits(transition, "until")
    return _judged(transition, cleared, until or {"not": _limits(transition, "when")})


def _judged(
    transition: ProcessTransition, sample: Mapping[str, Anything], limits: Mapping[str, Anything]
) -> tuple[str, ...]:
    """What a sample said of a condition. One that this version cannot read stands in the words of the rule file."""
    if not limits:
        return ()
    if "silent" in limits:
        return (f"{_no_data(limits['silent'], sample)}。",)
    values = {**_mapping(sample.get("last_known")), **_mapping(sample.get("values"))}
    kind = RULE_KINDS.get(transition.kind)
    condition = _read(limits, kind, values) if kind else None
    words = _worded(condition, _Reading(kind, values, sample)) if kind and condition else ""
    measured = f"（{_instant(sample['ts'])}测得）" if "event" not in sample and "ts" in sample else ""
    return (f"{words or json.dumps(limits, ensure_ascii=False)}{measured}。",)


def _read(limits: Mapping[str, Anything], kind: DeviceKind, values: Collection[str]) -> Condition | None:
    """The condition in these words of a rule file, for the scope whose values there are; None if it cannot be read."""
    found = []
    for scope in Scope:
        diagnostics = Diagnostics("")
        context = ConditionContext(kind, usual_gap(kind.reporting_period), scope)
        condition = read_condition(_as_node(limits), context, diagnostics)
        if condition and not diagnostics.entries:
            found.append(condition)
    return max(found, key=lambda one: sum(_stored(name, values) in values for name in fields_of(one)), default=None)


def _as_node(plain: Anything) -> Node:  # noqa: ANN401
    match plain:
        case Mapping():
            return Node(0, {key: _as_node(value) for key, value in plain.items()})
        case list():
            return Node(0, [_as_node(value) for value in plain])
        case _:
            return Node(0, plain)


def _stored(name: str, values: Collection[str]) -> str:
    """The name under which a value is stored: that of a track may tell another gap than the usual one."""
    return next((key for key in values if without_gaps(key) == name), name)


@dataclass(frozen=True, slots=True)
class _Reading:
    kind: DeviceKind
    values: Mapping[str, Anything]
    sample: Mapping[str, Anything]

    def value(self, name: str) -> Anything:  # noqa: ANN401
        return self.values.get(_stored(name, self.values))


def _worded(condition: Condition, reading: _Reading) -> str:
    match condition:
        case Compare(derived=RepeatedCondition(of, times, within)):
            return f"{in_chinese(within)}内 {times} 次出现：{_worded(of, reading)}"
        case Compare():
            return _compared(condition, reading)
        case Happens():
            return _happened(condition, reading)
        case All(parts) | Any(parts):
            # Of alternatives those that held decided, of parts of a whole those that did not.
            telling = [part for part in parts if _holds(part, reading) is isinstance(condition, Any)] or parts
            return "；".join(filter(None, (_worded(part, reading) for part in telling)))
        case Not(part):
            return _worded(part, reading)
        case NoData():
            return ""


def _compared(condition: Compare, reading: _Reading) -> str:
    """A field, or what a track made of it, against its limit."""
    derived, how, limit = condition.derived, condition.how, condition.limit
    field = derived.field if derived else reading.kind.field(condition.field)
    held = _holds(condition, reading)
    if isinstance(derived, Unchanged):
        return f"{derived.of.zh}有了变化" if held is False else derived.field.zh
    found = f"{field.zh if field else condition.field} {_quantity(reading.value(condition.field), field)}"
    sign = "没有" if held is False else ""
    if isinstance(limit, tuple):
        low, high = limit
        return f"{found}，{sign}超出 {_quantity(low, field)} 至 {_quantity(high, field)} 的范围"
    if how == "equals":
        return found if held else f"{found}，不是{_quantity(limit, field)}"
    return f"{found}，{sign}{_COMPARED[how]} {_quantity(limit, field)}"


def _happened(condition: Happens, reading: _Reading) -> str:
    at, name = _instant(reading.sample.get("ts")), reading.sample.get("event")
    if isinstance(condition.derived, RepeatedEvents):
        names = "、".join(f"“{_event_zh(event, reading.kind)}”" for event in condition.events)
        often = f"{in_chinese(condition.derived.within)}内 {condition.derived.times} 次"
        return f"设备在 {often}报告{names}，最近一次是{at}"
    return f"设备报告“{_event_zh(name, reading.kind)}”（{at}）" if name else ""


def _event_zh(name: str, kind: DeviceKind) -> str:
    event = kind.event(name)
    return event.zh if event else name


def _holds(condition: Condition, reading: _Reading) -> Verdict:
    """What a condition said of the values; an event holds where it is what arrived."""
    match condition:
        case Compare(field, how, limit):
            value = reading.value(field)
            return COMPARISONS[how](field, limit)({} if value is None else {field: value})
        case Happens(events):
            return reading.sample.get("event") in events
        case Not(part):
            return negate(_holds(part, reading))
        case All(parts) | Any(parts):
            decisive = isinstance(condition, Any)
            verdicts = {_holds(part, reading) for part in parts}
            return decisive if decisive in verdicts else None if None in verdicts else not decisive
        case NoData():
            return None


def _no_data(no_data: Mapping[str, Anything], sample: Mapping[str, Anything]) -> str:
    period, jitter = _duration(no_data["period"]), _duration(no_data["jitter"])
    spare = f"加 {in_chinese(jitter)}" if jitter else ""
    allowed = f"{no_data['periods']} 个上报周期（每个 {in_chinese(period)}）{spare}"
    return f"最后一次收到新数据是在{_instant(sample.get('received_at'))}，此后超过{allowed}没有新数据"


def _quantity(value: object, field: Field | None) -> str:
    unit = getattr(field, "unit", "1")
    words = in_words(value, field) if field else str(value)
    return f"{words} {unit}" if unit != "1" and value is not None else words


def _limits(transition: ProcessTransition, which: str) -> Mapping[str, Anything]:
    return _mapping(_mapping(transition.inputs.get("limits")).get(which))


def _mapping(value: Anything) -> Mapping[str, Anything]:  # noqa: ANN401
    return value if isinstance(value, Mapping) else {}


def _duration(text: Anything) -> timedelta:  # noqa: ANN401
    return parse_duration(text) if isinstance(text, str) else timedelta()


def _delay(transition: ProcessTransition, which: str) -> str:
    return _spelled(_duration(transition.inputs.get(which)))


def _spelled(duration: timedelta) -> str:
    return f" {in_chinese(duration)}"


def _instant(text: Anything) -> str:  # noqa: ANN401
    return local_time_zh(datetime.fromisoformat(text)) if isinstance(text, str) else "未知时间"
