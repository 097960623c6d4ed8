"""Routes that list and read alerts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import Field

from accounts.principal import Principal
from api import messages_zh
from api.alert_models import Alert, AlertDetail
from api.paging import Cursor, Page, PageQuery
from api.parameters import Caller, Instant, Now, Store
from api.problems import InvalidProblem, Mistake, UnknownProblem, problem_responses
from handling.text import Word
from rules.model.attention import Attention
from rules.model.rule import OPEN_PHASES, Severity
from store.alerts import alerts
from store.alerts.alerts import AlertFilter, AlertKey, AlertOrder
from store.alerts.suppression import causes_of
from store.alerts.transitions import list_transitions
from store.database import Connection

router = APIRouter(prefix="/alerts", tags=["alerts 报警"])
# A cursor of one order is none of another.
_CURSORS = {
    order: Cursor("alerts" if order is AlertOrder.NEWEST else f"alerts-{order}", tuple[str, datetime, UUID])
    for order in AlertOrder
}

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
    building: Word | None = Field(None, description="A building, as registered.", examples=["3"])
    text: Word | None = Field(
        None,
        description="Words that have all to stand in community, place, device, title or id of the alert.",
        examples=["3号楼 电压"],
    )
    assignee: Word | None = Field(None, description="The person it is assigned to.")
    mine: bool = Field(False, description="Assigned to the account that asks.")
    since: Instant | None = Field(None, description="Opened at this instant or later.")
    suppressed: bool | None = Field(None, description="Whether it is suppressed now.")
    sort: AlertOrder = Field(
        AlertOrder.NEWEST, description="By opening, or the gravest first and the newest of each severity."
    )


def _processes(states: Sequence[State] | None) -> list[str] | None:
    if states is None:
        return None
    return sorted({process for state in states for process in (_OPEN if state == "open" else (state,))})


@router.get("", summary="List alerts")
def list_alerts(store: Store, now: Now, caller: Caller, query: Annotated[AlertsQuery, Query()]) -> Page[Alert]:
    """Alerts, newest first by `opened_at` unless sorted otherwise. Filters are joined by and, values of one by or."""
    filters = AlertFilter(
        process=_processes(query.state), assignee=_assignees(query, caller.principal),
        words=(query.text or "").split(),
        **query.model_dump(include={"attention", "severity", "community", "kind", "building", "since", "suppressed"}),
    )  # fmt: skip
    cursor = _CURSORS[query.sort]
    key = cursor.decode(query.cursor)
    with store.connection() as connection:
        rows = alerts.list_alerts(connection, filters, key and AlertKey(*key), query.limit + 1, now, order=query.sort)
        causes = causes_of(connection, [row.id for row in rows], now)
    return Page[Alert].of(
        rows,
        query.limit,
        lambda row: Alert.of(row, causes),
        lambda row: cursor.encode((row.severity, row.opened_at, row.id)),
    )


def _assignees(query: AlertsQuery, caller: Principal) -> list[str] | None:
    """Return the names of the assignee to look for, or None for no condition.

    Raises:
        InvalidProblem: The shared key, which is no person, asks for its own alerts, or somebody's besides the own.
    """
    if not query.mine:
        return None if query.assignee is None else [query.assignee]
    if caller.account is None:
        message = "the shared key is no person; log in with an account"
        raise InvalidProblem(Mistake(["query", "mine"], message, "no_account", messages_zh.SHARED_KEY_HAS_NONE))
    if query.assignee is not None:
        message = "leave out either `mine` or `assignee`"
        raise InvalidProblem(Mistake(["query", "assignee"], message, "mine_and_assignee", messages_zh.MINE_OR_ASSIGNEE))
    return [caller.display_name, caller.name]


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
