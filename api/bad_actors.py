"""Route of bad actors: devices with chattering alerts."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.paging import Page
from api.parameters import Instant, Now, Store
from handling.text import Word
from rules.model.kind_labels import kind_label
from store.alerts import bad_actors

router = APIRouter(prefix="/bad-actors", tags=["alerts 报警"])

_USUAL = timedelta(days=30)


class BadActor(BaseModel):
    """Rule on a device with chattering alerts (three within a minute), and their numbers."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    community: str = Field(examples=["jinhe-yuan"])
    community_name: str = Field(examples=["金河苑"])
    device: str = Field(examples=["b03-u2-door"])
    place: str = Field(description="Its place within the community, in words.", examples=["3号楼2单元入口"])
    kind: str = Field(examples=["access_control"])
    kind_zh: str = Field(examples=["单元门禁"])
    rule: str = Field(examples=["door_offline"])
    title: str = Field(examples=["门禁离线"])
    alerts: int = Field(description="All alerts of this rule on this device.")
    chattering: int = Field(description="Alerts raised while it chattered.")
    last_at: datetime = Field(description="When the newest alert opened.")


class BadActorsQuery(BaseModel):
    """Filters of the list of bad actors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    community: Word | None = Field(None, description="The id of a community.")
    since: Instant | None = Field(None, description="Count alerts that opened at this instant or later; else 30 days.")
    limit: int = Field(100, ge=1, le=1000, description="How many at most.")


@router.get("", summary="List bad actors")
def list_bad_actors(store: Store, now: Now, query: Annotated[BadActorsQuery, Query()]) -> Page[BadActor]:
    """Devices with chattering alerts, the worst first: candidates for repair or for another limit. One page."""
    with store.connection() as connection:
        rows = bad_actors.list_bad_actors(connection, query.community, query.since or now - _USUAL, query.limit)
    return Page[BadActor](
        items=[BadActor.model_validate({**asdict(row), "kind_zh": kind_label(row.kind)}) for row in rows],
        next_cursor=None,
    )
