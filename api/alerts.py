"""Routes that list and read alerts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import Field

from api import messages_zh
from api.alert_models import Alert, AlertDetail
from api.paging import Cursor, Page, PageQuery
from api.parameters import Instant, Now, Store
from api.problems import UnknownProblem, problem_responses
from api.text import Word
from rules.model.attention import Attention
from rules.model.rule import OPEN_PHASES, Severity
from store.alerts import alerts
from store.alerts.alerts import AlertFilter
from store.alerts.suppression import causes_of
from store.alerts.transitions import list_transitions
from store.database import Connection

router = APIRouter(prefix="/alerts", tags=["alerts 报警"])
_cursor = Cursor("alerts", tuple[datetime, UUID])

State = Literal["open", "active", "recovering", "latched", "ended"]
AlertId = Annotated[UUID, Path(description="The id of an alert.")]

_OPEN = tuple(sorted(phase.value for phase in OPEN_PHASES))


class UnknownAlertProblem(UnknownProblem):
    """No alert has the id of the path."""

    def __init__(self) -> None:
        """Say where the alerts are listed."""
        super().__init__("There is no alert of that id; GET /api/v1/alerts lists them.", messages_zh.ALERT_NOT_FOUND)


class AlertsQuery(PageQuery):
    """Filters of the list of alerts."""

    state: list[State] | None = Field(None, description="`open` is active, recovering or latched.")
    attention: list[Attention] | None = Field(None, description="States of handling by people.")
    severity: list[Severity] | None = Field(None, description="One or several severities.")
    community: Word | None = Field(None, description="The id of a community.")
    kind: Word | None = Field(None, description="A device kind, or `pipeline` for Anju itself.")
    assignee: Word | None = Field(None, description="The person it is assigned to.")
    since: Instant | None = Field(None, description="Opened at this instant or later.")
    suppressed: bool | None = Field(None, description="Whether it is suppressed now.")


def _processes(states: Sequence[State] | None) -> list[str] | None:
    if states is None:
        return None
    return sorted({process for state in states for process in (_OPEN if state == "open" else (state,))})


@router.get("", summary="List alerts")
def list_alerts(store: Store, now: Now, query: Annotated[AlertsQuery, Query()]) -> Page[Alert]:
    """Alerts, newest first by `opened_at`. Filters are joined by and, values of one filter by or."""
    filters = AlertFilter(process=_processes(query.state), **query.model_dump(exclude={"limit", "cursor", "state"}))
    before = _cursor.decode(query.cursor)
    with store.connection() as connection:
        rows = alerts.list_alerts(connection, filters, before, query.limit + 1, now)
        causes = causes_of(connection, [row.id for row in rows], now)
    return Page[Alert].of(
        rows, query.limit, lambda row: Alert.of(row, causes), lambda row: _cursor.encode((row.opened_at, row.id))
    )


@router.get("/{alert_id}", summary="Read an alert", responses=problem_responses(UnknownAlertProblem()))
def read_alert(store: Store, now: Now, alert_id: AlertId) -> AlertDetail:
    """An alert with the reasons for raising it, and all its transitions with their inputs."""
    with store.connection() as connection:
        return read_detail(connection, alert_id, now)


def read_detail(connection: Connection, alert_id: UUID, now: datetime) -> AlertDetail:
    """Return the present state of an alert as a response.

    Raises:
        UnknownProblem: No alert has that id.
    """
    row = alerts.find_alert(connection, alert_id)
    if row is None:
        raise UnknownAlertProblem
    causes = causes_of(connection, [alert_id], now)
    return AlertDetail.with_transitions(row, causes, list_transitions(connection, alert_id))
