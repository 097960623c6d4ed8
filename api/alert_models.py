"""What the API answers about alerts: their facts, what suppresses them, and the steps they took."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from api.labels import kind_label
from api.models import ResponseModel, Simulated
from rules.analysis.explain import ProcessTransition, explain
from rules.model.attention import Attention
from rules.model.labels_zh import ACT, ATTENTION, PHASE, PROCESS, SEVERITY, SUPPRESSION
from rules.model.rule import Phase, Severity
from store.alerts.alerts import AlertRow
from store.alerts.stream import AlertTransition
from store.alerts.suppression import Cause, CauseName
from store.alerts.transitions import StoredTransition
from store.registry.registry import compose_place

Process = Literal["active", "recovering", "latched", "ended"]
Causes = Mapping[UUID, Sequence[Cause]]
"""What suppresses each alert; one that nothing suppresses is missing."""


class Transition(ResponseModel):
    """A step of an alert: of its condition (`process`), or of the people who see to it (`attention`).

    A comment, and a shelving, are steps of the attention axis that leave its state as it is.
    """

    id: int
    axis: Literal["process", "attention"]
    from_state: str
    to_state: str
    to_state_zh: str
    at: datetime = Field(description="When it happened.")
    decided_at: datetime = Field(description="When it was decided.")
    reason: str = Field(description="What brought it about: the action of a person, or what the rule went by.")
    act_zh: str | None = Field(description="The action in Chinese; null where a rule decided.", examples=["派单"])
    rule_version: str
    actor: str | None = Field(description="Who did it; null where a rule decided.")
    comment: str | None
    inputs: dict[str, Any] = Field(
        description="What a rule decided by: values, times, limits, delays. Of an action: `assignee`, or `until`."
    )
    suppressions: list[CauseName] = Field(
        description="Why nobody was told when a rule decided so; empty where they were."
    )
    explanation: list[str] = Field(description="Why a rule decided so, in Chinese sentences; empty for an action.")

    @classmethod
    def of(cls, row: StoredTransition, kind: str) -> "Transition":
        """Translate a step of an alert about a device of that kind."""
        by_rule = row.axis == "process"
        facts = {name: getattr(row, name) for name in StoredTransition.__slots__}
        return cls.model_validate(
            {
                **facts,
                "to_state_zh": (PHASE if by_rule else ATTENTION).get(row.to_state, row.to_state),
                "act_zh": None if by_rule else ACT.get(row.reason, row.reason),
                "explanation": _explained(row, kind) if by_rule else (),
            }
        )


class Suppression(ResponseModel):
    """A reason why an alert is not notified. It is judged all the same."""

    cause: CauseName
    cause_zh: str = Field(examples=["已搁置"])
    since: datetime
    until: datetime | None = Field(description="When it ends by itself; null for one that does not.")
    detail: str = Field(description="Why, in Chinese.", examples=["等备件"])
    actor: str | None = Field(description="Who decided it; null where the rules did.")

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
    """One occurrence of a rule. Whether its condition holds, who sees to it, and what suppresses it are three facts."""

    id: UUID
    rule: str = Field(examples=["voltage_high"])
    rule_version: str
    severity: Severity
    severity_zh: str = Field(examples=["一般"])
    title: str = Field(examples=["电压过高"])
    message: str
    advice: str
    community: str | None = Field(description="Null for an alert about Anju itself.")
    device: str | None = Field(description="Null for an alert about Anju itself.")
    place: str = Field(examples=["3号楼 2单元 501"])
    kind: str
    kind_zh: str
    process: Process
    process_zh: str = Field(examples=["发生中"])
    attention: Attention
    attention_zh: str = Field(examples=["未确认"])
    assignee: str | None
    suppressions: list[Suppression] = Field(description="Why it is not notified now; empty where it is.")
    opened_at: datetime = Field(description="When the condition began.")
    raised_at: datetime = Field(description="When it was decided to be an alert.")
    ended_at: datetime | None
    historical: bool = Field(description="Over already when late data brought it to light; nobody was told.")
    chattering: bool = Field(description="The same was raised three times within a minute.")
    simulated: Simulated

    @classmethod
    def of(cls, row: AlertRow, causes: Causes) -> "Alert":
        """Translate a row, with what suppresses it."""
        return cls.model_validate(_alert_facts(row, causes))


class AlertDetail(Alert):
    """An alert with every step it took, and why it was raised."""

    why: list[str] = Field(
        description="Why it was raised, in Chinese sentences.",
        examples=[
            ["电压 245 V，高于限值 242 V（7月1日 12:10:00测得）。", "规则不要求持续时间，7月1日 12:10:00即报警。"]
        ],
    )
    transitions: list[Transition] = Field(description="The steps of both axes, in the order they were written.")

    @classmethod
    def with_steps(cls, row: AlertRow, causes: Causes, steps: Sequence[StoredTransition]) -> "AlertDetail":
        """Translate a row with what suppresses it and its steps."""
        raised = next((step for step in steps if step.axis == "process" and step.to_state == Phase.ACTIVE), None)
        return cls.model_validate(
            {
                **_alert_facts(row, causes),
                "why": _explained(raised, row.kind) if raised else (),
                "transitions": [Transition.of(step, row.kind) for step in steps],
            }
        )


class AlertStep(ResponseModel):
    """What the stream sends: a step, and its alert as it stands now."""

    transition: Transition
    alert: Alert

    @classmethod
    def of(cls, step: AlertTransition, causes: Causes) -> "AlertStep":
        """Translate a step, with what suppresses its alert."""
        return cls(transition=Transition.of(step.transition, step.alert.kind), alert=Alert.of(step.alert, causes))


def _explained(row: StoredTransition, kind: str) -> tuple[str, ...]:
    return explain(
        ProcessTransition(
            kind=kind, from_phase=row.from_state, to_phase=row.to_state, at=row.at, reason=row.reason,
            inputs=row.inputs,
        )
    )  # fmt: skip


def _alert_facts(row: AlertRow, causes: Causes) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in AlertRow.__slots__},
        "kind_zh": kind_label(row.kind),
        "place": compose_place(row.building or "", row.unit or "", row.room or ""),
        "severity_zh": SEVERITY[row.severity],
        "process_zh": PROCESS[row.process],
        "attention_zh": ATTENTION[row.attention],
        "suppressions": [Suppression.of(cause) for cause in causes.get(row.id, ())],
    }
