"""Routes of the work order of an alert (工单): as JSON, and as a page to print."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from pydantic import Field

from api.alerts import AlertId, UnknownAlertProblem
from api.contacts import OwnSeal, reader_of
from api.household_reads import AuditedRead
from api.models import ResponseModel, Simulated
from api.parameters import Store
from api.problems import problem_responses
from handling import work_order
from handling.contacts import Contacts
from handling.work_order import page_policy, read_work_order, to_html
from rules.model.rule import Severity

router = APIRouter(prefix="/alerts/{alert_id}", tags=["alerts 报警"])


class WorkStep(ResponseModel):
    """Step of a person on the alert."""

    at: datetime
    actor: str = Field(examples=["王经理"])
    act_zh: str = Field(examples=["派单"])
    assignee: str | None
    comment: str | None


class WorkContact(ResponseModel):
    """Person to call: of the household, or of a contractor (`company`)."""

    name: str = Field(examples=["张三"])
    role: str = Field(examples=["业主"])
    company: str = Field(description="Empty for a household.")
    phone: str | None = Field(examples=["13812345678"])


class WorkOrder(ResponseModel):
    """Facts for the person who goes there."""

    number: str = Field(
        description="Begin of the alert's id; `text` of the list of alerts finds it.", examples=["0B1E5D5E"]
    )
    alert_id: UUID
    made_at: datetime
    community: str | None = Field(description="Null for an alert about Anju itself.", examples=["jinhe-yuan"])
    community_name: str | None = Field(examples=["金河苑"])
    banner: str | None = Field(examples=["东胜区"])
    street: str | None = Field(examples=["林荫街道"])
    property_company: str | None
    place: str = Field(examples=["3号楼2单元501室"])
    device: str | None = Field(examples=["b03-u2-0501-water"])
    kind: str
    kind_zh: str = Field(examples=["水表"])
    serial: str | None
    has_register: bool = Field(description="Whether a register is to be read when the device is replaced.")
    severity: Severity
    severity_zh: str = Field(examples=["重要"])
    title: str
    message: str
    advice: str = Field(description="What to check or to do first (怎么办).")
    why: list[str] = Field(description="Reasons for raising it, in Chinese sentences.")
    opened_at: datetime
    ended_at: datetime | None
    process_zh: str = Field(examples=["发生中"])
    attention_zh: str = Field(examples=["已派单"])
    assignee: str | None = Field(examples=["李师傅"])
    on_duty: list[str] = Field(description="Persons on duty for the community now.", examples=[["王师傅"]])
    contacts: list[WorkContact] = Field(description="Persons to call, the household first. The read is recorded.")
    steps: list[WorkStep] = Field(description="What people have done so far, in order.")
    simulated: Simulated


@router.get(
    "/work-order", summary="Read the work order of an alert (工单)", responses=problem_responses(UnknownAlertProblem())
)
def read_work_order_of(store: Store, read: AuditedRead, seal: OwnSeal, alert_id: AlertId) -> WorkOrder:
    """The place, the reasons, the advice, whom to call and what was done so far, as they stand."""
    return WorkOrder.model_validate(_read(store, read, seal, alert_id))


@router.get(
    "/work-order.html",
    summary="Print the work order of an alert",
    response_class=HTMLResponse,
    responses=problem_responses(UnknownAlertProblem()),
)
def print_work_order(store: Store, read: AuditedRead, seal: OwnSeal, alert_id: AlertId) -> HTMLResponse:
    """The same as a page of A4 with room for handwriting. It loads nothing and runs nothing."""
    page = to_html(_read(store, read, seal, alert_id))
    return HTMLResponse(page, headers={"Content-Security-Policy": page_policy(), "Cache-Control": "no-store"})


def _read(store: Store, read: AuditedRead, seal: OwnSeal, alert_id: UUID) -> work_order.WorkOrder:
    with store.connection() as connection:
        contacts = Contacts(connection, seal, reader_of(read), read.now)
        order = read_work_order(connection, alert_id, contacts, read.now)
    if order is None:
        raise UnknownAlertProblem
    return order
