"""Routes of alerts: reading them, and what people do about them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api.access import ACTOR
from api.models import Alert, AlertDetail
from api.paging import Cursor, Page, PageQuery
from api.parameters import Instant, Now, Store
from api.problems import RefusedProblem, UnknownProblem, answers
from rules.attention import Action, Attention, AttentionError, attend
from rules.rule import Severity
from store import alerts
from store.alerts import AlertFilter
from store.database import Database

router = APIRouter(prefix="/alerts", tags=["alerts 报警"])
_cursor = Cursor("alerts", tuple[datetime, UUID])

State = Literal["open", "active", "recovering", "latched", "ended"]
AlertId = Annotated[UUID, Path(description="The id of an alert.")]

_OPEN = ("active", "recovering", "latched")
_NO_ALERT = "There is no alert of that id; GET /api/v1/alerts lists them."


class Note(BaseModel):
    """What a person adds to an action."""

    model_config = ConfigDict(extra="forbid")

    comment: str | None = Field(None, max_length=2000, description="Why, or what was done.", examples=["已更换水表"])


class AlertsQuery(PageQuery):
    """What alerts to list."""

    state: list[State] | None = Field(None, description="`open` is active, recovering or latched.")
    attention: list[Attention] | None = Field(None, description="How far people have come with it.")
    severity: list[Severity] | None = Field(None, description="One or several severities.")
    community: str | None = Field(None, description="The id of a community.")
    kind: str | None = Field(None, description="A device kind, or `pipeline` for Anju itself.")
    assignee: str | None = Field(None, description="The person it is assigned to.")
    since: Instant | None = Field(None, description="Opened at this instant or later.")


def _processes(states: Sequence[State] | None) -> list[str] | None:
    if states is None:
        return None
    return sorted({process for state in states for process in (_OPEN if state == "open" else (state,))})


@router.get("", summary="List alerts")
def list_alerts(store: Store, query: Annotated[AlertsQuery, Query()]) -> Page[Alert]:
    """Alerts, the one that opened last first. Filters are joined by and, values of one filter by or."""
    wanted = AlertFilter(process=_processes(query.state), **query.model_dump(exclude={"limit", "cursor", "state"}))
    before = _cursor.decode(query.cursor)
    with store.connection() as connection:
        rows = alerts.list_alerts(connection, wanted, before, query.limit + 1)
    return Page[Alert].of(rows, query.limit, Alert.of, lambda row: _cursor.encode((row.opened_at, row.id)))


@router.get("/{alert_id}", summary="Read an alert", responses=answers(UnknownProblem(_NO_ALERT)))
def read_alert(store: Store, alert_id: AlertId) -> AlertDetail:
    """An alert with every step it took, and what each was decided by."""
    with store.connection() as connection:
        row = alerts.find_alert(connection, alert_id)
        if row is None:
            raise UnknownProblem(_NO_ALERT)
        return AlertDetail.with_steps(row, alerts.list_transitions(connection, alert_id))


_ACTION_ANSWERS = answers(UnknownProblem(_NO_ALERT), RefusedProblem("报警已解决，不能再“确认”；可以“关闭”。"))


@router.post("/{alert_id}/acknowledge", summary="Acknowledge an alert (确认)", responses=_ACTION_ANSWERS)
def acknowledge(store: Store, now: Now, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """Say that somebody has seen the alert."""
    return _act(store, alert_id, Action.ACKNOWLEDGE, note, now)


@router.post("/{alert_id}/resolve", summary="Resolve an alert (解决)", responses=_ACTION_ANSWERS)
def resolve(store: Store, now: Now, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """Say that the cause is gone.

    An alert whose condition still holds is ended a moment later by the owner of its rule, and the rule stays mute
    for that device until it has seen the condition gone.
    """
    return _act(store, alert_id, Action.RESOLVE, note, now)


def _act(store: Database, alert_id: UUID, action: Action, note: Note | None, now: datetime) -> AlertDetail:
    """Take one step of the attention axis; all that follows from it is one transaction."""
    with store.connection() as connection:
        row = alerts.claim_alert(connection, alert_id)
        if row is None:
            raise UnknownProblem(_NO_ALERT)
        try:
            attention = attend(Attention(row.attention), action)
        except AttentionError as error:
            raise RefusedProblem(str(error)) from None
        comment = note.comment if note else None
        alerts.record_attention(connection, row, attention, reason=action.value, actor=ACTOR, comment=comment, now=now)
        if action is Action.RESOLVE and row.process != "ended":
            alerts.order_close(connection, row, actor=ACTOR, now=now)
    return read_alert(store, alert_id)
