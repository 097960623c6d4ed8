"""Routes of the handover of a shift (交接班): what is open, what was done, and notes for the next shift."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api import messages_zh
from api.alert_models import Alert
from api.changes import Idempotent, Signed, key_reused
from api.duty import Shift
from api.models import ResponseModel
from api.parameters import Instant, Now, Store, read_clock
from api.problems import InvalidProblem, Mistake
from handling import maintenance_zh
from handling.handover import LONGEST_PERIOD, USUAL_SHIFT, UnknownCommunityError, add_note, read_handover
from handling.signature import KeyReusedError
from handling.text import Reason, Word
from rules.model.labels_zh import ACT, SEVERITY
from rules.model.rule import Severity
from store.alerts.handover import PersonStep
from store.alerts.suppression import causes_of

router = APIRouter(prefix="/handover", tags=["duty 值班"])


class Opened(ResponseModel):
    """Alerts that opened within the shift, by severity; `ended` is the part that has ended."""

    critical: int
    major: int
    warning: int
    info: int
    ended: int


class Step(ResponseModel):
    """Step of a person on an alert."""

    alert_id: UUID
    community: str | None
    community_name: str | None
    place: str = Field(examples=["3号楼2单元501室"])
    title: str = Field(examples=["电压过高"])
    severity: Severity
    severity_zh: str
    at: datetime
    actor: str = Field(examples=["李师傅"])
    reason: str = Field(examples=["resolve"])
    act_zh: str = Field(examples=["解决"])
    assignee: str | None = Field(description="Of an assignment.")
    comment: str | None

    @classmethod
    def of(cls, row: PersonStep) -> "Step":
        """Translate a row."""
        labels = {"severity_zh": SEVERITY[row.severity], "act_zh": ACT.get(row.reason, row.reason)}
        return cls.model_validate({**asdict(row), **labels})


class HandoverNote(ResponseModel):
    """Note of a shift for the next one."""

    id: UUID
    community: str
    at: datetime
    actor: str
    note: str = Field(examples=["3号楼水泵在修，明早厂家来人，钥匙在门卫室"])


class Handover(ResponseModel):
    """What a shift hands over. Lists are cut off: alerts at 200, steps and notes at 500."""

    start: datetime
    end: datetime
    on_duty: list[Shift] = Field(description="Shifts within the period.")
    next_on_duty: list[Shift] = Field(description="Shifts that begin within 24 hours of its end.")
    opened: Opened
    open_counts: dict[Severity, int] = Field(description="Alerts that are open now.")
    open: list[Alert] = Field(description="The gravest open alerts first, the newest of each severity.")
    in_hand: list[Alert] = Field(description="Have ended while somebody was assigned or at work.")
    done: list[Step] = Field(description="What people did in the period, the latest first.")
    notes: list[HandoverNote]


class HandoverQuery(BaseModel):
    """Period and community of a handover."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    community: Word | None = Field(None, description="The id of a community; all of the account's, unless given.")
    start: Instant | None = Field(None, description="Begin of the shift; twelve hours before `end`, unless given.")
    end: Instant | None = Field(None, description="Its end, at most 7 days later; now, unless given.")


class NoteEntry(Signed):
    """Note for the next shift of a community."""

    community: Word = Field(examples=["jinhe-yuan"])
    note: Reason = Field(examples=["3号楼水泵在修，明早厂家来人，钥匙在门卫室"])


@router.get("", summary="Handover of a shift (交接班)")
def read_shift_handover(store: Store, now: Now, query: Annotated[HandoverQuery, Query()]) -> Handover:
    """What a shift hands over to the next one. `open` and `in_hand` are those of now, whatever the period."""
    end = query.end or now
    start = query.start or end - USUAL_SHIFT
    if not start < end <= start + LONGEST_PERIOD:
        message = "`end` is after `start`, at most 7 days"
        raise InvalidProblem(Mistake(["query", "end"], message, "period_out_of_range", messages_zh.HANDOVER_PERIOD))
    with store.connection() as connection:
        found = read_handover(connection, start, end, query.community, now)
        causes = causes_of(connection, [row.id for row in (*found.open, *found.in_hand)], now)
    return Handover(
        start=start,
        end=end,
        on_duty=[Shift.of(row) for row in found.on_duty],
        next_on_duty=[Shift.of(row) for row in found.next_on_duty],
        opened=Opened.model_validate(found.opened),
        open_counts={Severity(severity): number for severity, number in found.open_counts.items()},
        open=[Alert.of(row, causes) for row in found.open],
        in_hand=[Alert.of(row, causes) for row in found.in_hand],
        done=[Step.of(row) for row in found.steps],
        notes=[HandoverNote.model_validate(row) for row in found.notes],
    )


@router.post("/notes", summary="Write a note for the next shift", status_code=201)
def create_handover_note(request: Idempotent, entry: NoteEntry) -> HandoverNote:
    """Write a note. It belongs to the shift of its time, stays, and is part of the audit log."""
    try:
        with request.store.connection() as connection:
            row = add_note(
                connection, entry.community, entry.note, request.sign(entry), request_key=request.key, now=read_clock()
            )
    except KeyReusedError:
        raise key_reused() from None
    except UnknownCommunityError:
        message = maintenance_zh.unknown_community(entry.community)
        raise InvalidProblem(Mistake(["body", "community"], message, "unknown_community")) from None
    return HandoverNote.model_validate(row)
