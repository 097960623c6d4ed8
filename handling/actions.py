"""Actions of people on alerts. Each is one transaction: transition, consequences and audit entry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from handling import words_zh
from handling.signature import Signature, earlier_subject_id
from rules.model.attention import LEADS_TO, Action, Attention, AttentionError, next_attention
from store.admin.audit import Change, record_change
from store.alerts.alerts import AlertRow, claim_alert
from store.alerts.attention import AttentionChange, order_close, record_attention
from store.alerts.suppression import LONGEST_SHELVING, Cause, CauseName, causes_of, release, suppress
from store.alerts.transitions import LockedConnection, alert_lock, list_transitions
from store.database import Connection, StoreError

COMMENT, SHELVE, UNSHELVE = "comment", "shelve", "unshelve"
"""Actions that leave the state of attention as it is."""

_ASSIGNED = {Attention.ASSIGNED, Attention.IN_PROGRESS}
_ORDER = tuple(Attention)


class UnknownAlertError(StoreError):
    """No alert has that id, among those that the caller may see."""


class ShelvingRangeError(StoreError):
    """A shelving ends in the past, or more than 24 hours from now; the message is for the person."""


class ActionRefusedError(StoreError):
    """The alert is in a state that does not allow the action; the message is for the person."""


class AlreadyDoneError(ActionRefusedError):
    """The alert stands as the action would leave it, or further on; the message is for the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Action on an alert with its details.

    Attributes:
        action: one of `Action`, or `comment`, `shelve`, `unshelve`.
        comment: remark, or the reason of a shelving.
        assignee: the person who takes it on, of `assign`.
        instead_of: the present assignee, whom `assign` replaces.
        until: end of a shelving.
    """

    action: str
    comment: str | None = None
    assignee: str | None = None
    instead_of: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _LockedAlert:
    """Alert row locked until the transaction ends, with the author and the time of the action."""

    connection: LockedConnection
    row: AlertRow
    signature: Signature
    now: datetime


_BeforeAndAfter = tuple[Mapping[str, Any], Mapping[str, Any]]
"""Values before and after an action, for the audit log."""


def take_action(
    connection: Connection,
    alert_id: UUID,
    order: Order,
    signature: Signature,
    *,
    request_key: str | None,
    clock: Callable[[], datetime],
) -> None:
    """Carry out an action on an alert, once for each request key, inside the caller's transaction.

    The clock is read after the row is locked, so that the times of transitions follow their order.

    Raises:
        UnknownAlertError: There is no such alert.
        ActionRefusedError: Its state does not allow the action.
        AlreadyDoneError: It stands as the action would leave it.
        ShelvingRangeError: A shelving has no possible end.
        KeyReusedError: The key was used for another action.
    """
    earlier = earlier_subject_id(
        connection, signature.actor, request_key, action=order.action, subject="alert", subject_id=str(alert_id)
    )
    if earlier is not None:
        return
    with alert_lock(connection) as locked:
        row = claim_alert(locked, alert_id)
        if row is None:
            raise UnknownAlertError(f"there is no alert {alert_id}")
        now = clock()
        before, after = _WRITERS.get(order.action, _move)(_LockedAlert(locked, row, signature, now), order)
    change = Change(
        at=now, actor=signature.actor, person=signature.person, action=order.action, subject="alert",
        subject_id=str(alert_id), before=before, after=after, request_key=request_key,
    )  # fmt: skip
    record_change(connection, change)


def _move(locked: _LockedAlert, order: Order) -> _BeforeAndAfter:
    """Move the alert along the attention axis."""
    row, action = locked.row, Action(order.action)
    try:
        attention = next_attention(Attention(row.attention), action)
    except AttentionError as error:
        raise _refusal(Attention(row.attention), action)(str(error) + _last_action(locked)) from None
    assignee = _assignee(locked, order) if action is Action.ASSIGN else row.assignee
    change = AttentionChange(
        attention=attention, assignee=assignee, reason=action, actor=locked.signature.shown, comment=order.comment,
        inputs={"assignee": assignee} if action is Action.ASSIGN else {},
    )  # fmt: skip
    record_attention(locked.connection, row, change, locked.now)
    if action in {Action.RESOLVE, Action.CLOSE} and row.process != "ended":
        order_close(locked.connection, row, actor=locked.signature.shown, now=locked.now)
    before = {"attention": row.attention, "assignee": row.assignee}
    return before, {"attention": attention, "assignee": assignee, "comment": order.comment}


def _refusal(state: Attention, action: Action) -> type[ActionRefusedError]:
    """Return the error of an action that the state does not allow: done before, or not possible."""
    is_done = action is not Action.ASSIGN and _ORDER.index(state) >= _ORDER.index(LEADS_TO[action])
    return AlreadyDoneError if is_done else ActionRefusedError


def _assignee(locked: _LockedAlert, order: Order) -> str:
    """Return the new assignee; a present assignee is replaced only by a request that names them."""
    current = locked.row.assignee if locked.row.attention in _ASSIGNED else None
    assignee = order.assignee or ""
    if current == assignee:
        raise AlreadyDoneError(words_zh.already_assigned(assignee, _last_action(locked)))
    if current is not None and current != order.instead_of:
        raise ActionRefusedError(words_zh.assigned_to_another(current, assignee, _last_action(locked)))
    return assignee


def _comment(locked: _LockedAlert, order: Order) -> _BeforeAndAfter:
    _record_unchanged(locked, order)
    return {}, {"comment": order.comment}


def _shelve(locked: _LockedAlert, order: Order) -> _BeforeAndAfter:
    if order.until is None or not locked.now < order.until <= locked.now + LONGEST_SHELVING:
        raise ShelvingRangeError(words_zh.SHELVING_OUT_OF_RANGE)
    if locked.row.process == "ended":
        raise ActionRefusedError(words_zh.ENDED_ALERT_NOT_SHELVED)
    shelving = _active_shelving(locked)
    if shelving and shelving.until:
        refusal = AlreadyDoneError if shelving.until == order.until else ActionRefusedError
        raise refusal(words_zh.already_shelved(shelving.actor, shelving.until))
    suppress(
        locked.connection, [locked.row.id], CauseName.SHELVED, since=locked.now, until=order.until,
        detail=order.comment or "", actor=locked.signature.shown,
    )  # fmt: skip
    until = {"until": order.until.isoformat()}
    _record_unchanged(locked, order, until)
    return {}, {**until, "reason": order.comment}


def _unshelve(locked: _LockedAlert, order: Order) -> _BeforeAndAfter:
    shelving = _active_shelving(locked)
    if shelving is None:
        raise AlreadyDoneError(words_zh.NOT_SHELVED)
    release(locked.connection, [locked.row.id], CauseName.SHELVED, at=locked.now, actor=locked.signature.shown)
    _record_unchanged(locked, order)
    before = {"until": shelving.until and shelving.until.isoformat(), "reason": shelving.detail}
    return before, {"comment": order.comment}


_WRITERS: Mapping[str, Callable[[_LockedAlert, Order], _BeforeAndAfter]] = {
    COMMENT: _comment,
    SHELVE: _shelve,
    UNSHELVE: _unshelve,
}


def _last_action(locked: _LockedAlert) -> str:
    """Return a sentence about the last action by a person, or an empty text without one."""
    steps = reversed(list_transitions(locked.connection, locked.row.id))
    last = next((step for step in steps if step.axis == "attention" and step.actor), None)
    return words_zh.last_action(last.actor, last.reason, last.at) if last else ""


def _record_unchanged(locked: _LockedAlert, order: Order, inputs: Mapping[str, Any] | None = None) -> None:
    """Record a transition that keeps the state and the assignee."""
    row = locked.row
    change = AttentionChange(
        attention=row.attention, assignee=row.assignee, reason=order.action, actor=locked.signature.shown,
        comment=order.comment, inputs=inputs or {},
    )  # fmt: skip
    record_attention(locked.connection, row, change, locked.now)


def _active_shelving(locked: _LockedAlert) -> Cause | None:
    causes = causes_of(locked.connection, [locked.row.id], locked.now).get(locked.row.id, ())
    return next((cause for cause in causes if cause.name is CauseName.SHELVED), None)
