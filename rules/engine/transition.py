"""A change of phase as it is stored and told: with the identity of its occurrence, its words and its inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

from devices.device import Device, Service
from rules.engine.chattering import CALM, TIMES, WINDOW
from rules.engine.state_machine import InstanceState, PhaseChange, Reason, delay_of
from rules.model.calendar import ALWAYS
from rules.model.duration import spell
from rules.model.rule import Phase, Rule, Severity
from rules.model.sample import Sample
from rules.model.template import data_fields, render
from rules.model.virtual_kinds import RULE_KINDS

_OCCURRENCES = UUID("8d1f6e0a-52c7-4c55-9d2e-6f3b1c0a7e41")
_BEFORE = {Phase.NORMAL, Phase.PENDING}
_OPEN = {Phase.ACTIVE, Phase.RECOVERING, Phase.LATCHED}


class Suppression(NamedTuple):
    """A cause, in the words of the store, for which nobody is notified of an occurrence; `detail` is for people."""

    cause: str
    until: datetime | None
    detail: str


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of phase of one rule on one device.

    `alert_id` is None between normal and pending, where nothing has occurred. `at` is event time, `decided_at`
    the time of the decision and the only part that differs when the same inputs are judged again. `inputs` is JSON.
    `chattering` and `suppressed` are about the occurrence that the transition raises. In the `shadow` it is what a rule
    on trial would do, and nobody hears of it.
    """

    rule: str
    rule_version: str
    device_id: int
    alert_id: UUID | None
    sequence: int
    from_phase: Phase
    to_phase: Phase
    at: datetime
    decided_at: datetime
    reason: Reason
    severity: Severity
    title: str
    message: str
    advice: str
    inputs: Mapping[str, object]
    chattering: bool = False
    suppressed: tuple[Suppression, ...] = ()
    shadow: bool = False

    @property
    def raises(self) -> bool:
        """Whether an occurrence begins with it."""
        return self.to_phase is Phase.ACTIVE and self.from_phase not in _OPEN


def alert_id(rule: str, device: Device, sequence: int) -> UUID:
    """The id of an occurrence, made of names so that a replay into another database gives the same ones."""
    return uuid5(_OCCURRENCES, f"{rule}/{device.community}/{device.name}#{sequence}")


def transition_of(rule: Rule, change: PhaseChange, device: Device, now: datetime) -> Transition:
    """Makes the transition of a move, with the texts of the rule in the values that last held its condition."""
    state, kind = change.state, RULE_KINDS[rule.kind]
    known = data_fields(kind, rule.when)
    values = _quoted(state.inputs)
    since = state.inputs.get("received_at")
    silent_for = change.at - datetime.fromisoformat(since) if isinstance(since, str) else timedelta()
    title, message, advice = (
        render(text, device, values, silent_for, known) for text in (rule.title, rule.message, rule.advice)
    )
    timers = {"on_delay": spell(rule.on_delay), "off_delay": spell(delay_of(rule, state, Phase.RECOVERING))}
    schedule = {"name": rule.schedule.name, "label": rule.schedule.label} if rule.schedule else ALWAYS
    inputs = {**state.inputs, "limits": rule.limits, **timers, "schedule": schedule, "verdict": state.verdict}
    told = _transition(change, device, now, _Words(rule.severity, title, message, advice), inputs)
    if told.raises and state.chatter.doublings:
        told = _mark_chattering(told, state)
    if told.raises and device.service is Service.OUT_OF_SERVICE:
        told = replace(told, suppressed=(*told.suppressed, Suppression("out_of_service", None, "设备已停用")))
    return told


def _mark_chattering(told: Transition, state: InstanceState) -> Transition:
    """Marks an occurrence of a chattering instance. The one that shows it is told, and none of those that follow."""
    times, recovery = len(state.chatter.raised), told.inputs["off_delay"]
    marked = replace(
        told, chattering=True, inputs={**told.inputs, "chattering": {"raised": times, "within": spell(WINDOW)}}
    )
    if state.chatter.doublings == 1 and times == TIMES:
        return marked
    detail = f"频繁抖动：十分钟内已通知过，恢复确认时间已延长到 {recovery}"
    return replace(marked, suppressed=(Suppression("chattering", told.decided_at + CALM, detail),))


def transition_of_removed_rule(change: PhaseChange, device: Device, now: datetime) -> Transition:
    """Makes the transition of an instance whose rule is no longer there to lend its words."""
    words = _Words(
        severity=Severity.INFO,
        title="规则已停用",
        message=f"{device.place} {device.name}：规则 {change.state.rule} 已停用，本次报警随之结束。".strip(),
        advice="请确认停用该规则是有意为之；现场问题如仍存在，请人工跟进。",
    )
    return _transition(change, device, now, words, dict(change.state.inputs))


class _Words(NamedTuple):
    severity: Severity
    title: str
    message: str
    advice: str


def _transition(
    change: PhaseChange, device: Device, now: datetime, words: _Words, inputs: Mapping[str, object]
) -> Transition:
    state = change.state
    return Transition(
        rule=state.rule,
        rule_version=state.rule_version,
        device_id=state.device_id,
        alert_id=_alert_id(state.rule, change, device),
        sequence=state.sequence,
        from_phase=change.from_phase,
        to_phase=state.phase,
        at=change.at,
        decided_at=now,
        reason=change.reason,
        severity=words.severity,
        title=words.title,
        message=words.message,
        advice=words.advice,
        inputs=inputs,
        shadow=state.shadow,
    )


def describe_sample(rule: Rule, sample: Sample, remembered: Mapping[str, object]) -> dict[str, object]:
    """The JSON of a sample: what the rule judges or quotes of it, and what it quotes of earlier ones.

    Args:
        rule: The rule that judges the sample.
        sample: The telemetry sample or event.
        remembered: The last known value of each field of the device.
    """
    names = rule.placeholders if sample.event else rule.compared_fields | rule.placeholders
    values = sample.data if sample.event else sample.values
    told: dict[str, object] = {
        "ts": sample.ts.isoformat(),
        "received_at": sample.received_at.isoformat(),
        "values": {name: values[name] for name in sorted(names) if name in values},
    }
    if sample.event:
        told["event"] = sample.event
    earlier = {
        name: remembered[name] for name in sorted(rule.placeholders) if name not in values and name in remembered
    }
    return {**told, "last_known": earlier} if earlier else told


def suppressed_by_group(told: Transition, group: str) -> Transition:
    """Suppresses what a transition raises, because the family of that name is silent as a whole."""
    return _caused(told, "caused_by", group, f"{group}：多台设备同时离线，已合并报警")


def suppressed_by_alert(told: Transition, title: str) -> Transition:
    """Suppresses the silence that a transition raises, because an alert of the same device explains it."""
    return _caused(told, "explained_by", title, f"{title}：设备因此没有数据，已合并报警")


def _caused(told: Transition, how: str, cause: str, detail: str) -> Transition:
    suppressed = Suppression("caused_by_parent", None, detail)
    return replace(told, inputs={**told.inputs, how: cause}, suppressed=(*told.suppressed, suppressed))


def _alert_id(rule: str, change: PhaseChange, device: Device) -> UUID | None:
    return None if {change.from_phase, change.state.phase} <= _BEFORE else alert_id(rule, device, change.state.sequence)


def _quoted(inputs: Mapping[str, object]) -> dict[str, object]:
    quoted: dict[str, object] = {}
    for part in ("last_known", "values"):
        values = inputs.get(part)
        quoted |= values if isinstance(values, dict) else {}
    return quoted
