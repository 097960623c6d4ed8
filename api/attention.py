"""Routes of the actions on alerts: on one, and on many at once."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from api.alert_models import Alert, AlertDetail
from api.alerts import AlertId, UnknownAlertProblem, read_detail
from api.changes import Idempotent, IdempotentRequest, Signed, key_reused
from api.parameters import Instant, Now, read_clock
from api.problems import InvalidProblem, Mistake, RefusedProblem, problem_responses
from handling import actions, words_zh
from handling.actions import ActionRefusedError, Order, ShelvingRangeError, UnknownAlertError, take_action
from handling.bulk import MOST_ALERTS, RESULT_ZH, Result, take_actions
from handling.signature import KeyReusedError
from handling.text import Name, Reason, Remark
from rules.model.attention import Action
from store.alerts.alerts import find_alerts
from store.alerts.suppression import causes_of

router = APIRouter(prefix="/alerts", tags=["alerts 报警"])

_ANSWERS = problem_responses(
    UnknownAlertProblem(),
    RefusedProblem(words_zh.REFUSED_ACTION_EXAMPLE),
)


class Note(Signed):
    """Optional remark of a person about an action."""

    comment: Remark | None = Field(None, description="Reason, or work done.", examples=["已更换水表"])


class Assignment(Note):
    """Assignment of an alert to a person."""

    assignee: Name = Field(description="The person responsible from now on.", examples=["李师傅"])
    instead_of: Name | None = Field(
        None, description="The present assignee, if there is one. It prevents two people from overruling each other."
    )


class Comment(Signed):
    """Comment of a person on an alert."""

    comment: Reason = Field(examples=["水表井积水，先抽水"])


class Shelving(Signed):
    """Period without notices of an alert, and its reason."""

    until: Instant = Field(description="At most 24 hours from now.")
    reason: Reason = Field(examples=["等备件，明早到货"])


class _OnMany(BaseModel):
    """The alerts of a request for many."""

    alerts: list[UUID] = Field(
        min_length=1,
        max_length=MOST_ALERTS,
        description="Ids of alerts.",
        examples=[["0b1e5d5e-6f0c-4c6b-9a53-1d2f3c4b5a69"]],
    )


class BulkNote(Note, _OnMany):
    """Action on many alerts that needs no details."""

    action: Literal["acknowledge", "start", "resolve", "close", "unshelve"]


class BulkAssignment(Assignment, _OnMany):
    """Assignment of many alerts to a person. Those of others than `instead_of` are refused."""

    action: Literal["assign"]


class BulkComment(Comment, _OnMany):
    """The same comment on many alerts."""

    action: Literal["comment"]


class BulkShelving(Shelving, _OnMany):
    """Shelving of many alerts."""

    action: Literal["shelve"]


BulkAction = BulkNote | BulkAssignment | BulkComment | BulkShelving


class Outcome(BaseModel):
    """Result of an action on one alert of many."""

    id: UUID
    result: Result
    result_zh: str = Field(examples=["无需操作"])
    detail_zh: str | None = Field(
        description="Why it was not done, for the person; null if it was done or the alert is unknown.",
        examples=[words_zh.REFUSED_ACTION_EXAMPLE],
    )
    alert: Alert | None = Field(description="The alert after the request; null if it is unknown.")


class Outcomes(BaseModel):
    """Results of an action on many alerts, in the order of the request."""

    items: list[Outcome]


@router.post("/{alert_id}/acknowledge", summary="Acknowledge an alert (确认)", responses=_ANSWERS)
def acknowledge(request: Idempotent, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """Record that a person has seen the alert."""
    return _act(request, alert_id, _order(Action.ACKNOWLEDGE, note), note)


@router.post("/{alert_id}/assign", summary="Assign an alert to somebody (派单)", responses=_ANSWERS)
def assign(request: Idempotent, alert_id: AlertId, note: Assignment) -> AlertDetail:
    """Name the responsible person. To replace the present assignee, name that person in `instead_of`."""
    return _act(
        request,
        alert_id,
        Order(action=Action.ASSIGN, comment=note.comment, assignee=note.assignee, instead_of=note.instead_of),
        note,
    )


@router.post("/{alert_id}/start", summary="Start work on an alert (开始处理)", responses=_ANSWERS)
def start(request: Idempotent, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """Record that work on the alert has begun."""
    return _act(request, alert_id, _order(Action.START, note), note)


@router.post("/{alert_id}/resolve", summary="Resolve an alert (解决)", responses=_ANSWERS)
def resolve(request: Idempotent, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """Record that the cause is removed.

    If the condition of the alert still holds, ingest ends the alert a moment later. The rule raises no new alert for
    that device until the condition has been false once.
    """
    return _act(request, alert_id, _order(Action.RESOLVE, note), note)


@router.post("/{alert_id}/close", summary="Close an alert (关闭)", responses=_ANSWERS)
def close(request: Idempotent, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """Close the alert. One that has not ended is ended as by `resolve`."""
    return _act(request, alert_id, _order(Action.CLOSE, note), note)


@router.post("/{alert_id}/comment", summary="Comment on an alert (备注)", responses=_ANSWERS)
def comment(request: Idempotent, alert_id: AlertId, note: Comment) -> AlertDetail:
    """Add a comment to the history of the alert, in any state."""
    return _act(request, alert_id, Order(action=actions.COMMENT, comment=note.comment), note)


@router.post("/{alert_id}/shelve", summary="Shelve an alert (搁置)", responses=_ANSWERS)
def shelve(request: Idempotent, alert_id: AlertId, note: Shelving) -> AlertDetail:
    """Suppress notices of the alert for at most 24 hours. Evaluation goes on, and the alert stays listed.

    The shelving also covers a new alert of the same rule on the same device until then.
    """
    return _act(request, alert_id, Order(action=actions.SHELVE, comment=note.reason, until=note.until), note)


@router.post("/{alert_id}/unshelve", summary="Take a shelved alert up again (取消搁置)", responses=_ANSWERS)
def unshelve(request: Idempotent, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """End a shelving early."""
    return _act(request, alert_id, _order(actions.UNSHELVE, note), note)


@router.post("/actions", summary="Act on many alerts (批量操作)")
def act_on_many(request: Idempotent, now: Now, body: Annotated[BulkAction, Body(discriminator="action")]) -> Outcomes:
    """Carry out one action on up to 500 alerts, with an answer for each, in the order given.

    Alerts in different states are no error: `result` says what became of each. `unchanged` stands already as asked, so
    that a repetition changes nothing. An alert that does not exist, or is not the caller's, is `unknown`.
    """
    order = Order(
        action=body.action,
        comment=body.reason if isinstance(body, BulkShelving) else body.comment,
        assignee=getattr(body, "assignee", None),
        instead_of=getattr(body, "instead_of", None),
        until=getattr(body, "until", None),
    )
    try:
        outcomes = take_actions(
            request.store, body.alerts, order, request.sign(body), request_key=request.key, clock=read_clock
        )
    except KeyReusedError:
        raise key_reused() from None
    with request.store.connection() as connection:
        rows = {row.id: row for row in find_alerts(connection, [each.alert_id for each in outcomes])}
        causes = causes_of(connection, rows, now)
    return Outcomes(
        items=[
            Outcome(
                id=each.alert_id, result=each.result, result_zh=RESULT_ZH[each.result], detail_zh=each.detail,
                alert=Alert.of(rows[each.alert_id], causes) if each.alert_id in rows else None,
            )
            for each in outcomes
        ]
    )  # fmt: skip


def _order(action: str, note: Note | None) -> Order:
    return Order(action=action, comment=note.comment if note else None)


def _act(request: IdempotentRequest, alert_id: UUID, order: Order, note: Signed | None) -> AlertDetail:
    """Carry out an action once for each idempotency key, and return the alert as it then stands."""
    signature = request.sign(note)
    with request.store.connection() as connection:
        try:
            take_action(connection, alert_id, order, signature, request_key=request.key, clock=read_clock)
        except UnknownAlertError:
            raise UnknownAlertProblem from None
        except KeyReusedError:
            raise key_reused() from None
        except ShelvingRangeError as error:
            raise InvalidProblem(Mistake(["body", "until"], str(error), "shelving_too_long")) from None
        except ActionRefusedError as error:
            raise RefusedProblem(str(error)) from None
        return read_detail(connection, alert_id, read_clock())
