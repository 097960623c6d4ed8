"""Explanation of a stored transition in Chinese sentences: values, limits, times and delays.

The sentences rest on the stored inputs alone. The rule in force may have changed since.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from devices.local_time import local_time_zh
from rules.analysis.describe_condition import (
    Evidence,
    describe_condition,
    describe_no_data,
    stored_duration,
    stored_time_zh,
)
from rules.analysis.stored_condition import read_stored_condition
from rules.engine.state_machine import Reason
from rules.model.duration import in_chinese
from rules.model.rule import Phase
from rules.model.virtual_kinds import DEVICE_GROUP, RULE_KINDS

_NOT_RAISED = {Phase.NORMAL, Phase.PENDING, Phase.MUTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTransition:
    """A stored transition of the process axis; `inputs` is that of `rules.engine.transition.Transition`."""

    kind: str
    from_phase: str
    to_phase: str
    at: datetime
    reason: str
    inputs: Mapping[str, Any]


def explain(transition: ProcessTransition) -> tuple[str, ...]:
    """Return the reasons of a transition, one sentence each, the decisive one first; times are local."""
    if transition.reason in _REORDERED:
        return (_REORDERED[transition.reason](transition),)
    describe_end = _ENDS.get(transition.reason)
    if describe_end and transition.to_phase != Phase.ACTIVE and not _is_opening(transition):
        return describe_end(transition)
    raising = transition.to_phase in {Phase.PENDING, Phase.ACTIVE}
    return (
        *_describe_opening(transition),
        *(_describe_cause(transition) if raising else _describe_recovery(transition)),
        _describe_consequence(transition),
        *_describe_chattering(transition),
        *_describe_suppression(transition),
    )


def _describe_consequence(transition: ProcessTransition) -> str:
    at = local_time_zh(transition.at)
    match transition.to_phase, transition.from_phase:
        case Phase.PENDING, _:
            text = f"这一情况须持续{_delay(transition, 'on_delay')}才会报警，从{at}起计时。"
        case _ if transition.reason == Reason.REWORDED:
            text = f"规则的级别或文字于{at}修改，本次报警随之更新。"
        case _ if transition.reason == Reason.RECOUNTED:
            text = f"{at}，受影响的设备比报警时多，报警的文字随之更新。"
        case _ if transition.reason == Reason.MERGED:
            text = f"{at}起合并到原因相同的另一条报警。"
        case Phase.ACTIVE, Phase.ACTIVE:
            text = f"合并的报警不再包括这一台，而情况仍在，{at}起单独报警。"
        case Phase.ACTIVE, before:
            text = (
                _describe_raising(transition) if before in _NOT_RAISED else "恢复过程中情况再次出现，仍是同一次报警。"
            )
        case Phase.RECOVERING, _ if _is_instantaneous(transition):
            text = f"此后须{_delay(transition, 'off_delay')}没有再次发生，报警才会结束，从{at}起计时。"
        case Phase.RECOVERING, _:
            text = f"这一状态须持续{_delay(transition, 'off_delay')}报警才会结束，从{at}起计时。"
        case Phase.LATCHED, _:
            text = "按规则，报警须经人工确认才会结束。"
        case _, Phase.PENDING:
            text = "情况没有持续到规定的时间，因此没有报警。"
        case _, Phase.MUTED:
            text = "情况已消失，此后再次出现会重新报警。"
        case _:
            text = _describe_clearing(transition)
    return text


def _describe_raising(transition: ProcessTransition) -> str:
    delay, at = stored_duration(transition.inputs.get("on_delay")), local_time_zh(transition.at)
    if not delay or transition.reason == Reason.NO_DATA:
        return f"此类情况一次即报，{at}报警。"
    return f"自{local_time_zh(transition.at - delay)}起持续满 {in_chinese(delay)}，{at}报警。"


def _describe_clearing(transition: ProcessTransition) -> str:
    delay, at = stored_duration(transition.inputs.get("off_delay")), local_time_zh(transition.at)
    if transition.reason == Reason.ARRIVAL or not delay:
        return f"报警于{at}结束。"
    lasted = f" {in_chinese(delay)}没有再次发生" if _is_instantaneous(transition) else f"持续满 {in_chinese(delay)}"
    return f"自{local_time_zh(transition.at - delay)}起{lasted}，报警于{at}结束。"


def _describe_resolution(transition: ProcessTransition) -> tuple[str, ...]:
    by, at = transition.inputs.get("resolved_by"), local_time_zh(transition.at)
    resolved = f"{by} 于{at}关闭了报警。" if by else f"报警于{at}人工关闭。"
    if transition.to_phase == Phase.MUTED:
        return (resolved, "关闭时情况仍然存在：在系统看到它消失之前，同一问题不会再次报警。")
    if transition.from_phase == Phase.ACTIVE:
        return (resolved, "关闭时情况还没有解除：事关人身安全，设备再次报告就会重新报警。")
    return (resolved,)


def _describe_rule_change(transition: ProcessTransition) -> tuple[str, ...]:
    return (f"规则于{local_time_zh(transition.at)}修改或停用，按旧规则发出的报警随之结束。",)


def _describe_withdrawal(transition: ProcessTransition) -> tuple[str, ...]:
    at = local_time_zh(transition.at)
    if transition.kind == DEVICE_GROUP.name:
        no_members = f"{at}起台账中已没有设备属于这个网关或地点，合并的报警随之结束"
        return (f"{no_members}；仍没有数据的设备会单独报警。",)
    return (f"设备于{at}转入调试、报废或注销，不再按规则判断，报警随之结束。",)


def _describe_closing(transition: ProcessTransition) -> tuple[str, ...]:
    end = "不再继续观察" if transition.from_phase == Phase.PENDING else "报警随之结束"
    return (f"规则只在{_calendar(transition)}有效，这一时段于{local_time_zh(transition.at)}结束，{end}。",)


def _describe_new_beginning(transition: ProcessTransition) -> str:
    return f"较早的数据后来才收到：按数据的先后顺序重新判断，报警从{local_time_zh(transition.at)}开始。"


def _describe_rewinding(transition: ProcessTransition) -> str:
    return "较早的数据后来才收到：按数据的先后顺序重新判断，此前的变化作废，以下面的为准。"


def _describe_revocation(transition: ProcessTransition) -> str:
    return "较早的数据后来才收到：按数据的先后顺序重新判断，当时没有达到报警条件，这次报警撤回。"


_REORDERED: Mapping[str, Callable[[ProcessTransition], str]] = {
    Reason.REORDERED: _describe_new_beginning,
    Reason.REWOUND: _describe_rewinding,
    Reason.REVOKED: _describe_revocation,
}

_ENDS: Mapping[str, Callable[[ProcessTransition], tuple[str, ...]]] = {
    Reason.RESOLVED: _describe_resolution,
    Reason.RULE_CHANGED: _describe_rule_change,
    Reason.SCHEDULE: _describe_closing,
    Reason.SERVICE: _describe_withdrawal,
}


def _is_opening(transition: ProcessTransition) -> bool:
    """Return whether the calendar of the rule opened; at its closing the stored verdict is unknown."""
    return transition.reason == Reason.SCHEDULE and transition.inputs.get("verdict") is not None


def _describe_opening(transition: ProcessTransition) -> tuple[str, ...]:
    if not _is_opening(transition):
        return ()
    at = local_time_zh(transition.at)
    return (f"规则只在{_calendar(transition)}有效，这一时段于{at}开始，按设备此前最后的数据判断。",)


def _calendar(transition: ProcessTransition) -> str:
    return f"“{_mapping(transition.inputs.get('schedule')).get('label', '')}”"


def _describe_suppression(transition: ProcessTransition) -> tuple[str, ...]:
    if group := transition.inputs.get("caused_by"):
        title = transition.inputs.get("parent_title", "多台设备同时离线")
        return (f"{group}的报警“{title}”已说明原因，这一条不单独通知。",)
    if alert := transition.inputs.get("explained_by"):
        return (f"同一设备的“{alert}”已说明原因，这一条不单独通知。",)
    return ()


def _describe_chattering(transition: ProcessTransition) -> tuple[str, ...]:
    if "chattering" not in transition.inputs:
        return ()
    recovery = _delay(transition, "off_delay")
    return (f"同一问题在短时间内反复报警：恢复后须持续{recovery}才会结束，此后十分钟内不再逐次通知。",)


def _describe_cause(transition: ProcessTransition) -> tuple[str, ...]:
    """Describe the condition by the last sample that met it."""
    return _describe_verdict(transition, transition.inputs, _limits(transition, "when"))


def _describe_recovery(transition: ProcessTransition) -> tuple[str, ...]:
    """Describe the end by the last sample that met it; nothing if no sample is stored, or the end of an event."""
    cleared = transition.inputs.get("cleared")
    if not isinstance(cleared, Mapping) or _is_instantaneous(transition):
        return ()
    if transition.reason == Reason.ARRIVAL:
        return (f"设备恢复上报，数据于{stored_time_zh(cleared.get('received_at'))}收到。",)
    until = _limits(transition, "until")
    return _describe_verdict(transition, cleared, until or {"not": _limits(transition, "when")})


def _is_instantaneous(transition: ProcessTransition) -> bool:
    """Return whether an event met the condition, which ended with the event itself."""
    cleared = _mapping(transition.inputs.get("cleared"))
    return "event" in cleared and not _limits(transition, "until")


def _describe_verdict(
    transition: ProcessTransition, sample: Mapping[str, Any], limits: Mapping[str, Any]
) -> tuple[str, ...]:
    """Describe the verdict on a sample; a condition that this version cannot read stays JSON."""
    if not limits:
        return ()
    if "silent" in limits:
        return (f"{describe_no_data(limits['silent'], sample.get('received_at'))}。",)
    values = {**_mapping(sample.get("last_known")), **_mapping(sample.get("values"))}
    if transition.kind == DEVICE_GROUP.name and "children_affected" in values:
        return (_describe_share(transition, sample, values),)
    kind, text = RULE_KINDS.get(transition.kind), ""
    if kind and (condition := read_stored_condition(limits, kind, transition.inputs.get("scope"), values)):
        text = describe_condition(condition, Evidence(kind, values, sample))
    measured = f"（{stored_time_zh(sample['ts'])}测得）" if "event" not in sample and "ts" in sample else ""
    return (f"{text or json.dumps(limits, ensure_ascii=False)}{measured}。",)


def _describe_share(transition: ProcessTransition, sample: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Describe the numbers of affected devices that raised the alert of a group, or ended it."""
    at, affected, before = (
        stored_time_zh(sample.get("ts")),
        values["children_affected"],
        transition.inputs.get("values"),
    )
    if sample is not transition.inputs:
        return (
            f"{at}，有这一情况的设备减少到 {affected:.0f} 台，已不超过最多时（{_affected_of(before):.0f} 台）的一半。"
        )
    expected = values.get("children_expected", affected)
    share = f"{expected:.0f} 台全部" if affected == expected else f"{expected:.0f} 台中有 {affected:.0f} 台"
    return f"{at}，同组能判断的设备 {share}有这一情况。"


def _affected_of(values: object) -> float:
    return float(_mapping(values).get("children_affected", 0))


def _limits(transition: ProcessTransition, which: str) -> Mapping[str, Any]:
    return _mapping(_mapping(transition.inputs.get("limits")).get(which))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _delay(transition: ProcessTransition, which: str) -> str:
    return f" {in_chinese(stored_duration(transition.inputs.get(which)))}"
