"""The route of bad actors: devices whose alerts chatter."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.labels import kind_label
from api.paging import Page
from api.parameters import Instant, Now, Store
from store.alerts import bad_actors

router = APIRouter(prefix="/bad-actors", tags=["alerts 报警"])

_USUAL = timedelta(days=30)


class BadActor(BaseModel):
    """A rule on a device that was raised three times within a minute, and what it has come to."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    community: str = Field(examples=["jinhe-yuan"])
    device: str = Field(examples=["b03-u2-door"])
    kind: str = Field(examples=["access_control"])
    kind_zh: str = Field(examples=["单元门禁"])
    rule: str = Field(examples=["door_offline"])
    title: str = Field(examples=["门禁离线"])
    alerts: int = Field(description="Alerts of this rule on this device in all.")
    chattering: int = Field(description="Those that were raised while it chattered.")
    last_at: datetime = Field(description="When the last one opened.")


class BadActorsQuery(BaseModel):
    """Which bad actors to list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    community: str | None = Field(None, description="The id of a community.")
    since: Instant | None = Field(None, description="Count alerts that opened at this instant or later; else 30 days.")
    limit: int = Field(100, ge=1, le=1000, description="How many at most.")


@router.get("", summary="List bad actors")
def list_bad_actors(store: Store, now: Now, query: Annotated[BadActorsQuery, Query()]) -> Page[BadActor]:
    """Devices whose alerts chatter, the worst first: what to repair, or which limit to move. It is one page."""
    with store.connection() as connection:
        rows = bad_actors.list_bad_actors(connection, query.community, query.since or now - _USUAL, query.limit)
    return Page[BadActor](
        items=[BadActor.model_validate({**asdict(row), "kind_zh": kind_label(row.kind)}) for row in rows],
        next_cursor=None,
    )
