"""Routes of what people do about an alert. Each is one transaction: the step, what follows from it, and who did it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from api.access import ACTOR
from api.alert_models import AlertDetail
from api.alerts import NO_ALERT, AlertId, detail_of
from api.changes import Changer, Changing, Name, Signed, Why
from api.parameters import Instant, read_clock
from api.problems import InvalidProblem, RefusedProblem, UnknownProblem, answers
from rules.analysis.explain import clock
from rules.model.attention import Action, Attention, AttentionError, attend
from rules.model.labels_zh import ACT
from store.admin.audit import Change, record_change
from store.alerts import alerts
from store.alerts.alerts import AlertRow, AttentionChange
from store.alerts.suppression import LONGEST_SHELVING, Cause, CauseName, causes_of, release, suppress
from store.database import Connection

router = APIRouter(prefix="/alerts", tags=["alerts 报警"])

_ASSIGNED = {Attention.ASSIGNED, Attention.IN_PROGRESS}
_ANSWERS = answers(
    UnknownProblem(NO_ALERT),
    RefusedProblem("报警已解决，不能再“确认”；可以“关闭”。最近一次操作：王师傅 于7月1日 12:05:03“解决”。"),
)


class Note(Signed):
    """What a person adds to an action."""

    comment: str | None = Field(None, max_length=2000, description="Why, or what was done.", examples=["已更换水表"])


class Assignment(Note):
    """Whom an alert is given to."""

    assignee: Name = Field(description="The person who shall see to it.", examples=["李师傅"])
    instead_of: Name | None = Field(
        None, description="The present assignee, where there is one: so that two people do not overrule each other."
    )


class Comment(Signed):
    """What a person has to say about an alert."""

    comment: Why = Field(examples=["水表井积水，先抽水"])


class Shelving(Signed):
    """For how long an alert is not to be notified, and why."""

    until: Instant = Field(description="At most 24 hours from now.")
    reason: Why = Field(examples=["等备件，明早到货"])


@dataclass(frozen=True, slots=True)
class _Claim:
    """An alert that nobody else changes until this transaction ends, and the time that the step is taken."""

    connection: Connection
    row: AlertRow
    now: datetime


_BeforeAndAfter = tuple[Mapping[str, Any], Mapping[str, Any]]
"""What a step changed, for the audit log."""

_NOTHING = Note()


@router.post("/{alert_id}/acknowledge", summary="Acknowledge an alert (确认)", responses=_ANSWERS)
def acknowledge(changer: Changing, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """Say that somebody has seen the alert."""
    return _attend(changer, alert_id, Action.ACKNOWLEDGE, note or _NOTHING)


@router.post("/{alert_id}/assign", summary="Assign an alert to somebody (派单)", responses=_ANSWERS)
def assign(changer: Changing, alert_id: AlertId, note: Assignment) -> AlertDetail:
    """Name the person who shall see to it. To take it from somebody else, say from whom, in `instead_of`."""
    return _attend(changer, alert_id, Action.ASSIGN, note)


@router.post("/{alert_id}/start", summary="Start work on an alert (开始处理)", responses=_ANSWERS)
def start(changer: Changing, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """Say that somebody is at work on it."""
    return _attend(changer, alert_id, Action.START, note or _NOTHING)


@router.post("/{alert_id}/resolve", summary="Resolve an alert (解决)", responses=_ANSWERS)
def resolve(changer: Changing, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """Say that the cause is gone.

    An alert whose condition still holds is ended a moment later by the owner of its rule, and the rule stays mute
    for that device until it has seen the condition gone.
    """
    return _attend(changer, alert_id, Action.RESOLVE, note or _NOTHING)


@router.post("/{alert_id}/close", summary="Close an alert (关闭)", responses=_ANSWERS)
def close(changer: Changing, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """File the alert away. One that has not ended is ended as by `resolve`."""
    return _attend(changer, alert_id, Action.CLOSE, note or _NOTHING)


@router.post("/{alert_id}/comment", summary="Comment on an alert (备注)", responses=_ANSWERS)
def comment(changer: Changing, alert_id: AlertId, note: Comment) -> AlertDetail:
    """Add a sentence to the alert's history, whatever state it is in."""

    def write(claim: _Claim) -> _BeforeAndAfter:
        _stay(claim, "comment", note.actor, note.comment)
        return {}, {"comment": note.comment}

    return _change(changer, alert_id, "comment", note.by, write)


@router.post("/{alert_id}/shelve", summary="Shelve an alert (搁置)", responses=_ANSWERS)
def shelve(changer: Changing, alert_id: AlertId, note: Shelving) -> AlertDetail:
    """Keep the alert from being notified for at most 24 hours; it goes on being judged, and stays listed.

    That also holds if it ends meanwhile and the same rule raises it again on the same device.
    """

    def write(claim: _Claim) -> _BeforeAndAfter:
        if not claim.now < note.until <= claim.now + LONGEST_SHELVING:
            raise InvalidProblem((["body", "until"], "搁置的截止时间须在现在之后、24 小时之内", "shelving_too_long"))
        if claim.row.process == "ended":
            raise RefusedProblem("报警已结束，无需搁置。")
        shelf = _shelf(claim)
        if shelf and shelf.until:
            raise RefusedProblem(f"报警已由 {shelf.actor} 搁置到{clock(shelf.until)}；要改时间，请先取消搁置。")
        suppress(
            claim.connection, [alert_id], CauseName.SHELVED, since=claim.now, until=note.until, detail=note.reason,
            actor=note.actor,
        )  # fmt: skip
        until = {"until": note.until.isoformat()}
        _stay(claim, "shelve", note.actor, note.reason, until)
        return {}, {**until, "reason": note.reason}

    return _change(changer, alert_id, "shelve", note.by, write)


@router.post("/{alert_id}/unshelve", summary="Take a shelved alert up again (取消搁置)", responses=_ANSWERS)
def unshelve(changer: Changing, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """End a shelving before its time."""
    given = note or _NOTHING

    def write(claim: _Claim) -> _BeforeAndAfter:
        shelf = _shelf(claim)
        if shelf is None:
            raise RefusedProblem("报警没有被搁置，或者搁置已经到期。")
        release(claim.connection, [alert_id], CauseName.SHELVED, at=claim.now, actor=given.actor)
        _stay(claim, "unshelve", given.actor, given.comment)
        return {"until": shelf.until and shelf.until.isoformat(), "reason": shelf.detail}, {"comment": given.comment}

    return _change(changer, alert_id, "unshelve", given.by, write)


def _attend(changer: Changer, alert_id: UUID, action: Action, note: Note) -> AlertDetail:
    """Take one step of the attention axis."""

    def write(claim: _Claim) -> _BeforeAndAfter:
        row = claim.row
        try:
            attention = attend(Attention(row.attention), action)
        except AttentionError as error:
            raise RefusedProblem(str(error) + _lately(claim)) from None
        assignee = _assignee(claim, note) if isinstance(note, Assignment) else row.assignee
        change = AttentionChange(
            attention=attention, assignee=assignee, reason=action, actor=note.actor, comment=note.comment,
            inputs={"assignee": assignee} if action is Action.ASSIGN else {},
        )  # fmt: skip
        alerts.record_attention(claim.connection, row, change, claim.now)
        if action in {Action.RESOLVE, Action.CLOSE} and row.process != "ended":
            alerts.order_close(claim.connection, row, actor=note.actor, now=claim.now)
        before = {"attention": row.attention, "assignee": row.assignee}
        return before, {"attention": attention, "assignee": assignee, "comment": note.comment}

    return _change(changer, alert_id, action, note.by, write)


def _assignee(claim: _Claim, note: Assignment) -> str:
    """The new assignee; whoever has the alert already loses it only to somebody who knows of them."""
    given_to = claim.row.assignee if claim.row.attention in _ASSIGNED else None
    if given_to == note.assignee:
        raise RefusedProblem(f"报警已经派给{given_to}。{_lately(claim)}")
    if given_to not in {None, note.instead_of}:
        raise RefusedProblem(
            f"报警已派给{given_to}，没有改派给{note.assignee}；如确要改派，请刷新后再操作。{_lately(claim)}"
        )
    return note.assignee


def _lately(claim: _Claim) -> str:
    """Who did what last, for somebody who comes too late; empty where nobody did anything."""
    steps = reversed(alerts.list_transitions(claim.connection, claim.row.id))
    last = next((step for step in steps if step.axis == "attention"), None)
    return f"最近一次操作：{last.actor} 于{clock(last.at)}“{ACT.get(last.reason, last.reason)}”。" if last else ""


def _stay(claim: _Claim, reason: str, actor: str, words: str | None, inputs: Mapping[str, Any] | None = None) -> None:
    """Take a step that leaves the alert in the state it is in."""
    row = claim.row
    change = AttentionChange(
        attention=row.attention, assignee=row.assignee, reason=reason, actor=actor, comment=words, inputs=inputs or {}
    )
    alerts.record_attention(claim.connection, row, change, claim.now)


def _shelf(claim: _Claim) -> Cause | None:
    causes = causes_of(claim.connection, [claim.row.id], claim.now).get(claim.row.id, ())
    return next((cause for cause in causes if cause.name is CauseName.SHELVED), None)


def _change(
    changer: Changer, alert_id: UUID, action: str, by: str | None, write: Callable[[_Claim], _BeforeAndAfter]
) -> AlertDetail:
    """Do it once, however often the request comes, and answer with the alert as it then stands.

    The clock is read once the alert is claimed, so that the times of its steps follow their order.
    """
    with changer.store.connection() as connection:
        if changer.done_before(connection, action, "alert", str(alert_id)) is None:
            row = alerts.claim_alert(connection, alert_id)
            if row is None:
                raise UnknownProblem(NO_ALERT)
            now = read_clock()
            before, after = write(_Claim(connection, row, now))
            change = Change(
                at=now, actor=ACTOR, person=by, action=action, subject="alert", subject_id=str(alert_id),
                before=before, after=after, request_key=changer.key,
            )  # fmt: skip
            record_change(connection, change)
        return detail_of(connection, alert_id, read_clock())
