"""Routes of duty: who is on duty for which communities, from when to when."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import Field

from api import messages_zh
from api.changes import Idempotent, Signed, key_reused
from api.models import ResponseModel
from api.paging import Cursor, Page, PageQuery
from api.parameters import Instant, Now, Store, read_clock
from api.problems import InvalidProblem, Mistake, RefusedProblem, UnknownProblem, problem_responses
from handling.duty import (
    MOST_COMMUNITIES,
    DutyError,
    DutyPlan,
    DutyRefusedError,
    UnknownShiftError,
    add_shifts,
    end_duty,
)
from handling.signature import KeyReusedError
from handling.text import Name, Remark, Word
from store.alerts.duty import ShiftRow, list_shifts

router = APIRouter(prefix="/duty", tags=["duty 值班"])
_cursor = Cursor("duty", tuple[datetime, UUID])

ShiftId = Annotated[UUID, Path(description="The id of a shift.")]


class UnknownShiftProblem(UnknownProblem):
    """No shift has the id of the path."""

    def __init__(self) -> None:
        """Say where they are listed."""
        super().__init__("There is no shift of that id; GET /api/v1/duty lists them.", messages_zh.SHIFT_NOT_FOUND)


class Shift(ResponseModel):
    """Shift of a person on duty for a community (值班)."""

    id: UUID
    community: str = Field(examples=["jinhe-yuan"])
    community_name: str = Field(examples=["金河苑"])
    person: str = Field(examples=["王师傅"])
    starts_at: datetime
    ends_at: datetime = Field(description="Planned end.")
    ended_at: datetime | None = Field(description="When a person ended or cancelled it.")
    ended_by: str | None
    note: str = Field(examples=["门卫室电话转接"])
    actor: str = Field(description="The person who entered it.")

    @classmethod
    def of(cls, row: ShiftRow) -> "Shift":
        """Translate a row."""
        return cls.model_validate(row)


class Shifts(ResponseModel):
    """Shifts of a request, a community each."""

    items: list[Shift]


class DutyEntry(Signed):
    """Person on duty for communities over a period."""

    communities: list[Word] = Field(min_length=1, max_length=MOST_COMMUNITIES, examples=[["jinhe-yuan"]])
    person: Name = Field(examples=["王师傅"])
    starts_at: Instant | None = Field(None, description="Now, unless given.")
    ends_at: Instant = Field(description="At most 31 days after the start.")
    note: Remark = Field("", examples=["门卫室电话转接"])


class DutyQuery(PageQuery):
    """Filters of the list of shifts."""

    community: Word | None = Field(None, description="The id of a community.")
    start: Instant | None = Field(None, description="Shifts that end after this instant; now, unless given.")
    end: Instant | None = Field(None, description="Shifts that begin before this instant; `start`, unless given.")


@router.get("", summary="List who is on duty (值班)")
def list_duty(store: Store, now: Now, query: Annotated[DutyQuery, Query()]) -> Page[Shift]:
    """Shifts of a period, by their start; without `start` and `end`, those of this moment."""
    start = query.start or now
    end = query.end or start
    if end < start:
        raise InvalidProblem(
            Mistake(["query", "end"], "`end` is after `start`", "end_not_after_start", messages_zh.END_NOT_AFTER_START)
        )
    with store.connection() as connection:
        rows = list_shifts(
            connection, start=start, end=end, community=query.community, after=_cursor.decode(query.cursor),
            limit=query.limit + 1,
        )  # fmt: skip
    return Page[Shift].of(rows, query.limit, Shift.of, lambda row: _cursor.encode((row.starts_at, row.id)))


@router.post(
    "",
    summary="Enter a shift (排班)",
    status_code=201,
    responses=problem_responses(RefusedProblem("王师傅在金河苑已经排了班：7月1日 08:00:00到7月1日 20:00:00。")),
)
def create_duty(request: Idempotent, entry: DutyEntry) -> Shifts:
    """Put a person on duty for communities. Several persons may be on duty at once; the answer has a shift for each."""
    now = read_clock()
    plan = DutyPlan(
        communities=tuple(entry.communities), person=entry.person, starts_at=entry.starts_at or now,
        ends_at=entry.ends_at, note=entry.note,
    )  # fmt: skip
    try:
        with request.store.connection() as connection:
            rows = add_shifts(connection, plan, request.sign(entry), request_key=request.key, now=now)
    except KeyReusedError:
        raise key_reused() from None
    except DutyError as error:
        raise InvalidProblem(Mistake(["body", error.part], str(error), "shift_impossible")) from None
    except DutyRefusedError as error:
        raise RefusedProblem(str(error)) from None
    return Shifts(items=[Shift.of(row) for row in rows])


@router.post(
    "/{shift_id}/end",
    summary="End a shift early",
    responses=problem_responses(
        UnknownShiftProblem(), RefusedProblem("这个班次已于7月1日 12:05:03结束，由 王经理 提前结束。")
    ),
)
def end_shift(request: Idempotent, shift_id: ShiftId, note: Signed | None = None) -> Shift:
    """End a shift early, or cancel one that has not begun. To change a shift, end it and enter another."""
    try:
        with request.store.connection() as connection:
            return Shift.of(
                end_duty(connection, shift_id, request.sign(note), request_key=request.key, now=read_clock())
            )
    except KeyReusedError:
        raise key_reused() from None
    except UnknownShiftError:
        raise UnknownShiftProblem from None
    except DutyRefusedError as error:
        raise RefusedProblem(str(error)) from None
