"""Routes of silences: maintenance windows that suppress notices of matching alerts."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api import messages_zh
from api.changes import Idempotent, Signed
from api.models import ResponseModel
from api.paging import Cursor, Page, PageQuery
from api.parameters import Instant, Now, Store, read_clock
from api.problems import InvalidProblem, Mistake, RefusedProblem, UnknownProblem, problem_responses
from api.rules import Pack
from handling import maintenance_zh
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
from handling.text import Name, Reason, Word
from rules.model.kind_labels import kind_label
from rules.model.labels_zh import MAINTENANCE_PURPOSE, MAINTENANCE_STATE
from rules.model.rule import RulePack, Severity
from store.alerts.maintenance import (
    MaintenanceRow,
    Purpose,
    find_maintenance,
    list_maintenance,
)
from store.database import Connection

router = APIRouter(prefix="/silences", tags=["silences 维护窗口"])
_cursor = Cursor("silences", tuple[datetime, UUID])

SilenceId = Annotated[UUID, Path(description="The id of a silence.")]


class UnknownSilenceProblem(UnknownProblem):
    """No silence has the id of the path."""

    def __init__(self) -> None:
        """Say where they are listed."""
        super().__init__(
            "There is no silence of that id; GET /api/v1/silences lists them.", messages_zh.MAINTENANCE_NOT_FOUND
        )


class Silence(ResponseModel):
    """Maintenance window. Alerts that match all given parts are raised but not notified, critical ones excepted."""

    id: UUID
    purpose: Purpose = Field(description="`power_cut` is a planned power cut (停电计划).")
    purpose_zh: str = Field(examples=["计划停电"])
    state: Literal["scheduled", "active", "over"]
    state_zh: str = Field(examples=["进行中"])
    community: str | None
    building: str | None
    kind: str | None
    kind_zh: str | None
    rule: str | None
    device: str | None = Field(description="The id of a device of the community.")
    starts_at: datetime
    ends_at: datetime
    ended_at: datetime | None = Field(description="When a person ended it early.")
    ended_by: str | None
    reason: str
    actor: str = Field(description="The person who announced it.")
    created_at: datetime
    lets_through: list[Severity] = Field(
        description="Severities that are notified all the same: `critical`, unless the window names a rule."
    )
    effect_zh: str = Field(
        description="What the window does about critical alerts, for the person who announces it.",
        examples=["紧急报警（如“燃气泄漏”）可能伤人，不受这个窗口影响，照常马上通知。"],
    )

    @classmethod
    def of(cls, row: MaintenanceRow, now: datetime, pack: RulePack) -> "Silence":
        """Translate a row; the rules in force give the words of its effect."""
        state = state_of(row, now)
        return cls.model_validate(
            {
                **{name: getattr(row, name) for name in MaintenanceRow.__slots__},
                "purpose_zh": MAINTENANCE_PURPOSE[row.purpose],
                "state": state,
                "state_zh": MAINTENANCE_STATE[state],
                "kind_zh": row.kind and kind_label(row.kind),
                "lets_through": [] if row.rule else [Severity.CRITICAL],
                "effect_zh": effect_zh(row, pack),
            }
        )


class Announcement(Signed):
    """Scope, period and reason of a maintenance window. At least one part of the scope is required.

    A planned power cut (停电计划) is for a community or one of its buildings, and for nothing else.
    """

    purpose: Purpose = Field(
        Purpose.MAINTENANCE,
        description="`power_cut` suppresses only missing data and lost mains, until half an hour after the end.",
    )
    community: Word | None = Field(None, examples=["jinhe-yuan"])
    building: Word | None = Field(None, description="A building of the community.", examples=["3"])
    kind: Word | None = Field(None, description="A device kind, or `pipeline` for Anju itself.")
    rule: Name | None = Field(
        None,
        description="The name of a rule. A window suppresses critical alerts only of the rule that it names.",
        examples=["gateway_silent"],
    )
    device: Word | None = Field(None, description="The id of a device of the community.")
    starts_at: Instant | None = Field(None, description="Now, unless given.")
    ends_at: Instant = Field(description="At most 90 days after the start.")
    reason: Reason = Field(examples=["三号楼换表"])

    @model_validator(mode="after")
    def _is_about_something(self) -> Self:
        try:
            check_scope(self.order())
        except WindowError as error:
            raise PydanticCustomError(error.code, str(error)) from None
        return self

    def order(self) -> WindowOrder:
        """Return it as an order."""
        return WindowOrder(**self.model_dump(exclude={"by"}))


class SilencesQuery(PageQuery):
    """Filters of the list of windows."""

    community: Word | None = Field(None, description="Windows for this community or a device in it.")
    over: bool = Field(False, description="Include windows that are over.")


@router.get("", summary="List silences (维护窗口)")
def list_silences(store: Store, now: Now, pack: Pack, query: Annotated[SilencesQuery, Query()]) -> Page[Silence]:
    """Present and future windows, in descending order of their start."""
    with store.connection() as connection:
        rows = list_maintenance(
            connection,
            community=query.community,
            not_over_at=None if query.over else now,
            before=_cursor.decode(query.cursor),
            limit=query.limit + 1,
        )
    return Page[Silence].of(
        rows, query.limit, lambda row: Silence.of(row, now, pack), lambda row: _cursor.encode((row.starts_at, row.id))
    )


@router.get("/{silence_id}", summary="Read a silence", responses=problem_responses(UnknownSilenceProblem()))
def read_silence(store: Store, now: Now, pack: Pack, silence_id: SilenceId) -> Silence:
    """One window."""
    with store.connection() as connection:
        return _read_silence(connection, silence_id, now, pack)


@router.post("", summary="Announce a silence (维护窗口)", status_code=201)
def create_silence(request: Idempotent, pack: Pack, announcement: Announcement) -> Silence:
    """Suppress notices of matching alerts for a period. Evaluation goes on, and the alerts stay listed.

    Critical alerts can hurt people: only a window that names their `rule` suppresses them. The answer says so.
    """
    now, signature = read_clock(), request.sign(announcement)
    order = announcement.order()
    with request.store.connection() as connection:
        earlier = request.earlier_subject_id(connection, "create", "silence", None)
        try:
            check_reach(order, request.principal.scope)
            silence_id = (
                UUID(earlier) if earlier else announce(connection, order, signature, pack, now=now, key=request.key)
            )
        except WindowError as error:
            raise InvalidProblem(Mistake(["body", *filter(None, [error.field])], str(error), error.code)) from None
        return _read_silence(connection, silence_id, now, pack)


@router.post(
    "/{silence_id}/end",
    summary="End a silence early",
    responses=problem_responses(UnknownSilenceProblem(), RefusedProblem(maintenance_zh.MAINTENANCE_OVER_EXAMPLE)),
)
def end_silence(request: Idempotent, pack: Pack, silence_id: SilenceId, note: Signed | None = None) -> Silence:
    """End a window early, or cancel one that has not begun."""
    signature = request.sign(note)
    with request.store.connection() as connection:
        if request.earlier_subject_id(connection, "end", "silence", str(silence_id)) is None:
            try:
                known = end_early(connection, silence_id, signature, now=read_clock(), key=request.key)
            except WindowOverError as error:
                raise RefusedProblem(str(error)) from None
            if not known:
                raise UnknownSilenceProblem
        return _read_silence(connection, silence_id, read_clock(), pack)


def _read_silence(connection: Connection, silence_id: UUID, now: datetime, pack: RulePack) -> Silence:
    row = find_maintenance(connection, silence_id)
    if row is None:
        raise UnknownSilenceProblem
    return Silence.of(row, now, pack)
