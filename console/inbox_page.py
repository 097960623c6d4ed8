"""Inbox: alerts that need somebody, the gravest first, with actions on one and on many."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, StringConstraints

from console.inbox import EMPTY_ZH, PAGE_SIZE, TAB_ZH, InboxQuery, Tab, names_of, read_key, write_key
from console.rendering import local_path, redirect, render
from console.viewer import Serving, Viewing
from handling.actions import SHELVE, Order
from handling.bulk import MOST_ALERTS, Outcome, Result, take_actions
from handling.text import Name, Remark, Word
from rules.model.rule import Severity
from store.alerts.alerts import AlertKey, list_alerts
from store.alerts.inbox import count_inbox
from store.alerts.suppression import causes_of
from store.registry.communities import list_communities

router = APIRouter()

MOST_COMMUNITIES = 1000


class InboxAddress(BaseModel):
    """Tab, filters and place of the inbox in its address, and a sentence about the last action."""

    tab: Tab = Tab.WAITING
    severity: Severity | None = None
    community: Word = ""
    kind: Word = ""
    text: Word = ""
    after: Word = ""
    said: Word = ""


class BulkAction(BaseModel):
    """Form of one action on many alerts; each action uses some of the fields."""

    action: Literal["acknowledge", "assign", "resolve", "shelve"]
    key: Annotated[Name, StringConstraints(max_length=100)]
    alert: list[UUID] = Field(default_factory=list, max_length=MOST_ALERTS)
    assignee: Remark = ""
    comment: Remark = ""
    hours: Annotated[float, Field(gt=0, le=24)] = 1
    back: Annotated[str, StringConstraints(max_length=1000)] = "/"


@router.get("/")
def inbox_page(
    request: Request, services: Serving, viewer: Viewing, address: Annotated[InboxAddress, Query()]
) -> Response:
    """Show a tab of the inbox."""
    tab = address.tab
    query = InboxQuery(
        tab, address.severity, address.community or None, address.kind or None, address.text.strip() or None
    )
    now, newest = viewer.now, services.feed.newest  # before the alerts are read: a step between comes by the stream
    with viewer.store.connection() as connection:
        rows = list_alerts(
            connection,
            query.conditions(viewer.principal),
            read_key(address.after),
            PAGE_SIZE + 1,
            now,
            order=query.order,
        )
        causes = causes_of(connection, [row.id for row in rows], now)
        counts = count_inbox(connection, names_of(viewer.principal), query.community, query.kind, now)
        communities = list_communities(connection, None, MOST_COMMUNITIES)
    more = rows[PAGE_SIZE:] and rows[PAGE_SIZE - 1]
    return render(
        request, "inbox.html", viewer=viewer, query=query, tabs=TAB_ZH, empty=EMPTY_ZH[tab], rows=rows[:PAGE_SIZE],
        causes=causes, newest=newest, communities=communities, said=address.said,
        totals={each: sum(getattr(count, each) for count in counts) for each in TAB_ZH if each is not Tab.ENDED},
        by_severity={
            count.severity: 0 if tab is Tab.ENDED else getattr(count, tab) for count in counts
        },
        severities={each.value: each for each in Severity},
        more=more and write_key(AlertKey(more.severity, more.opened_at, more.id)),
    )  # fmt: skip


@router.post("/alerts/actions")
def act_on_alerts_page(request: Request, viewer: Viewing, form: Annotated[BulkAction, Form()]) -> Response:
    """Carry out one action on the chosen alerts, and say what became of it."""
    back, assignee = local_path(form.back), form.assignee.strip()
    if not form.alert:
        return redirect(request, _with(back, "请先勾选报警。"))
    if form.action == "assign" and not assignee:
        return redirect(request, _with(back, "请填写派给谁。"))
    is_shelving = form.action == SHELVE
    order = Order(
        action=form.action, comment=form.comment.strip() or ("批量搁置" if is_shelving else None),
        assignee=assignee or None, until=datetime.now(UTC) + timedelta(hours=form.hours) if is_shelving else None,
    )  # fmt: skip
    outcomes = take_actions(
        viewer.store, form.alert, order, viewer.sign(), request_key=form.key, clock=lambda: datetime.now(UTC)
    )
    return redirect(request, _with(back, _summary(outcomes)))


def _summary(outcomes: Sequence[Outcome]) -> str:
    done = sum(outcome.result is Result.DONE for outcome in outcomes)
    other = len(outcomes) - done
    if not other:
        return f"{done} 条已完成。"
    reason = next((outcome.detail for outcome in outcomes if outcome.detail), None)
    return f"{done} 条已完成，{other} 条没有改动" + (f"，例如：{reason}" if reason else "。")


def _with(back: str, sentence: str) -> str:
    return f"{back}{'&' if '?' in back else '?'}said={quote(sentence, safe='')}"
