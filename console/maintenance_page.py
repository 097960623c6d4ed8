"""Maintenance windows and planned power cuts: the list, and a form that shows what a window does before it is saved."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, StringConstraints

from console.rendering import redirect, render
from console.viewer import PageNotFoundError, Serving, Viewer, Viewing
from devices.catalogue import KINDS
from devices.local_time import CITY
from handling.maintenance import (
    WindowError,
    WindowOrder,
    WindowOverError,
    announce,
    check_reach,
    check_scope,
    effect_zh,
    end_early,
    state_of,
)
from handling.text import Name, Remark, Word
from rules.model.rule import RulePack
from store.admin.audit import find_request
from store.alerts.maintenance import Purpose, list_maintenance
from store.registry.communities import list_communities

router = APIRouter()

_SHOWN = 200
_MOST_COMMUNITIES = 1000
_WHEN = "%Y-%m-%dT%H:%M"


class WindowForm(BaseModel):
    """Form of a window: hours from now, or a planned time of the city."""

    purpose: Purpose = Purpose.MAINTENANCE
    community: Word = ""
    building: Word = ""
    kind: Word = ""
    device: Word = ""
    rule: Word = ""
    when: Literal["now", "planned"] = "now"
    hours: Annotated[float, Field(gt=0, le=24 * 90)] = 2
    starts: Word = ""
    ends: Word = ""
    reason: Remark = ""
    key: Annotated[Name, StringConstraints(max_length=100)] = "new"
    saved: bool = False

    def order(self, now: datetime) -> WindowOrder:
        """Return the window that the form describes.

        Raises:
            WindowError: A time is missing or is none, or the reason is.
        """
        if not self.reason.strip():
            raise WindowError("reason", "missing", "请写明原因，例如“三号楼换表”")
        starts_at, ends_at = None, now + timedelta(hours=self.hours)
        if self.when == "planned":
            starts_at, ends_at = _instant(self.starts, "starts"), _instant(self.ends, "ends")
        return WindowOrder(
            purpose=self.purpose, community=self.community or None, building=self.building.strip() or None,
            kind=self.kind or None, rule=self.rule.strip() or None, device=self.device.strip() or None,
            starts_at=starts_at, ends_at=ends_at, reason=self.reason.strip(),
        )  # fmt: skip


@router.get("/maintenance")
def maintenance_page(request: Request, services: Serving, viewer: Viewing) -> Response:
    """Show the windows that are active or coming, then those that are over."""
    pack = services.rules_in_force()
    with viewer.store.connection() as connection:
        rows = list_maintenance(connection, community=None, not_over_at=None, before=None, limit=_SHOWN)
        names = {each.id: each.name for each in list_communities(connection, None, _MOST_COMMUNITIES)}
    windows = [(row, state_of(row, viewer.now), effect_zh(row, pack)) for row in rows]
    groups = [(state, [each for each in windows if each[1] == state]) for state in ("active", "scheduled", "over")]
    said = request.query_params.get("said", "")
    return render(request, "maintenance.html", viewer=viewer, groups=groups, names=names, said=said)


@router.get("/maintenance/new")
def new_window_page(request: Request, viewer: Viewing, community: Word = "", building: Word = "") -> Response:
    """Ask for a window."""
    return _ask(request, viewer, WindowForm(community=community, building=building))


@router.post("/maintenance/new")
def create_window_page(
    request: Request, services: Serving, viewer: Viewing, form: Annotated[WindowForm, Form()]
) -> Response:
    """Show what a window does; save it once the person has seen that."""
    pack = services.rules_in_force()
    try:
        order = form.order(viewer.now)
        check_scope(order)
        check_reach(order, viewer.principal.scope)
        if not form.saved:
            return _ask(request, viewer, form, effect=effect_zh(order, pack), ends_at=order.ends_at)
        _save(viewer, order, pack, form.key)
    except WindowError as error:
        return _ask(request, viewer, form, error=str(error))
    return redirect(request, "/maintenance?said=saved")


@router.post("/maintenance/{window_id}/end")
def end_window_page(
    request: Request, viewer: Viewing, window_id: UUID, key: Annotated[str, Form(min_length=1, max_length=100)]
) -> Response:
    """End a window early, or cancel one that has not begun."""
    with viewer.store.connection() as connection:
        try:
            found = end_early(connection, window_id, viewer.sign(), now=viewer.now, key=key)
        except WindowOverError:
            found = True  # somebody else was faster
    if not found:
        raise PageNotFoundError
    return redirect(request, "/maintenance?said=ended")


def _save(viewer: Viewer, order: WindowOrder, pack: RulePack, key: str) -> None:
    with viewer.store.connection() as connection:
        if find_request(connection, viewer.principal.name, key) is None:
            announce(connection, order, viewer.sign(), pack, now=viewer.now, key=key)


def _ask(
    request: Request,
    viewer: Viewer,
    form: WindowForm,
    *,
    error: str | None = None,
    effect: str | None = None,
    ends_at: datetime | None = None,
) -> Response:
    with viewer.store.connection() as connection:
        communities = list_communities(connection, None, _MOST_COMMUNITIES)
    local = viewer.now.astimezone(CITY)
    return render(
        request, "maintenance_new.html", viewer=viewer,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK, form=form, communities=communities,
        kinds=KINDS, error=error, effect=effect, ends_at=ends_at, now_local=f"{local:{_WHEN}}",
    )  # fmt: skip


def _instant(text: str, field: str) -> datetime:
    """Return the instant of a time of the city, as a browser writes it.

    Raises:
        WindowError: It is none.
    """
    try:
        return datetime.strptime(text, _WHEN).replace(tzinfo=CITY)
    except ValueError:
        raise WindowError(field, "no_time", "请填写开始和结束的日期与时间") from None
