"""Route of the notices of an alert, with their state of delivery."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.alerts import AlertId, UnknownAlertProblem
from api.paging import Page
from api.parameters import Now, Store
from api.problems import problem_responses
from handling.notices import reason_of, waits_of
from rules.model.labels_zh import NOTICE_KIND, NOTICE_STATE
from store.alerts.alerts import find_alert
from store.alerts.suppression import Cause, causes_of
from store.notices.delivery import NoticeRow, list_notices

router = APIRouter(prefix="/alerts", tags=["alerts 报警"])

WaitCode = Literal[
    "shelved",
    "maintenance",
    "caused_by_parent",
    "out_of_service",
    "chattering",
    "gathering",
    "escalation",
    "after_raised",
    "quiet_hours",
    "message_limit",
    "retry",
    "sending",
]


class Wait(BaseModel):
    """Reason for which a notice waits. The first five codes are causes of suppression of its alert."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    code: WaitCode
    zh: str = Field(description="The reason in Chinese.", examples=["王师傅登记了维护窗口：三号楼换表"])
    until: datetime | None = Field(description="Until when it waits; null if that is not known.")


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
    state_zh: str = Field(examples=["已发出"])
    waiting_for: list[Wait] = Field(description="Reasons for which a queued notice is not sent yet; else empty.")
    attempts: int = Field(description="Failed attempts.")
    reason: str | None = Field(description="Reason of the last failure, or the code of the reason for dropping it.")
    reason_zh: str | None = Field(description="That reason in Chinese.", examples=["报警已有人确认，不用再升级"])
    queued_at: datetime
    due_at: datetime = Field(description="Earliest time of sending, or of the next look at its reason to wait.")
    settled_at: datetime | None = Field(description="When it was accepted, given up or dropped.")


@router.get(
    "/{alert_id}/notices",
    summary="List the notices of an alert",
    responses=problem_responses(UnknownAlertProblem()),
)
def list_notices_of(store: Store, now: Now, alert_id: AlertId) -> Page[Notice]:
    """All notices of an alert, in the order of their queueing. One page. `waiting_for` says why one is not sent yet."""
    with store.connection() as connection:
        if find_alert(connection, alert_id) is None:
            raise UnknownAlertProblem
        rows = list_notices(connection, alert_id)
        causes = causes_of(connection, [alert_id], now).get(alert_id, ())
    return Page[Notice](items=[_notice(row, causes, now) for row in rows], next_cursor=None)


def _notice(row: NoticeRow, causes: Sequence[Cause], now: datetime) -> Notice:
    return Notice.model_validate(
        {
            **{name: getattr(row, name) for name in NoticeRow.__slots__},
            "kind_zh": NOTICE_KIND[row.kind],
            "state_zh": NOTICE_STATE[row.state],
            "waiting_for": list(waits_of(row, causes, now)),
            "reason_zh": reason_of(row),
        }
    )
