"""Work order (工单) of an alert: a sheet for the person who goes there, with room for handwriting.

The page is made from the same facts as the JSON document.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from devices.catalogue import KIND_BY_NAME
from devices.kind import Counter
from devices.local_time import CITY
from handling.contacts import Contact, Contacts
from handling.duty import names_on_duty
from handling.reasons import reasons_of
from rules.model.kind_labels import kind_label
from rules.model.labels_zh import ACT, ATTENTION, PROCESS, SEVERITY
from store.alerts.alerts import find_alert
from store.alerts.transitions import StoredTransition, list_transitions
from store.database import Connection
from store.registry.communities import find_community
from store.registry.devices import find_device

_NUMBER_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkStep:
    """A step of a person on the alert, with the Chinese name of the action."""

    at: datetime
    actor: str
    act_zh: str
    assignee: str | None
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """Facts of a work order.

    Attributes:
        number: begin of the alert's id, by which lists find it.
        alert_id: id of the alert.
        made_at: time of these facts.
        community_name: name of the community; None for an alert about Anju itself, as the three after it.
        banner: 旗区.
        street: 街道.
        property_company: the company that manages the community.
        place: place within the community, in words.
        device: id of the device; None for an alert about several.
        kind: kind of the device.
        serial: serial number of the device.
        has_register: whether the kind has a register, to be read when the meter is replaced.
        on_duty: persons on duty for the community.
        why: reasons for the alert, in Chinese sentences.
        contacts: persons to call: the household first, then contractors.
        steps: what people have done so far, in order.
    """

    number: str
    alert_id: UUID
    made_at: datetime
    community: str | None
    community_name: str | None
    banner: str | None
    street: str | None
    property_company: str | None
    place: str
    device: str | None
    kind: str
    kind_zh: str
    serial: str | None
    has_register: bool
    severity: str
    severity_zh: str
    title: str
    message: str
    advice: str
    why: Sequence[str]
    opened_at: datetime
    ended_at: datetime | None
    process_zh: str
    attention_zh: str
    assignee: str | None
    on_duty: Sequence[str]
    contacts: Sequence[Contact]
    steps: Sequence[WorkStep]
    simulated: bool


def read_work_order(connection: Connection, alert_id: UUID, contacts: Contacts, now: datetime) -> WorkOrder | None:
    """Return the work order of an alert as it stands, or None if there is no such alert.

    The read of `contacts`, which work on the same connection, is recorded in its transaction.
    """
    alert = find_alert(connection, alert_id)
    if alert is None:
        return None
    community = find_community(connection, alert.community) if alert.community else None
    device = find_device(connection, alert.community, alert.device) if alert.community and alert.device else None
    kind = KIND_BY_NAME.get(alert.kind)
    transitions = list_transitions(connection, alert_id)
    return WorkOrder(
        number=str(alert.id)[:_NUMBER_DIGITS].upper(),
        alert_id=alert.id,
        made_at=now,
        community=alert.community,
        community_name=alert.community_name,
        banner=community.banner if community else None,
        street=community.street if community else None,
        property_company=community.property_company if community else None,
        place=alert.place,
        device=alert.device,
        kind=alert.kind,
        kind_zh=kind_label(alert.kind),
        serial=device.serial if device else None,
        has_register=bool(alert.device and kind and any(isinstance(each, Counter) for each in kind.fields)),
        severity=alert.severity,
        severity_zh=SEVERITY[alert.severity],
        title=alert.title,
        message=alert.message,
        advice=alert.advice,
        why=reasons_of(transitions, alert.kind),
        opened_at=alert.opened_at,
        ended_at=alert.ended_at,
        process_zh=PROCESS[alert.process],
        attention_zh=ATTENTION[alert.attention],
        assignee=alert.assignee,
        on_duty=names_on_duty(connection, alert.community, now) if alert.community else (),
        contacts=contacts.of_alert(alert_id) or (),
        steps=[_step(each) for each in transitions if each.axis == "attention" and each.actor],
        simulated=alert.simulated,
    )


def to_html(order: WorkOrder) -> str:
    """Return one page of A4 without external resources and without script."""
    return _template().render(order=order, style=_style())


@cache
def page_policy() -> str:
    """Return the Content-Security-Policy that lets the page have its own style and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _step(transition: StoredTransition) -> WorkStep:
    return WorkStep(
        at=transition.at, actor=transition.actor or "", act_zh=ACT.get(transition.reason, transition.reason),
        assignee=transition.inputs.get("assignee"), comment=transition.comment,
    )  # fmt: skip


@cache
def _style() -> str:
    return (files("handling") / "templates" / "work_order.css").read_text("utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("handling"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["minute"] = lambda at: f"{at.astimezone(CITY):%Y-%m-%d %H:%M}"
    return environment.get_template("work_order.html")
