"""Handover of a shift: what is open, what people did, who was on duty and who comes, and notes for the next shift."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from handling.signature import Signature, earlier_subject_id
from rules.model.rule import OPEN_PHASES
from store.admin.audit import Change, record_change
from store.alerts.alerts import AlertFilter, AlertOrder, AlertRow, count_open, list_alerts
from store.alerts.duty import ShiftRow, list_shifts
from store.alerts.handover import (
    HandoverNote,
    PersonStep,
    ShiftCounts,
    count_opened,
    find_note,
    insert_note,
    list_in_hand,
    list_notes,
    list_steps_of_people,
)
from store.database import Connection, StoreError
from store.registry.communities import find_community

USUAL_SHIFT = timedelta(hours=12)
LONGEST_PERIOD = timedelta(days=7)
MOST_ALERTS = 200
MOST_STEPS = 500
NOTE = "handover_note"

_COMING = timedelta(hours=24)
_OPEN = sorted(phase.value for phase in OPEN_PHASES)


class UnknownCommunityError(StoreError):
    """No community has that id, among those that the caller may see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What a shift hands over.

    Attributes:
        start: begin of the shift.
        end: its end.
        on_duty: shifts of persons within it.
        next_on_duty: shifts that begin within 24 hours of its end.
        opened: alerts that opened within it.
        open_counts: alerts that are open now, by severity.
        open: the gravest of them, at most 200.
        in_hand: alerts that have ended while somebody was assigned or at work, at most 200.
        steps: what people did within it, the latest first, at most 500.
        notes: notes of the shift, the latest first.
    """

    start: datetime
    end: datetime
    on_duty: Sequence[ShiftRow]
    next_on_duty: Sequence[ShiftRow]
    opened: ShiftCounts
    open_counts: dict[str, int]
    open: Sequence[AlertRow]
    in_hand: Sequence[AlertRow]
    steps: Sequence[PersonStep]
    notes: Sequence[HandoverNote]


def read_handover(
    connection: Connection, start: datetime, end: datetime, community: str | None, now: datetime
) -> Handover:
    """Return what the shift of a period hands over, of a community or of all."""
    shifts = list_shifts(connection, start=start, end=end + _COMING, community=community, limit=MOST_STEPS)
    conditions = AlertFilter(process=_OPEN, community=community)
    return Handover(
        start=start,
        end=end,
        on_duty=[shift for shift in shifts if shift.starts_at < end],
        next_on_duty=[shift for shift in shifts if shift.starts_at >= end],
        opened=count_opened(connection, start, end, community),
        open_counts=count_open(connection, community),
        open=list_alerts(connection, conditions, None, MOST_ALERTS, now, order=AlertOrder.SEVERITY),
        in_hand=list_in_hand(connection, now, community, MOST_ALERTS),
        steps=list_steps_of_people(connection, start, end, community, MOST_STEPS),
        notes=list_notes(connection, start, end, community, MOST_STEPS),
    )


def add_note(
    connection: Connection, community: str, text: str, signature: Signature, *, request_key: str | None, now: datetime
) -> HandoverNote:
    """Store a note for the next shift of a community, once for each request key.

    Raises:
        UnknownCommunityError: there is no such community.
        KeyReusedError: the key was used for another action.
    """
    earlier = earlier_subject_id(
        connection, signature.actor, request_key, action="create", subject=NOTE, subject_id=None
    )
    if earlier is not None and (stored := find_note(connection, UUID(earlier))):
        return stored
    if find_community(connection, community) is None:
        raise UnknownCommunityError(f"there is no community {community}")
    note = HandoverNote(id=uuid4(), community=community, at=now, actor=signature.shown, note=text)
    insert_note(connection, note)
    change = Change(
        at=now, actor=signature.actor, person=signature.person, action="create", subject=NOTE,
        subject_id=str(note.id), before={}, after={"community": community, "note": text}, request_key=request_key,
    )  # fmt: skip
    record_change(connection, change)
    return note
