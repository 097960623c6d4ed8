"""Routes of the replacements of a meter (换表)."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from api import messages_zh
from api.changes import Idempotent, Signed
from api.devices import UnknownDeviceProblem, require_device
from api.models import ResponseModel
from api.paging import Page
from api.parameters import CommunityId, DeviceName, Instant, Store, read_clock
from api.problems import InvalidProblem, Mistake, RefusedProblem, UnknownProblem, problem_responses
from handling.text import Name, Reason, Word
from store.admin.audit import Change, record_change
from store.database import Connection
from store.registry.replacements import (
    NewReplacement,
    ReplacementRefusedError,
    ReplacementRow,
    find_replacement,
    list_replacements,
    record_replacement,
    withdraw_replacement,
)

router = APIRouter(prefix="/devices/{community}/{device}/replacement", tags=["devices 设备"])

ReplacementId = Annotated[int, Path(description="The id of a replacement.", ge=1, lt=2**63)]


class UnknownReplacementProblem(UnknownProblem):
    """The device has no replacement of the id of the path."""

    def __init__(self) -> None:
        """Say where they are listed."""
        super().__init__(
            "The device has no replacement of that id; GET .../replacement lists them.",
            messages_zh.REPLACEMENT_NOT_FOUND,
        )


class Replacement(ResponseModel):
    """Recorded replacement of a meter. One that was withdrawn is not in force."""

    id: int
    field: str = Field(description="The counter of both registers.", examples=["volume_m3"])
    at: datetime = Field(description="When the meter was exchanged.")
    old_register: float = Field(description="Last reading of the old meter, in the unit of the counter.")
    new_register: float = Field(description="First reading of the new meter.")
    old_serial: str | None
    new_serial: str | None
    note: str | None
    actor: str = Field(description="The person who recorded it.")
    recorded_at: datetime
    withdrawn_at: datetime | None
    withdrawn_by: str | None


class Exchange(Signed):
    """Both registers of a replacement, as read when the meter was exchanged."""

    at: Instant | None = Field(None, description="When the meter was exchanged; now, unless given.")
    field: Word | None = Field(None, description="A counter of the kind; its first one, unless given.")
    old_register: float = Field(ge=0, allow_inf_nan=False, description="Last reading of the old meter (旧表止数).")
    new_register: float = Field(0, ge=0, allow_inf_nan=False, description="First reading of the new meter (新表起数).")
    old_serial: Name | None = Field(
        None, description="Serial number of the old meter; the registered one, unless given."
    )
    new_serial: Name | None = Field(None, description="Serial number of the new meter; the registry takes it over.")
    note: Reason | None = Field(None, examples=["到期更换"])


@router.get("", summary="List the replacements of a meter (换表)", responses=problem_responses(UnknownDeviceProblem()))
def list_device_replacements(store: Store, community: CommunityId, device: DeviceName) -> Page[Replacement]:
    """All replacements, newest first, including withdrawn ones."""
    with store.connection() as connection:
        rows = list_replacements(connection, require_device(connection, community, device).id)
    return Page[Replacement](items=[Replacement.model_validate(row) for row in rows], next_cursor=None)


@router.post(
    "",
    summary="Record the replacement of a meter (换表)",
    status_code=201,
    responses=problem_responses(UnknownDeviceProblem()),
)
def create_replacement(
    request: Idempotent, community: CommunityId, device: DeviceName, exchange: Exchange
) -> Replacement:
    """Consumption goes on across the exchange, in series, rules and dashboards; evidence keeps both serial numbers.

    Rules that are running take it into account from the next reading on. One that is recorded only after three readings
    of the new meter changes series and dashboards, and no alert.
    """
    now, signature = read_clock(), request.sign(exchange)
    with request.store.connection() as connection:
        owner = require_device(connection, community, device)
        earlier_id = request.earlier_subject_id(connection, "create", "replacement", None)
        if earlier_id:
            return Replacement.model_validate(_require_replacement(connection, owner.id, int(earlier_id)))
        new = NewReplacement(**exchange.model_dump(exclude={"by", "at"}), at=exchange.at or now, actor=signature.shown)
        try:
            row = record_replacement(connection, owner, new, now)
        except ReplacementRefusedError as error:
            message = messages_zh.replacement_refused(error.reason)
            raise InvalidProblem(Mistake(["body", error.part], message, error.reason)) from None
        replacement = Replacement.model_validate(row)
        after = {"device": f"{community}/{device}", **replacement.model_dump(mode="json", exclude_none=True)}
        change = Change(
            at=now, actor=signature.actor, person=signature.person, action="create", subject="replacement",
            subject_id=str(row.id), before={}, after=after, request_key=request.key,
        )  # fmt: skip
        record_change(connection, change)
        return replacement


@router.post(
    "/{replacement_id}/withdraw",
    summary="Withdraw a wrong replacement",
    responses=problem_responses(
        UnknownDeviceProblem(),
        UnknownReplacementProblem(),
        RefusedProblem(messages_zh.REPLACEMENT_WITHDRAWN_EXAMPLE),
    ),
)
def withdraw(
    request: Idempotent,
    community: CommunityId,
    device: DeviceName,
    replacement_id: ReplacementId,
    note: Signed | None = None,
) -> Replacement:
    """Take a wrong record back. It stays listed, and consumption is computed without it again."""
    signature = request.sign(note)
    with request.store.connection() as connection:
        owner = require_device(connection, community, device)
        if request.earlier_subject_id(connection, "withdraw", "replacement", str(replacement_id)) is None:
            row = _require_replacement(connection, owner.id, replacement_id)
            if row.withdrawn_at:
                raise RefusedProblem(messages_zh.replacement_withdrawn(row.withdrawn_by or "", row.withdrawn_at))
            now = read_clock()
            withdraw_replacement(connection, row, signature.shown, now)
            change = Change(
                at=now, actor=signature.actor, person=signature.person, action="withdraw", subject="replacement",
                subject_id=str(replacement_id), before={"withdrawn_at": None}, after={"withdrawn_at": now.isoformat()},
                request_key=request.key,
            )  # fmt: skip
            record_change(connection, change)
        return Replacement.model_validate(_require_replacement(connection, owner.id, replacement_id))


def _require_replacement(connection: Connection, device_id: int, replacement_id: int) -> ReplacementRow:
    row = find_replacement(connection, replacement_id)
    if row is None or row.device_id != device_id:
        raise UnknownReplacementProblem
    return row
