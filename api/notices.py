"""Route of the notices of an alert, with their state of delivery."""

from dataclasses import asdict
from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.alerts import ALERT_NOT_FOUND, AlertId
from api.paging import Page
from api.parameters import Store
from api.problems import UnknownProblem, problem_responses
from rules.model.labels_zh import NOTICE_KIND, NOTICE_STATE
from store.alerts.alerts import find_alert
from store.notices.delivery import list_notices

router = APIRouter(prefix="/alerts", tags=["alerts 报警"])


class Notice(BaseModel):
    """Notice of an alert over a channel. The address of the channel is secret."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    channel: str = Field(description="Contact and kind of channel.", examples=["王经理/wecom"])
    kind: Literal["raised", "escalated", "fallback", "resolved"]
    kind_zh: str = Field(examples=["报警"])
    level: int = Field(
        description="Level of an escalation; of `raised`, one more for each rise of the severity; else 1."
    )
    state: Literal["queued", "sent", "dead", "dropped"] = Field(
        description="Waiting, accepted by the receiver, given up, or no longer needed."
    )
    state_zh: str = Field(examples=["已送达"])
    attempts: int = Field(description="Failed attempts.")
    reason: str | None = Field(description="Reason of the last failure, or of dropping it.")
    queued_at: datetime
    due_at: datetime = Field(description="Earliest time of sending.")
    settled_at: datetime | None = Field(description="When it was accepted, given up or dropped.")


@router.get(
    "/{alert_id}/notices",
    summary="List the notices of an alert",
    responses=problem_responses(UnknownProblem(ALERT_NOT_FOUND)),
)
def list_notices_of(store: Store, alert_id: AlertId) -> Page[Notice]:
    """All notices of an alert, in the order of their queueing. One page."""
    with store.connection() as connection:
        if find_alert(connection, alert_id) is None:
            raise UnknownProblem(ALERT_NOT_FOUND)
        rows = list_notices(connection, alert_id)
    return Page[Notice](items=[_notice(asdict(row)) for row in rows], next_cursor=None)


def _notice(row: dict[str, object]) -> Notice:
    words = {"kind_zh": NOTICE_KIND[str(row["kind"])], "state_zh": NOTICE_STATE[str(row["state"])]}
    return Notice.model_validate({**row, **words})
