"""Transitions: phase changes as they are stored and notified, with alert id, texts and inputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid5

from devices.device import OUT_OF_SERVICE_ZH, Device, Service
from rules.engine.chattering import CALM, TIMES, WINDOW
from rules.engine.state_machine import Input, InstanceState, PhaseChange, Reason, delay_of
from rules.model.calendar import ALWAYS
from rules.model.duration import in_chinese, spell
from rules.model.rule import OPEN_PHASES, Phase, Rule, Severity
from rules.model.sample import CLOCK_FAULT, LATENESS, Sample, lateness
from rules.model.subject_zh import subject_of
from rules.model.template import Silence, data_fields, render
from rules.model.virtual_kinds import DEVICE_GROUP, RULE_KINDS

_ALERT_IDS = UUID("8d1f6e0a-52c7-4c55-9d2e-6f3b1c0a7e41")
_CALCULATED_DECIMALS = 6
_WITHOUT_ALERT = {Phase.NORMAL, Phase.PENDING}


class Suppression(NamedTuple):
    """A cause, in the words of the store, for which an alert is not notified; `detail` is for people."""

    cause: str
    until: datetime | None
    detail: str


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of phase of one rule on one device.

    Attributes:
        rule: The rule.
        rule_version: Version of the rule.
        device_id: The device.
        alert_id: The alert; None between normal and pending.
        sequence: Number of the alert among those of the instance.
        from_phase: Phase before.
        to_phase: Phase after.
        at: Event time.
        decided_at: Time of the decision. Only this differs when the same inputs are evaluated again.
        reason: Cause of the transition.
        severity: Severity of the rule.
        title: Text of the rule, with values.
        message: Text of the rule, with values.
        advice: Text of the rule, with values.
        inputs: JSON of everything that the decision rests on: sample, limits, delays, schedule, scope, verdict.
        chattering: Whether the alert that the transition raises chatters.
        suppressed: Suppressions of the alert that the transition raises.
        shadow: Whether the rule is on trial. Such a transition is recorded, and raises no alert.
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
        """Whether it raises an alert that was not raised before."""
        is_raised = self.to_phase is Phase.ACTIVE and self.from_phase not in OPEN_PHASES
        return is_raised and self.reason not in {Reason.REORDERED, Reason.REWOUND}

    @property
    def returns(self) -> bool:
        """Whether the condition of a grave alert is back, which had been over and waited for a person."""
        is_back = self.from_phase is Phase.LATCHED and self.to_phase is Phase.ACTIVE
        is_grave = self.severity in {Severity.CRITICAL, Severity.MAJOR}
        return is_back and is_grave and self.reason not in {Reason.REORDERED, Reason.REWOUND}


Apply = Callable[[Rule, int, Input, datetime], list[Transition]]
"""Applies an input to the instance of a rule on a device or on a group, at the time of the decision."""


def alert_id(rule: str, device: Device, sequence: int) -> UUID:
    """Return the id of an alert. It is made of names, so that a replay into another database gives the same ids."""
    return uuid5(_ALERT_IDS, f"{rule}/{device.community}/{device.name}#{sequence}")


def transition_of(rule: Rule | None, change: PhaseChange, device: Device, now: datetime) -> Transition:
    """Return the transition of a phase change. Its texts quote the values that last held the condition.

    Args:
        rule: The rule in force; None where it has been removed.
        change: The phase change.
        device: The device.
        now: The time of the decision.
    """
    if rule is None:
        return _transition(change, device, now, _texts_of_removed_rule(change, device), dict(change.state.inputs))
    state = change.state
    fields = data_fields(RULE_KINDS[rule.kind], rule.when)
    values = _values_to_quote(state.inputs)
    received_at = state.inputs.get("received_at")
    last_arrival = datetime.fromisoformat(received_at) if isinstance(received_at, str) else change.at
    silence = Silence(last_arrival, change.at - last_arrival)
    title, message, advice = (
        render(text, device, values, silence, fields) for text in (rule.title, rule.message, rule.advice)
    )
    inputs = {
        **state.inputs,
        "limits": rule.limits,
        "on_delay": spell(rule.on_delay),
        "off_delay": spell(delay_of(rule, state, Phase.RECOVERING)),
        "schedule": {"name": rule.schedule.name, "label": rule.schedule.label} if rule.schedule else ALWAYS,
        "scope": rule.scope.value,
        "verdict": state.verdict,
    }
    message += _note_of_lateness(rule, state)
    transition = _transition(change, device, now, _Texts(rule.severity, title, message, advice), inputs)
    if transition.raises and state.chatter.doublings:
        transition = _with_chattering(transition, state)
    elif transition.raises and rule.repeat_conditions:
        # A device that comes and goes is a bad actor even if its rule tells of it in one alert.
        transition = replace(transition, chattering=True)
    if transition.raises and device.service is Service.OUT_OF_SERVICE:
        transition = _suppressed(transition, Suppression("out_of_service", None, OUT_OF_SERVICE_ZH))
    return transition


def _note_of_lateness(rule: Rule, state: InstanceState) -> str:
    """Return a note for an alert whose data came too late, where somebody has to look all the same; else nothing."""
    late = lateness(state.inputs)
    if rule.no_data or not (rule.latch or rule.severity is Severity.CRITICAL):
        return ""
    if "counted_at" in state.inputs and state.inputs["counted_at"] == state.inputs["ts"]:
        return "（设备报的时间不对，发生时间按收到时间计，请尽快到现场查看。）"
    if late <= LATENESS:
        return ""
    if "counted_at" not in state.inputs:
        return f"（迟到的消息：事发 {in_chinese(late)}后才收到，请尽快到现场查看。）"
    if late > CLOCK_FAULT:
        return "（设备时钟不准，发生时间按收到时间计，请尽快到现场查看。）"
    return f"（迟到的消息：设备记的时间比收到时间早 {in_chinese(late)}，发生时间按收到时间计，请尽快到现场查看。）"


def _with_chattering(transition: Transition, state: InstanceState) -> Transition:
    """Mark an alert of a chattering instance. The first such alert is notified, the following are suppressed."""
    times, recovery = len(state.chatter.raised), transition.inputs["off_delay"]
    chattering = {"raised": times, "within": spell(WINDOW)}
    marked = replace(transition, chattering=True, inputs={**transition.inputs, "chattering": chattering})
    if state.chatter.doublings == 1 and times == TIMES:
        return marked
    detail = f"频繁抖动：十分钟内已通知过，恢复确认时间已延长到 {recovery}"
    return _suppressed(marked, Suppression("chattering", transition.decided_at + CALM, detail))


class _Texts(NamedTuple):
    severity: Severity
    title: str
    message: str
    advice: str


def _texts_of_removed_rule(change: PhaseChange, device: Device) -> _Texts:
    return _Texts(
        severity=Severity.INFO,
        title="规则已停用",
        message=f"{subject_of(device)}：规则 {change.state.rule} 已停用，本次报警随之结束。",
        advice="请确认停用该规则是有意为之；现场问题如仍存在，请人工跟进。",
    )


def _transition(
    change: PhaseChange, device: Device, now: datetime, texts: _Texts, inputs: Mapping[str, object]
) -> Transition:
    state = change.state
    has_alert = not {change.from_phase, state.phase} <= _WITHOUT_ALERT
    return Transition(
        rule=state.rule,
        rule_version=state.rule_version,
        device_id=state.device_id,
        alert_id=alert_id(state.rule, device, state.sequence) if has_alert else None,
        sequence=state.sequence,
        from_phase=change.from_phase,
        to_phase=state.phase,
        at=change.at,
        decided_at=now,
        reason=change.reason,
        severity=texts.severity,
        title=texts.title,
        message=texts.message,
        advice=texts.advice,
        inputs=inputs,
        shadow=state.shadow,
    )


def describe_sample(rule: Rule, sample: Sample, last_values: Mapping[str, object]) -> dict[str, object]:
    """Return the JSON of a sample: the values that the rule compares or quotes, and older values that it quotes.

    Args:
        rule: The rule that evaluates the sample.
        sample: The telemetry sample or event.
        last_values: Last known value of each retained field of the device.
    """
    names = rule.placeholders if sample.event else rule.compared_fields | rule.placeholders
    values = sample.data if sample.event else sample.values
    if rule.kind == DEVICE_GROUP.name:
        names |= values.keys()  # the end of an outage is decided by the numbers of its beginning
    description: dict[str, object] = {
        "ts": sample.ts.isoformat(),
        "received_at": sample.received_at.isoformat(),
        "values": {name: _quoted(rule, name, values[name]) for name in sorted(names) if name in values},
    }
    if sample.event:
        description["event"] = sample.event
    older = {
        name: last_values[name] for name in sorted(rule.placeholders) if name not in values and name in last_values
    }
    return {**description, "last_known": older} if older else description


def _quoted(rule: Rule, name: str, value: object) -> object:
    """Return a value as its device sent it; a calculated one without binary noise."""
    return round(value, _CALCULATED_DECIMALS) if name in rule.derived_values and isinstance(value, float) else value


def suppressed_by_group(transition: Transition, group: str, title: str) -> Transition:
    """Suppress an alert by an alert with that title, of the device group of that name or of its gateway."""
    merged = replace(transition, inputs={**transition.inputs, "parent_title": title})
    return _suppressed_by(merged, "caused_by", group, f"{group}：{title}，已合并报警")


def suppressed_by_alert(transition: Transition, title: str) -> Transition:
    """Suppress an alert by another alert of the device, of that title, which says what to do."""
    return _suppressed_by(transition, "explained_by", title, f"{title}：原因相同，以这一条为准，已合并报警")


def _suppressed_by(transition: Transition, key: str, cause: str, detail: str) -> Transition:
    caused = replace(transition, inputs={**transition.inputs, key: cause})
    return _suppressed(caused, Suppression("caused_by_parent", None, detail))


def _suppressed(transition: Transition, suppression: Suppression) -> Transition:
    """Add a suppression, unless the alert can hurt people: a critical one is notified whatever the rules make of it."""
    if transition.severity is Severity.CRITICAL:
        return transition
    return replace(transition, suppressed=(*transition.suppressed, suppression))


def _values_to_quote(inputs: Mapping[str, object]) -> dict[str, object]:
    """Return the values of the sample, and older ones of other fields; an event quotes nothing from before it."""
    values: dict[str, object] = {}
    for key in ("values",) if "event" in inputs else ("last_known", "values"):
        part = inputs.get(key)
        values |= part if isinstance(part, dict) else {}
    return values
