"""Routes of silences: maintenance windows that suppress notices of matching alerts."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID, uuid4

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
from handling.text import Name, Reason, Word
from rules.model.kind_labels import kind_label
from rules.model.labels_zh import MAINTENANCE_STATE
from rules.model.rule import RulePack, Severity
from rules.model.virtual_kinds import RULE_KINDS
from store.admin.audit import Change, record_change
from store.alerts.maintenance import (
    LONGEST_MAINTENANCE,
    MaintenanceRow,
    NewMaintenance,
    claim_maintenance,
    end_maintenance,
    find_maintenance,
    insert_maintenance,
    list_maintenance,
)
from store.database import Connection
from store.registry.communities import find_community, has_building
from store.registry.devices import find_device

router = APIRouter(prefix="/silences", tags=["silences 维护窗口"])
_cursor = Cursor("silences", tuple[datetime, UUID])

SilenceId = Annotated[UUID, Path(description="The id of a silence.")]
_DERIVED = {"state", "state_zh", "kind_zh", "lets_through", "effect_zh"}


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
        state = _silence_state(row, now)
        return cls.model_validate(
            {
                **{name: getattr(row, name) for name in MaintenanceRow.__slots__},
                "state": state,
                "state_zh": MAINTENANCE_STATE[state],
                "kind_zh": row.kind and kind_label(row.kind),
                "lets_through": [] if row.rule else [Severity.CRITICAL],
                "effect_zh": _effect(row, pack),
            }
        )


class Announcement(Signed):
    """Scope, period and reason of a maintenance window. At least one part of the scope is required."""

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
        parts = (self.community, self.building, self.kind, self.rule, self.device)
        if not any(parts):
            raise PydanticCustomError("matches_all", messages_zh.MAINTENANCE_WITHOUT_SCOPE)
        if (self.building or self.device) and not self.community:
            raise PydanticCustomError("no_community", messages_zh.MAINTENANCE_WITHOUT_COMMUNITY)
        return self


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
    if announcement.community is None and not request.principal.scope.is_whole:
        raise InvalidProblem(Mistake(["body", "community"], messages_zh.WINDOW_NEEDS_COMMUNITY, "community_missing"))
    with request.store.connection() as connection:
        earlier_id = request.earlier_subject_id(connection, "create", "silence", None)
        silence_id = UUID(earlier_id) if earlier_id else uuid4()
        if not earlier_id:
            new = _new_silence(connection, silence_id, announcement, signature.shown, now)
            insert_maintenance(connection, new)
            silence = _read_silence(connection, silence_id, now, pack)
            after = silence.model_dump(mode="json", exclude_none=True, exclude=_DERIVED)
            change = Change(
                at=now, actor=signature.actor, person=signature.person, action="create", subject="silence",
                subject_id=str(silence_id), before={}, after=after, request_key=request.key,
            )  # fmt: skip
            record_change(connection, change)
        return _read_silence(connection, silence_id, now, pack)


@router.post(
    "/{silence_id}/end",
    summary="End a silence early",
    responses=problem_responses(UnknownSilenceProblem(), RefusedProblem(messages_zh.MAINTENANCE_OVER_EXAMPLE)),
)
def end_silence(request: Idempotent, pack: Pack, silence_id: SilenceId, note: Signed | None = None) -> Silence:
    """End a window early, or cancel one that has not begun."""
    signature = request.sign(note)
    with request.store.connection() as connection:
        if request.earlier_subject_id(connection, "end", "silence", str(silence_id)) is None:
            row = claim_maintenance(connection, silence_id)
            if row is None:
                raise UnknownSilenceProblem
            now = read_clock()
            if _silence_state(row, now) == "over":
                raise RefusedProblem(messages_zh.maintenance_over(row.ended_at or row.ends_at, row.ended_by))
            end_maintenance(connection, silence_id, at=now, actor=signature.shown)
            change = Change(
                at=now, actor=signature.actor, person=signature.person, action="end", subject="silence",
                subject_id=str(silence_id), before={"ended_at": None}, after={"ended_at": now.isoformat()},
                request_key=request.key,
            )  # fmt: skip
            record_change(connection, change)
        return _read_silence(connection, silence_id, read_clock(), pack)


def _new_silence(
    connection: Connection, silence_id: UUID, window: Announcement, actor: str, now: datetime
) -> NewMaintenance:
    """Return the window of an announcement, after checking it against the clock and the registry."""
    starts_at = window.starts_at or now
    if window.ends_at <= max(starts_at, now):
        raise InvalidProblem(Mistake(["body", "ends_at"], messages_zh.MAINTENANCE_END_PAST, "silence_over"))
    if window.ends_at - starts_at > LONGEST_MAINTENANCE:
        raise InvalidProblem(Mistake(["body", "ends_at"], messages_zh.MAINTENANCE_TOO_LONG, "silence_too_long"))
    if window.kind and window.kind not in RULE_KINDS:
        raise InvalidProblem(Mistake(["body", "kind"], messages_zh.unknown_kind(window.kind), "unknown_kind"))
    if window.community and find_community(connection, window.community) is None:
        raise InvalidProblem(
            Mistake(["body", "community"], messages_zh.unknown_community(window.community), "unknown_community")
        )
    if window.community and window.building and not has_building(connection, window.community, window.building):
        raise InvalidProblem(
            Mistake(["body", "building"], messages_zh.unknown_building(window.building), "unknown_building")
        )
    device = None
    if window.device and window.community:
        device = find_device(connection, window.community, window.device)
        if device is None:
            raise InvalidProblem(
                Mistake(["body", "device"], messages_zh.unknown_device(window.device), "unknown_device")
            )
    return NewMaintenance(
        id=silence_id, community=window.community, building=window.building, kind=window.kind, rule=window.rule,
        device_id=device.id if device else None, starts_at=starts_at, ends_at=window.ends_at, reason=window.reason,
        actor=actor, created_at=now,
    )  # fmt: skip


def _read_silence(connection: Connection, silence_id: UUID, now: datetime, pack: RulePack) -> Silence:
    row = find_maintenance(connection, silence_id)
    if row is None:
        raise UnknownSilenceProblem
    return Silence.of(row, now, pack)


def _effect(row: MaintenanceRow, pack: RulePack) -> str:
    """Return what a window does about critical alerts, in Chinese."""
    if row.rule is None:
        in_scope = pack.of_kind(row.kind) if row.kind else pack.rules
        return messages_zh.lets_through([rule.title for rule in in_scope if rule.severity is Severity.CRITICAL])
    rule = pack.find(row.rule)
    if rule is None:
        return messages_zh.names_no_rule(row.rule)
    named = messages_zh.names_critical_rule if rule.severity is Severity.CRITICAL else messages_zh.names_rule
    return named(rule.title)


def _silence_state(row: MaintenanceRow, now: datetime) -> Literal["scheduled", "active", "over"]:
    if (row.ended_at or row.ends_at) <= now:
        return "over"
    return "active" if row.starts_at <= now else "scheduled"
