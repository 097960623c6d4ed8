"""Why a transition came about, in Chinese sentences, from what is stored with it: values, limits, times and delays.

The words come from the inputs alone and never from the rule in force: that one may have changed since.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from devices.kind import Counter, DeviceKind, Field, Gauge
from rules.condition import COMPARISONS, Verdict, negate
from rules.duration import in_chinese, parse_duration
from rules.machine import Reason
from rules.pipeline import RULE_KINDS
from rules.rule import Phase
from rules.text import in_words
from rules.tracks.naming import usual_gap
from rules.tracks.rate import Rate
from rules.tracks.unchanged import Unchanged
from rules.tracks.window import AGGREGATES, Over

_CITY = ZoneInfo("Asia/Shanghai")
_OPENED = {Phase.NORMAL, Phase.PENDING, Phase.MUTED}
_COMPARED = {"above": "高于限值", "below": "低于限值", "equals": "等于"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is known of a step of the process axis once it is stored; `inputs` as in `rules.transition.Transition`."""

    kind: str
    from_phase: str
    to_phase: str
    at: datetime
    reason: str
    inputs: Mapping[str, Any]


def explain(told: Told) -> tuple[str, ...]:
    """The reasons of a step, one sentence each, the most telling first; times are those of the city."""
    ended = _ENDS.get(told.reason)
    if ended is not None and told.to_phase != Phase.ACTIVE and not _opens(told):
        return ended(told)
    found = _held(told) if told.to_phase in {Phase.PENDING, Phase.ACTIVE} else _over(told)
    return (*_opening(told), *found, _consequence(told), *_chattering(told))


def found_of(condition: Mapping[str, Any], kind: str, values: Mapping[str, Any], ts: datetime) -> str:
    """What values that were measured at `ts` say of a condition, which is given in the words of a rule file."""
    return _worded(condition, _Reading(RULE_KINDS.get(kind), values, {"ts": ts.isoformat()}))


def _consequence(told: Told) -> str:
    match told.to_phase, told.from_phase:
        case Phase.PENDING, _:
            says = f"这一情况须持续{_delay(told, 'on_delay')}才会报警，从{clock(told.at)}起计时。"
        case Phase.ACTIVE, before:
            says = _ripened(told) if before in _OPENED else "恢复过程中情况再次出现，仍是同一次报警。"
        case Phase.RECOVERING, _ if _momentary(told):
            says = f"此后须{_delay(told, 'off_delay')}没有再次发生，报警才会结束，从{clock(told.at)}起计时。"
        case Phase.RECOVERING, _:
            says = f"这一状态须持续{_delay(told, 'off_delay')}报警才会结束，从{clock(told.at)}起计时。"
        case Phase.LATCHED, _:
            says = "按规则，报警须经人工确认才会结束。"
        case _, Phase.PENDING:
            says = "情况没有持续到规定的时间，因此没有报警。"
        case _, Phase.MUTED:
            says = "情况已消失，此后再次出现会重新报警。"
        case _:
            says = _recovered(told)
    return says


def clock(at: datetime) -> str:
    """An instant as people in the city read it, such as `7月1日 12:05:03`."""
    local = at.astimezone(_CITY)
    return f"{local.month}月{local.day}日 {local:%H:%M:%S}"


def _resolved(told: Told) -> tuple[str, ...]:
    by = told.inputs.get("resolved_by")
    who = f"{by} 于{clock(told.at)}关闭了报警。" if by else f"报警于{clock(told.at)}人工关闭。"
    if told.to_phase == Phase.MUTED:
        return (who, "关闭时情况仍然存在：在系统看到它消失之前，同一问题不会再次报警。")
    return (who,)


def _changed(told: Told) -> tuple[str, ...]:
    return (f"规则于{clock(told.at)}修改或停用，按旧规则发出的报警随之结束。",)


def _closed(told: Told) -> tuple[str, ...]:
    over = "不再继续观察" if told.from_phase == Phase.PENDING else "报警随之结束"
    return (f"规则只在{_calendar(told)}有效，这一时段于{clock(told.at)}结束，{over}。",)


_ENDS: Mapping[str, Callable[[Told], tuple[str, ...]]] = {
    Reason.RESOLVED: _resolved,
    Reason.RULE_CHANGED: _changed,
    Reason.SCHEDULE: _closed,
}


def _opens(told: Told) -> bool:
    """Whether a calendar opened: its closing says nothing about the condition."""
    return told.reason == Reason.SCHEDULE and told.inputs.get("verdict") is not None


def _opening(told: Told) -> tuple[str, ...]:
    if not _opens(told):
        return ()
    return (f"规则只在{_calendar(told)}有效，这一时段于{clock(told.at)}开始，按设备此前最后的数据判断。",)


def _calendar(told: Told) -> str:
    return f"“{_mapping(told.inputs.get('schedule')).get('label', '')}”"


def _chattering(told: Told) -> tuple[str, ...]:
    if "chattering" not in told.inputs:
        return ()
    recovery = _spelled(_duration(told.inputs.get("off_delay")))
    return (f"同一问题在短时间内反复报警：恢复后须持续{recovery}才会结束，此后十分钟内不再逐次通知。",)


def _ripened(told: Told) -> str:
    delay = _duration(told.inputs.get("on_delay"))
    if not delay or told.reason == Reason.SILENCE:
        return f"规则不要求持续时间，{clock(told.at)}即报警。"
    return f"自{clock(told.at - delay)}起持续满{_spelled(delay)}，{clock(told.at)}报警。"


def _recovered(told: Told) -> str:
    delay = _duration(told.inputs.get("off_delay"))
    if told.reason == Reason.ARRIVAL or not delay:
        return f"报警于{clock(told.at)}结束。"
    lasted = f"{_spelled(delay)}没有再次发生" if _momentary(told) else f"持续满{_spelled(delay)}"
    return f"自{clock(told.at - delay)}起{lasted}，报警于{clock(told.at)}结束。"


def _momentary(told: Told) -> bool:
    """Whether the condition was over as soon as its event had been."""
    cleared = _mapping(told.inputs.get("cleared"))
    return "event" in cleared and not _limits(told, "until")


def _held(told: Told) -> tuple[str, ...]:
    """What made the condition hold, by the sample that last did."""
    return _judged(told, told.inputs, _limits(told, "when"))


def _over(told: Told) -> tuple[str, ...]:
    """What ended it, by the sample that last did; without one there is nothing to tell."""
    cleared = told.inputs.get("cleared")
    if not isinstance(cleared, Mapping):
        return ()
    if _momentary(told):
        return ()
    if told.reason == Reason.ARRIVAL:
        return (f"设备恢复上报，数据于{_instant(cleared.get('received_at'))}收到。",)
    until = _limits(told, "until")
    return _judged(told, cleared, until or {"not": _limits(told, "when")})


def _judged(told: Told, sample: Mapping[str, Any], condition: Mapping[str, Any]) -> tuple[str, ...]:
    values = {**_mapping(sample.get("last_known")), **_mapping(sample.get("values"))}
    reading = _Reading(RULE_KINDS.get(told.kind), values, sample)
    words = _worded(condition, reading)
    measured = (
        "" if "event" in sample or "silent" in condition or "ts" not in sample else f"（{_instant(sample['ts'])}测得）"
    )
    return (f"{words}{measured}。",) if words else ()


@dataclass(frozen=True, slots=True)
class _Reading:
    kind: DeviceKind | None
    values: Mapping[str, Any]
    sample: Mapping[str, Any]


def _worded(condition: Mapping[str, Any], reading: _Reading) -> str:
    """A condition and what was found of it. One that this version does not know stands in the rule file's words."""
    for key, tell in _WORDS.items():
        if key in condition:
            return tell(condition, reading)
    return json.dumps(condition, ensure_ascii=False) if condition else ""


def _compared(condition: Mapping[str, Any], reading: _Reading) -> str:
    """A field, or what a track made of it, against its limit."""
    field = _field(condition, reading.kind)
    name = field.name if field else condition.get("field")
    how = next((key for key in COMPARISONS if key in condition), None)
    if how is None or name is None:
        return json.dumps(condition, ensure_ascii=False)
    value = _value(name, reading)
    held = _holds(condition, reading)
    sign = "" if held is not False else "没有"
    found = f"{field.zh if field else name} {_quantity(value, field)}"
    if how == "outside":
        low, high = condition[how]
        return f"{found}，{sign}超出 {_quantity(low, field)} 至 {_quantity(high, field)} 的范围"
    if how == "equals":
        return f"{found}" if held else f"{found}，不是{_quantity(condition[how], field)}"
    return f"{found}，{sign}{_COMPARED[how]} {_quantity(condition[how], field)}"


def _stays(condition: Mapping[str, Any], reading: _Reading) -> str:
    field = _field(condition, reading.kind)
    if field is None:
        return json.dumps(condition, ensure_ascii=False)
    if _value(field.name, reading) is False:
        return f"{field.zh.partition(' ')[0]}有了变化"
    return f"{field.zh}"


def _repeated(condition: Mapping[str, Any], reading: _Reading) -> str:
    often = f"{in_chinese(parse_duration(condition['within']))}内 {condition['repeats']} 次"
    if "of" in condition:
        return f"{often}出现：{_worded(condition['of'], reading)}"
    names = "、".join(f"“{_event_zh(name, reading.kind)}”" for name in condition["event"])
    return f"设备在 {often}报告{names}，最近一次是{_instant(reading.sample.get('ts'))}"


def _field(condition: Mapping[str, Any], kind: DeviceKind | None) -> Field | None:
    """What is compared, described like a field of the kind; None where this version does not know it."""
    if kind is None:
        return None
    period, gap = kind.reporting_period, usual_gap(kind.reporting_period)
    of = kind.field(condition.get("rate") or condition.get("field") or "")
    if "rate" in condition and isinstance(of, Gauge | Counter):
        return Rate(of, parse_duration(condition["per"]), period, gap).field
    if "over" in condition:
        how = next(how for how in AGGREGATES if how in condition)
        over = kind.field(condition[how])
        return over and Over(over, how, parse_duration(condition["over"]), period, gap).field
    return Unchanged(of, parse_duration(condition["stays"]), period, gap).field if of and "stays" in condition else of


def _value(name: str, reading: _Reading) -> Any:  # noqa: ANN401
    """The value of that name, or of the track of that name whose allowed gap is another than the usual one."""
    known = (key for key in reading.values if key == name or key.startswith(f"{name}_gap_"))
    return reading.values.get(next(known, name))


def _holds(condition: Mapping[str, Any], reading: _Reading) -> Verdict:
    """What a condition said of the values; an event holds where it is what arrived. None for silence and repetition."""
    if "not" in condition:
        return negate(_holds(condition["not"], reading))
    for word, decisive in (("all", False), ("any", True)):
        if word in condition:
            verdicts = [_holds(part, reading) for part in condition[word]]
            return decisive if decisive in verdicts else None if None in verdicts else not decisive
    field = _field(condition, reading.kind)
    for how, test in COMPARISONS.items():
        if how in condition and (field or "field" in condition):
            name = field.name if field else condition["field"]
            return test(name, condition[how])({name: value} if (value := _value(name, reading)) is not None else {})
    if "event" in condition:
        return reading.sample.get("event") in condition["event"]
    return bool(_value(field.name, reading)) if field and "stays" in condition else None


def _happened(condition: Mapping[str, Any], reading: _Reading) -> str:
    name = reading.sample.get("event")
    if name is None:
        return ""
    return f"设备报告“{_event_zh(name, reading.kind)}”（{_instant(reading.sample.get('ts'))}）"


def _event_zh(name: str, kind: DeviceKind | None) -> str:
    event = kind.event(name) if kind else None
    return event.zh if event else name


def _silent(condition: Mapping[str, Any], reading: _Reading) -> str:
    silent = condition["silent"]
    period, jitter = _duration(silent["period"]), _duration(silent["jitter"])
    spare = f"加 {in_chinese(jitter)}" if jitter else ""
    allowed = f"{silent['periods']} 个上报周期（每个 {in_chinese(period)}）{spare}"
    return f"最后一次收到新数据是在{_instant(reading.sample.get('received_at'))}，此后超过{allowed}没有新数据"


def _parts(condition: Mapping[str, Any], reading: _Reading) -> str:
    """The parts that decided: of alternatives those that held, of parts of a whole those that did not, else each."""
    parts = condition["all"] if "all" in condition else condition["any"]
    telling = [part for part in parts if _holds(part, reading) is ("any" in condition)] or parts
    return "；".join(filter(None, (_worded(part, reading) for part in telling)))


def _not(condition: Mapping[str, Any], reading: _Reading) -> str:
    return _worded(condition["not"], reading)


_WORDS: Mapping[str, Callable[[Mapping[str, Any], _Reading], str]] = {
    "repeats": _repeated,
    "stays": _stays,
    "rate": _compared,
    "over": _compared,
    "field": _compared,
    "event": _happened,
    "silent": _silent,
    "all": _parts,
    "any": _parts,
    "not": _not,
}


def _quantity(value: Any, field: Field | None) -> str:  # noqa: ANN401
    unit = getattr(field, "unit", "1")
    words = in_words(value, field) if field else str(value)
    return f"{words} {unit}" if unit != "1" and value is not None else words


def _limits(told: Told, which: str) -> Mapping[str, Any]:
    return _mapping(_mapping(told.inputs.get("limits")).get(which))


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401
    return value if isinstance(value, Mapping) else {}


def _duration(text: Any) -> timedelta:  # noqa: ANN401
    return parse_duration(text) if isinstance(text, str) else timedelta()


def _delay(told: Told, which: str) -> str:
    return _spelled(_duration(told.inputs.get(which)))


def _spelled(duration: timedelta) -> str:
    return f" {in_chinese(duration)}"


def _instant(text: Any) -> str:  # noqa: ANN401
    return clock(datetime.fromisoformat(text)) if isinstance(text, str) else "未知时间"
