"""Routes of silences: maintenance windows in which matching alerts are not notified."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.access import ACTOR
from api.changes import Changing, Name, Signed, Why
from api.labels import kind_label
from api.models import Answer
from api.paging import Cursor, Page, PageQuery
from api.parameters import Instant, Now, Store, read_clock
from api.problems import InvalidProblem, RefusedProblem, UnknownProblem, answers
from rules.analysis.explain import clock
from rules.model.virtual_kinds import RULE_KINDS
from store.admin.audit import Change, record_change
from store.alerts import maintenance
from store.alerts.maintenance import LONGEST_MAINTENANCE, MaintenanceRow, NewMaintenance
from store.database import Connection
from store.registry.communities import find_community, has_building
from store.registry.devices import find_device

router = APIRouter(prefix="/silences", tags=["silences 维护窗口"])
_cursor = Cursor("silences", tuple[datetime, UUID])

SilenceId = Annotated[UUID, Path(description="The id of a silence.")]
_NO_SILENCE = "There is no silence of that id; GET /api/v1/silences lists them."
_STATE = {"scheduled": "未开始", "active": "进行中", "over": "已结束"}


class Silence(Answer):
    """A window in which alerts that match every part given are judged but not notified."""

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
    ended_at: datetime | None = Field(description="When somebody ended it early.")
    ended_by: str | None
    reason: str
    actor: str = Field(description="Who announced it.")
    created_at: datetime

    @classmethod
    def of(cls, row: MaintenanceRow, now: datetime) -> "Silence":
        """Translate a row."""
        state = _state(row, now)
        return cls.model_validate(
            {
                **{name: getattr(row, name) for name in MaintenanceRow.__slots__},
                "state": state,
                "state_zh": _STATE[state],
                "kind_zh": row.kind and kind_label(row.kind),
            }
        )


class Announcement(Signed):
    """What a window matches, from when to when it lasts, and why. At least one part to match is given."""

    community: str | None = Field(None, examples=["jinhe-yuan"])
    building: str | None = Field(None, description="A building of the community.", examples=["3"])
    kind: str | None = Field(None, description="A device kind, or `pipeline` for Anju itself.")
    rule: Name | None = Field(None, description="The name of a rule.", examples=["gateway_silent"])
    device: str | None = Field(None, description="The id of a device of the community.")
    starts_at: Instant | None = Field(None, description="Now, unless given.")
    ends_at: Instant = Field(description="At most 90 days after the start.")
    reason: Why = Field(examples=["三号楼换表"])

    @model_validator(mode="after")
    def _is_about_something(self) -> Self:
        parts = (self.community, self.building, self.kind, self.rule, self.device)
        if not any(parts):
            raise PydanticCustomError("matches_all", "请至少指定小区、楼栋、设备类型、规则、设备中的一项")
        if (self.building or self.device) and not self.community:
            raise PydanticCustomError("no_community", "指定楼栋或设备时，请同时指定小区")
        return self


class SilencesQuery(PageQuery):
    """What windows to list."""

    community: str | None = Field(None, description="About this community, or a device in it.")
    over: bool = Field(False, description="Also those that are over.")


@router.get("", summary="List silences (维护窗口)")
def list_silences(store: Store, now: Now, query: Annotated[SilencesQuery, Query()]) -> Page[Silence]:
    """Windows that last or will come, the one that starts last first."""
    with store.connection() as connection:
        rows = maintenance.list_maintenance(
            connection,
            community=query.community,
            not_over_at=None if query.over else now,
            before=_cursor.decode(query.cursor),
            limit=query.limit + 1,
        )
    return Page[Silence].of(
        rows, query.limit, lambda row: Silence.of(row, now), lambda row: _cursor.encode((row.starts_at, row.id))
    )


@router.get("/{silence_id}", summary="Read a silence", responses=answers(UnknownProblem(_NO_SILENCE)))
def read_silence(store: Store, now: Now, silence_id: SilenceId) -> Silence:
    """One window."""
    with store.connection() as connection:
        return _silence_of(connection, silence_id, now)


@router.post("", summary="Announce a silence (维护窗口)", status_code=201)
def create_silence(changer: Changing, wanted: Announcement) -> Silence:
    """Keep alerts that match from being notified for a while. They go on being judged, and stay listed."""
    now = read_clock()
    with changer.store.connection() as connection:
        made = changer.done_before(connection, "create", "silence", None)
        silence_id = UUID(made) if made else uuid4()
        if not made:
            new = _new(connection, silence_id, wanted, now)
            maintenance.insert_maintenance(connection, new)
            silence = _silence_of(connection, silence_id, now)
            after = silence.model_dump(mode="json", exclude_none=True, exclude={"state", "state_zh", "kind_zh"})
            change = Change(
                at=now, actor=ACTOR, person=wanted.by, action="create", subject="silence", subject_id=str(silence_id),
                before={}, after=after, request_key=changer.key,
            )  # fmt: skip
            record_change(connection, change)
        return _silence_of(connection, silence_id, now)


@router.post(
    "/{silence_id}/end",
    summary="End a silence early",
    responses=answers(UnknownProblem(_NO_SILENCE), RefusedProblem("维护窗口已经结束。")),
)
def end_silence(changer: Changing, silence_id: SilenceId, note: Signed | None = None) -> Silence:
    """End a window before its time, or call one off that has not begun."""
    given = note or Signed()
    with changer.store.connection() as connection:
        if changer.done_before(connection, "end", "silence", str(silence_id)) is None:
            row = maintenance.claim_maintenance(connection, silence_id)
            if row is None:
                raise UnknownProblem(_NO_SILENCE)
            now = read_clock()
            if _state(row, now) == "over":
                by = f"，由 {row.ended_by} 提前结束" if row.ended_by else ""
                raise RefusedProblem(f"维护窗口已于{clock(row.ended_at or row.ends_at)}结束{by}。")
            maintenance.end_maintenance(connection, silence_id, at=now, actor=given.actor)
            change = Change(
                at=now, actor=ACTOR, person=given.by, action="end", subject="silence", subject_id=str(silence_id),
                before={"ended_at": None}, after={"ended_at": now.isoformat()}, request_key=changer.key,
            )  # fmt: skip
            record_change(connection, change)
        return _silence_of(connection, silence_id, read_clock())


def _new(connection: Connection, silence_id: UUID, wanted: Announcement, now: datetime) -> NewMaintenance:
    """Check what only the clock and the registry know."""
    starts_at = wanted.starts_at or now
    if wanted.ends_at <= max(starts_at, now):
        raise InvalidProblem((["body", "ends_at"], "结束时间须在开始时间之后，且尚未过去", "silence_over"))
    if wanted.ends_at - starts_at > LONGEST_MAINTENANCE:
        raise InvalidProblem((["body", "ends_at"], "维护窗口最长 90 天", "silence_too_long"))
    if wanted.kind and wanted.kind not in RULE_KINDS:
        raise InvalidProblem((["body", "kind"], f"没有设备类型“{wanted.kind}”", "unknown_kind"))
    if wanted.community and find_community(connection, wanted.community) is None:
        raise InvalidProblem((["body", "community"], f"没有小区“{wanted.community}”", "unknown_community"))
    if wanted.community and wanted.building and not has_building(connection, wanted.community, wanted.building):
        raise InvalidProblem((["body", "building"], f"小区里没有楼栋“{wanted.building}”", "unknown_building"))
    device = None
    if wanted.device and wanted.community:
        device = find_device(connection, wanted.community, wanted.device)
        if device is None:
            raise InvalidProblem((["body", "device"], f"小区里没有设备“{wanted.device}”", "unknown_device"))
    return NewMaintenance(
        id=silence_id, community=wanted.community, building=wanted.building, kind=wanted.kind, rule=wanted.rule,
        device_id=device.id if device else None, starts_at=starts_at, ends_at=wanted.ends_at, reason=wanted.reason,
        actor=wanted.actor, created_at=now,
    )  # fmt: skip


def _silence_of(connection: Connection, silence_id: UUID, now: datetime) -> Silence:
    row = maintenance.find_maintenance(connection, silence_id)
    if row is None:
        raise UnknownProblem(_NO_SILENCE)
    return Silence.of(row, now)


def _state(row: MaintenanceRow, now: datetime) -> Literal["scheduled", "active", "over"]:
    if (row.ended_at or row.ends_at) <= now:
        return "over"
    return "active" if row.starts_at <= now else "scheduled"
