"""Response models of alerts: facts, suppressions and transitions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from api.models import ResponseModel, Simulated
from handling.reasons import explain_step, reasons_of
from rules.model.attention import Attention
from rules.model.kind_labels import kind_label
from rules.model.labels_zh import ACT, ATTENTION, PHASE, PROCESS, SEVERITY, SUPPRESSION
from rules.model.rule import Severity
from store.alerts.alerts import AlertRow
from store.alerts.stream import AlertTransition
from store.alerts.suppression import Cause, CauseName
from store.alerts.transitions import StoredTransition

Process = Literal["active", "recovering", "latched", "ended"]
Causes = Mapping[UUID, Sequence[Cause]]
"""Causes of suppression by alert; an alert without one is missing."""


class Transition(ResponseModel):
    """Transition of an alert, on the axis of its condition (`process`) or of its handling by people (`attention`).

    A comment or a shelving is a transition on the attention axis that keeps the state.
    """

    id: int
    axis: Literal["process", "attention"]
    from_state: str
    to_state: str
    to_state_zh: str
    at: datetime = Field(description="When it happened.")
    decided_at: datetime = Field(description="When it was decided.")
    reason: str = Field(description="The action of a person, or the reason of the rule.")
    act_zh: str | None = Field(description="The action in Chinese; null for a decision of a rule.", examples=["派单"])
    rule_version: str
    actor: str | None = Field(description="The person who acted; null for a decision of a rule.")
    comment: str | None
    inputs: dict[str, Any] = Field(
        description="Inputs of a rule's decision: values, times, limits, delays. Of an action: `assignee` or `until`."
    )
    suppressions: list[CauseName] = Field(
        description="Causes of suppression at the time of a rule's decision; empty if it was notified."
    )
    explanation: list[str] = Field(
        description="Explanation of a rule's decision in Chinese sentences; empty for an action."
    )

    @classmethod
    def of(cls, row: StoredTransition, kind: str) -> "Transition":
        """Translate a transition of an alert about a device of that kind."""
        by_rule = row.axis == "process"
        facts = {name: getattr(row, name) for name in StoredTransition.__slots__}
        return cls.model_validate(
            {
                **facts,
                "to_state_zh": (PHASE if by_rule else ATTENTION).get(row.to_state, row.to_state),
                "act_zh": None if by_rule else ACT.get(row.reason, row.reason),
                "explanation": explain_step(row, kind),
            }
        )


class Suppression(ResponseModel):
    """Cause that keeps an alert from being notified. Evaluation of its rule goes on."""

    cause: CauseName
    cause_zh: str = Field(examples=["已搁置"])
    since: datetime
    until: datetime | None = Field(description="Planned end; null for a cause without one.")
    detail: str = Field(description="Reason, in Chinese.", examples=["等备件"])
    actor: str | None = Field(description="The person who decided it; null for a decision of the rules.")

    @classmethod
    def of(cls, cause: Cause) -> "Suppression":
        """Translate a cause."""
        return cls(
            cause=cause.name,
            cause_zh=SUPPRESSION[cause.name],
            since=cause.since,
            until=cause.until,
            detail=cause.detail,
            actor=cause.actor,
        )


class Alert(ResponseModel):
    """Alert of a rule. Condition (`process`), handling (`attention`) and suppression are independent facts."""

    id: UUID
    rule: str = Field(examples=["voltage_high"])
    rule_version: str
    severity: Severity
    severity_zh: str = Field(examples=["一般"])
    title: str = Field(examples=["电压过高"])
    message: str
    advice: str
    community: str | None = Field(description="Null for an alert about Anju itself.")
    community_name: str | None = Field(description="Its Chinese name.", examples=["金河苑"])
    device: str | None = Field(description="Null for an alert about Anju itself.")
    place: str = Field(description="Its place within the community, in words.", examples=["3号楼2单元501室"])
    kind: str
    kind_zh: str
    process: Process
    process_zh: str = Field(examples=["发生中"])
    attention: Attention
    attention_zh: str = Field(examples=["未确认"])
    assignee: str | None
    suppressions: list[Suppression] = Field(
        description="Causes that keep it from being notified now; empty if none does."
    )
    opened_at: datetime = Field(description="When the condition began.")
    raised_at: datetime = Field(description="When the rule raised the alert.")
    ended_at: datetime | None
    historical: bool = Field(description="Had ended before its late data arrived; stored, not notified.")
    chattering: bool = Field(description="Raised three times within a minute.")
    simulated: Simulated

    @classmethod
    def of(cls, row: AlertRow, causes: Causes) -> "Alert":
        """Translate a row with its causes of suppression."""
        return cls.model_validate(_alert_facts(row, causes))


class AlertDetail(Alert):
    """Alert with all its transitions and the reasons for raising it."""

    why: list[str] = Field(
        description="Reasons for raising it, in Chinese sentences.",
        examples=[["电压 245 V，高于限值 242 V（7月1日 12:10:00测得）。", "此类情况一次即报，7月1日 12:10:00报警。"]],
    )
    transitions: list[Transition] = Field(description="Transitions of both axes, in the order they were written.")

    @classmethod
    def with_transitions(cls, row: AlertRow, causes: Causes, transitions: Sequence[StoredTransition]) -> "AlertDetail":
        """Translate a row with its causes of suppression and its transitions."""
        return cls.model_validate(
            {
                **_alert_facts(row, causes),
                "why": reasons_of(transitions, row.kind),
                "transitions": [Transition.of(each, row.kind) for each in transitions],
            }
        )


class AlertStep(ResponseModel):
    """Event of the alert stream: a transition, and the present state of its alert."""

    transition: Transition
    alert: Alert

    @classmethod
    def of(cls, step: AlertTransition, causes: Causes) -> "AlertStep":
        """Translate a transition with the causes that suppress its alert."""
        return cls(transition=Transition.of(step.transition, step.alert.kind), alert=Alert.of(step.alert, causes))


def _alert_facts(row: AlertRow, causes: Causes) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in AlertRow.__slots__},
        "kind_zh": kind_label(row.kind),
        "place": row.place,
        "severity_zh": SEVERITY[row.severity],
        "process_zh": PROCESS[row.process],
        "attention_zh": ATTENTION[row.attention],
        "suppressions": [Suppression.of(cause) for cause in causes.get(row.id, ())],
    }
