"""Routes of the actions on an alert. Each is one transaction: transition, consequences and audit entry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from api import messages_zh
from api.alert_models import AlertDetail
from api.alerts import AlertId, UnknownAlertProblem, read_detail
from api.changes import Idempotent, IdempotentRequest, Signature, Signed
from api.parameters import Instant, read_clock
from api.problems import InvalidProblem, Mistake, RefusedProblem, problem_responses
from api.text import Name, Reason, Remark
from rules.model.attention import Action, Attention, AttentionError, next_attention
from store.admin.audit import Change, record_change
from store.alerts.alerts import AlertRow, claim_alert
from store.alerts.attention import AttentionChange, order_close, record_attention
from store.alerts.suppression import LONGEST_SHELVING, Cause, CauseName, causes_of, release, suppress
from store.alerts.transitions import LockedConnection, alert_lock, list_transitions

router = APIRouter(prefix="/alerts", tags=["alerts 报警"])

_ASSIGNED = {Attention.ASSIGNED, Attention.IN_PROGRESS}
_ANSWERS = problem_responses(
    UnknownAlertProblem(),
    RefusedProblem(messages_zh.REFUSED_ACTION_EXAMPLE),
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


@dataclass(frozen=True, slots=True)
class _LockedAlert:
    """Alert row locked until the transaction ends, with the author and the time of the action."""

    connection: LockedConnection
    row: AlertRow
    signature: Signature
    now: datetime


_BeforeAndAfter = tuple[Mapping[str, Any], Mapping[str, Any]]
"""Values before and after an action, for the audit log."""

_EMPTY_NOTE = Note()


@router.post("/{alert_id}/acknowledge", summary="Acknowledge an alert (确认)", responses=_ANSWERS)
def acknowledge(request: Idempotent, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """Record that a person has seen the alert."""
    return _take_action(request, alert_id, Action.ACKNOWLEDGE, note or _EMPTY_NOTE)


@router.post("/{alert_id}/assign", summary="Assign an alert to somebody (派单)", responses=_ANSWERS)
def assign(request: Idempotent, alert_id: AlertId, note: Assignment) -> AlertDetail:
    """Name the responsible person. To replace the present assignee, name that person in `instead_of`."""
    return _take_action(request, alert_id, Action.ASSIGN, note)


@router.post("/{alert_id}/start", summary="Start work on an alert (开始处理)", responses=_ANSWERS)
def start(request: Idempotent, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """Record that work on the alert has begun."""
    return _take_action(request, alert_id, Action.START, note or _EMPTY_NOTE)


@router.post("/{alert_id}/resolve", summary="Resolve an alert (解决)", responses=_ANSWERS)
def resolve(request: Idempotent, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """Record that the cause is removed.

    If the condition of the alert still holds, ingest ends the alert a moment later. The rule raises no new alert for
    that device until the condition has been false once.
    """
    return _take_action(request, alert_id, Action.RESOLVE, note or _EMPTY_NOTE)


@router.post("/{alert_id}/close", summary="Close an alert (关闭)", responses=_ANSWERS)
def close(request: Idempotent, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """Close the alert. One that has not ended is ended as by `resolve`."""
    return _take_action(request, alert_id, Action.CLOSE, note or _EMPTY_NOTE)


@router.post("/{alert_id}/comment", summary="Comment on an alert (备注)", responses=_ANSWERS)
def comment(request: Idempotent, alert_id: AlertId, note: Comment) -> AlertDetail:
    """Add a comment to the history of the alert, in any state."""

    def write(locked: _LockedAlert) -> _BeforeAndAfter:
        _record_unchanged(locked, "comment", note.comment)
        return {}, {"comment": note.comment}

    return _change_once(request, alert_id, "comment", note, write)


@router.post("/{alert_id}/shelve", summary="Shelve an alert (搁置)", responses=_ANSWERS)
def shelve(request: Idempotent, alert_id: AlertId, note: Shelving) -> AlertDetail:
    """Suppress notices of the alert for at most 24 hours. Evaluation goes on, and the alert stays listed.

    The shelving also covers a new alert of the same rule on the same device until then.
    """

    def write(locked: _LockedAlert) -> _BeforeAndAfter:
        if not locked.now < note.until <= locked.now + LONGEST_SHELVING:
            raise InvalidProblem(Mistake(["body", "until"], messages_zh.SHELVING_OUT_OF_RANGE, "shelving_too_long"))
        if locked.row.process == "ended":
            raise RefusedProblem(messages_zh.ENDED_ALERT_NOT_SHELVED)
        shelving = _active_shelving(locked)
        if shelving and shelving.until:
            raise RefusedProblem(messages_zh.already_shelved(shelving.actor, shelving.until))
        suppress(
            locked.connection, [alert_id], CauseName.SHELVED, since=locked.now, until=note.until, detail=note.reason,
            actor=locked.signature.shown,
        )  # fmt: skip
        until = {"until": note.until.isoformat()}
        _record_unchanged(locked, "shelve", note.reason, until)
        return {}, {**until, "reason": note.reason}

    return _change_once(request, alert_id, "shelve", note, write)


@router.post("/{alert_id}/unshelve", summary="Take a shelved alert up again (取消搁置)", responses=_ANSWERS)
def unshelve(request: Idempotent, alert_id: AlertId, note: Note | None = None) -> AlertDetail:
    """End a shelving early."""
    details = note or _EMPTY_NOTE

    def write(locked: _LockedAlert) -> _BeforeAndAfter:
        shelving = _active_shelving(locked)
        if shelving is None:
            raise RefusedProblem(messages_zh.NOT_SHELVED)
        release(locked.connection, [alert_id], CauseName.SHELVED, at=locked.now, actor=locked.signature.shown)
        _record_unchanged(locked, "unshelve", details.comment)
        before = {"until": shelving.until and shelving.until.isoformat(), "reason": shelving.detail}
        return before, {"comment": details.comment}

    return _change_once(request, alert_id, "unshelve", details, write)


def _take_action(request: IdempotentRequest, alert_id: UUID, action: Action, note: Note) -> AlertDetail:
    """Apply an action that moves the alert along the attention axis."""

    def write(locked: _LockedAlert) -> _BeforeAndAfter:
        row = locked.row
        try:
            attention = next_attention(Attention(row.attention), action)
        except AttentionError as error:
            raise RefusedProblem(str(error) + _last_action(locked)) from None
        assignee = _assignee(locked, note) if isinstance(note, Assignment) else row.assignee
        change = AttentionChange(
            attention=attention, assignee=assignee, reason=action, actor=locked.signature.shown, comment=note.comment,
            inputs={"assignee": assignee} if action is Action.ASSIGN else {},
        )  # fmt: skip
        record_attention(locked.connection, row, change, locked.now)
        if action in {Action.RESOLVE, Action.CLOSE} and row.process != "ended":
            order_close(locked.connection, row, actor=locked.signature.shown, now=locked.now)
        before = {"attention": row.attention, "assignee": row.assignee}
        return before, {"attention": attention, "assignee": assignee, "comment": note.comment}

    return _change_once(request, alert_id, action, note, write)


def _assignee(locked: _LockedAlert, note: Assignment) -> str:
    """Return the new assignee; a present assignee is replaced only by a request that names them."""
    current = locked.row.assignee if locked.row.attention in _ASSIGNED else None
    if current == note.assignee:
        raise RefusedProblem(messages_zh.already_assigned(note.assignee, _last_action(locked)))
    if current is not None and current != note.instead_of:
        raise RefusedProblem(messages_zh.assigned_to_another(current, note.assignee, _last_action(locked)))
    return note.assignee


def _last_action(locked: _LockedAlert) -> str:
    """Return a sentence about the last action by a person, or an empty text without one."""
    steps = reversed(list_transitions(locked.connection, locked.row.id))
    last = next((step for step in steps if step.axis == "attention" and step.actor), None)
    return messages_zh.last_action(last.actor, last.reason, last.at) if last else ""


def _record_unchanged(
    locked: _LockedAlert, reason: str, text: str | None, inputs: Mapping[str, Any] | None = None
) -> None:
    """Record a transition that keeps the state and the assignee."""
    row = locked.row
    change = AttentionChange(
        attention=row.attention, assignee=row.assignee, reason=reason, actor=locked.signature.shown, comment=text,
        inputs=inputs or {},
    )  # fmt: skip
    record_attention(locked.connection, row, change, locked.now)


def _active_shelving(locked: _LockedAlert) -> Cause | None:
    causes = causes_of(locked.connection, [locked.row.id], locked.now).get(locked.row.id, ())
    return next((cause for cause in causes if cause.name is CauseName.SHELVED), None)


def _change_once(
    request: IdempotentRequest,
    alert_id: UUID,
    action: str,
    note: Signed,
    write: Callable[[_LockedAlert], _BeforeAndAfter],
) -> AlertDetail:
    """Apply `write` once for each idempotency key, and return the alert as it then stands.

    The clock is read after the row is locked, so that the times of transitions follow their order.
    """
    signature = request.sign(note)
    with request.store.connection() as connection:
        if request.earlier_subject_id(connection, action, "alert", str(alert_id)) is None:
            with alert_lock(connection) as locked:
                row = claim_alert(locked, alert_id)
                if row is None:
                    raise UnknownAlertProblem
                now = read_clock()
                before, after = write(_LockedAlert(locked, row, signature, now))
            change = Change(
                at=now, actor=signature.actor, person=signature.person, action=action, subject="alert",
                subject_id=str(alert_id), before=before, after=after, request_key=request.key,
            )  # fmt: skip
            record_change(connection, change)
        return read_detail(connection, alert_id, read_clock())
