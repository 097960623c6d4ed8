"""Page of one alert: what, where, since when and why; the work on it; who was told, and why not."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, StringConstraints

from accounts.rights import RIGHTS
from console.curve import drawn
from console.rendering import redirect, render
from console.viewer import PageForbiddenError, PageNotFoundError, Viewer, Viewing
from handling.actions import (
    COMMENT,
    SHELVE,
    UNSHELVE,
    ActionRefusedError,
    Order,
    ShelvingRangeError,
    UnknownAlertError,
    take_action,
)
from handling.alert_curve import Curve, alert_curve
from handling.household_reads import record_household_read
from handling.notices import reason_of, waits_of
from handling.reasons import explain_step, reasons_of
from handling.signature import KeyReusedError
from handling.text import Name, Remark, Word
from rules.model.attention import Action, Attention, possible_actions
from store.alerts.alerts import AlertRow, find_alert
from store.alerts.earlier import earlier_alerts
from store.alerts.suppression import Cause, CauseName, causes_of
from store.alerts.transitions import StoredTransition, list_transitions
from store.database import Connection
from store.notices.delivery import list_notices
from store.registry.devices import find_device

router = APIRouter()

_EARLIER = 10


@router.get("/alerts/{alert_id}")
def alert_page(request: Request, viewer: Viewing, alert_id: UUID) -> Response:
    """Show an alert."""
    return _show(request, viewer, alert_id)


class AlertAction(BaseModel):
    """Form of an action on an alert; each action uses some of the fields."""

    action: Annotated[str, StringConstraints(pattern="^[a-z]{1,20}$")]
    key: Annotated[Name, StringConstraints(max_length=100)]
    assignee: Remark = ""
    instead_of: Word = ""
    comment: Remark = ""
    hours: Annotated[float, Field(gt=0, le=24)] = 1


@router.post("/alerts/{alert_id}/actions")
def act_on_alert_page(
    request: Request, viewer: Viewing, alert_id: UUID, form: Annotated[AlertAction, Form()]
) -> Response:
    """Carry out an action, and show the alert as it then stands."""
    action, comment, assignee = form.action, form.comment.strip(), form.assignee.strip()
    if not _may(viewer, action):
        raise PageForbiddenError
    if missing := _missing(action, assignee, comment):
        return _show(request, viewer, alert_id, error=missing)
    order = Order(
        action=action, comment=comment or None, assignee=assignee or None, instead_of=form.instead_of or None,
        until=datetime.now(UTC) + timedelta(hours=form.hours) if action == SHELVE else None,
    )  # fmt: skip
    try:
        with viewer.store.connection() as connection:
            take_action(
                connection, alert_id, order, viewer.sign(), request_key=form.key, clock=lambda: datetime.now(UTC)
            )
    except UnknownAlertError:
        raise PageNotFoundError from None
    except KeyReusedError:
        return _show(request, viewer, alert_id, error="这个表单已经提交过，请看下面的最新情况。")
    except (ActionRefusedError, ShelvingRangeError) as error:
        return _show(request, viewer, alert_id, error=str(error))
    return redirect(request, f"/alerts/{alert_id}?done={action}")


def _missing(action: str, assignee: str, comment: str) -> str | None:
    """Return what a form lacks, or None."""
    if action == Action.ASSIGN and not assignee:
        return "请填写派给谁。"
    if action in {COMMENT, SHELVE} and not comment:
        return "请写明备注内容。" if action == COMMENT else "请写明搁置的原因。"
    return None


def _show(request: Request, viewer: Viewer, alert_id: UUID, *, error: str | None = None) -> Response:
    now = viewer.now
    with viewer.store.connection() as connection:
        row = find_alert(connection, alert_id)
        if row is None:
            raise PageNotFoundError
        steps = list_transitions(connection, alert_id)
        causes = causes_of(connection, [alert_id], now).get(alert_id, ())
        notices = list_notices(connection, alert_id) if _may(viewer, "list_notices_of") else []
        earlier = earlier_alerts(connection, row, _EARLIER)
        curve = _curve(connection, viewer, row, steps) if _may(viewer, "read_series") else None
    return render(
        request, "alert.html", viewer=viewer, status=HTTPStatus.CONFLICT if error else HTTPStatus.OK, row=row,
        why=reasons_of(steps, row.kind), curve=curve and drawn(curve), curve_of=curve,
        steps=list(reversed(steps)), causes=causes, earlier=earlier, error=error,
        explanation=lambda step: explain_step(step, row.kind),
        notices=[(each, list(waits_of(each, causes, now)), reason_of(each)) for each in notices],
        actions=_actions(viewer, row, causes), done=request.query_params.get("done", ""),
    )  # fmt: skip


def _curve(connection: Connection, viewer: Viewer, row: AlertRow, steps: Sequence[StoredTransition]) -> Curve | None:
    """Return the readings around the alert; of a household, the read is recorded."""
    curve = alert_curve(connection, row, steps, viewer.now)
    if curve and row.community and row.device and (device := find_device(connection, row.community, row.device)):
        query = {"alert": str(row.id)}
        record_household_read(connection, viewer.sign(), device, "telemetry", now=viewer.now, query=query)
    return curve


def _actions(viewer: Viewer, row: AlertRow, causes: Sequence[Cause]) -> list[str]:
    """Return what the account may do now, in the order of the work."""
    possible = [action.value for action in possible_actions(Attention(row.attention))]
    if Action.RESOLVE in possible:  # closing files what is resolved; two buttons for one end would be a riddle
        possible = [action for action in possible if action != Action.CLOSE]
    shelved = any(cause.name is CauseName.SHELVED and cause.until for cause in causes)
    if shelved:
        possible.append(UNSHELVE)
    elif row.process != "ended":
        possible.append(SHELVE)
    possible.append(COMMENT)
    return [action for action in possible if _may(viewer, action)]


def _may(viewer: Viewer, right: str) -> bool:
    return viewer.principal.role in RIGHTS.get(right, ())
