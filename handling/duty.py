"""Duty: who is on duty for a community, from when to when."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from devices.local_time import local_time_zh
from handling.signature import Signature, earlier_subject_id
from store.admin.audit import Change, record_change
from store.alerts.duty import (
    LONGEST_SHIFT,
    NewShift,
    ShiftRow,
    claim_shift,
    end_shift,
    find_shift,
    insert_shift,
    list_shifts,
    lock_roster,
)
from store.database import Connection, StoreError
from store.registry.communities import find_community

SUBJECT = "duty_shift"
MOST_COMMUNITIES = 100
"""Communities of one request."""

_MANY = 1000


class DutyError(StoreError):
    """A shift can't be like this; the message is for the person, `part` the part of the request at fault."""

    def __init__(self, message: str, part: str) -> None:
        """Take the sentence and the part."""
        super().__init__(message)
        self.part = part


class DutyRefusedError(StoreError):
    """The roster does not allow the change; the message is for the person."""


class UnknownShiftError(StoreError):
    """No shift has that id, among those that the caller may see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyPlan:
    """A person on duty for communities over a period."""

    communities: tuple[str, ...]
    person: str
    starts_at: datetime
    ends_at: datetime
    note: str = ""


def add_shifts(
    connection: Connection, plan: DutyPlan, signature: Signature, *, request_key: str | None, now: datetime
) -> list[ShiftRow]:
    """Store a shift for each community of a plan, once for each request key, inside the caller's transaction.

    Raises:
        DutyError: the period is over, empty or longer than 31 days, or a community does not exist.
        DutyRefusedError: the person is on duty there at that time already.
        KeyReusedError: the key was used for another action.
    """
    shifts, changes = [], []
    for community in sorted(set(plan.communities)):
        key = request_key and f"{request_key} {community}"
        earlier = earlier_subject_id(
            connection, signature.actor, key, action="create", subject=SUBJECT, subject_id=None
        )
        shift_id = UUID(earlier) if earlier else uuid4()
        if earlier is None:
            _insert(connection, shift_id, community, plan, signature.shown, now=now)
            changes.append(
                Change(
                    at=now, actor=signature.actor, person=signature.person, action="create", subject=SUBJECT,
                    subject_id=str(shift_id), before={}, after=_facts(community, plan), request_key=key,
                )
            )  # fmt: skip
        shifts.append(_find(connection, shift_id))
    # Last: writers of the audit log wait for each other, and one that waits for a roster meanwhile would never end.
    for change in changes:
        record_change(connection, change)
    return shifts


def _insert(
    connection: Connection, shift_id: UUID, community: str, plan: DutyPlan, actor: str, *, now: datetime
) -> None:
    if plan.ends_at <= max(plan.starts_at, now):
        raise DutyError("值班的结束时间须在开始时间之后，且尚未过去", "ends_at")
    if plan.ends_at - plan.starts_at > LONGEST_SHIFT:
        raise DutyError(f"一个班次最长 {LONGEST_SHIFT.days} 天", "ends_at")
    if find_community(connection, community) is None:
        raise DutyError(f"没有小区“{community}”", "communities")
    lock_roster(connection, community)
    shifts = list_shifts(connection, start=plan.starts_at, end=plan.ends_at, community=community, limit=_MANY)
    for other in shifts:
        if other.person == plan.person:
            raise DutyRefusedError(
                f"{other.person}在{other.community_name}已经排了班：{local_time_zh(other.starts_at)}到"
                f"{local_time_zh(other.over_at)}。"
            )
    shift = NewShift(
        id=shift_id, community=community, person=plan.person, starts_at=plan.starts_at, ends_at=plan.ends_at,
        note=plan.note, actor=actor, created_at=now,
    )  # fmt: skip
    insert_shift(connection, shift)


def _facts(community: str, plan: DutyPlan) -> dict[str, str]:
    return {
        "community": community, "person": plan.person, "starts_at": plan.starts_at.isoformat(),
        "ends_at": plan.ends_at.isoformat(), "note": plan.note,
    }  # fmt: skip


def end_duty(
    connection: Connection, shift_id: UUID, signature: Signature, *, request_key: str | None, now: datetime
) -> ShiftRow:
    """End a shift early, or cancel one that has not begun, once for each request key.

    Raises:
        UnknownShiftError: there is no such shift.
        DutyRefusedError: it is over.
        KeyReusedError: the key was used for another action.
    """
    earlier = earlier_subject_id(
        connection, signature.actor, request_key, action="end", subject=SUBJECT, subject_id=str(shift_id)
    )
    if earlier is None:
        shift = claim_shift(connection, shift_id)
        if shift is None:
            raise UnknownShiftError(f"there is no shift {shift_id}")
        if shift.over_at <= now or shift.ended_at:
            by = f"，由 {shift.ended_by} 提前结束" if shift.ended_by else ""
            raise DutyRefusedError(f"这个班次已于{local_time_zh(shift.over_at)}结束{by}。")
        end_shift(connection, shift_id, at=now, actor=signature.shown)
        change = Change(
            at=now, actor=signature.actor, person=signature.person, action="end", subject=SUBJECT,
            subject_id=str(shift_id), before={"ended_at": None}, after={"ended_at": now.isoformat()},
            request_key=request_key,
        )  # fmt: skip
        record_change(connection, change)
    return _find(connection, shift_id)


def names_on_duty(connection: Connection, community: str, at: datetime) -> list[str]:
    """Return the persons on duty for a community at an instant, by name."""
    shifts = list_shifts(connection, start=at, end=at, community=community, limit=_MANY)
    return sorted({shift.person for shift in shifts})


def _find(connection: Connection, shift_id: UUID) -> ShiftRow:
    shift = find_shift(connection, shift_id)
    if shift is None:
        raise UnknownShiftError(f"there is no shift {shift_id}")
    return shift
