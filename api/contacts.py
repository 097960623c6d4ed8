"""Routes of contacts of households and of contractors. Only the property company and administrators see them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field, field_validator

from api import messages_zh
from api.alerts import AlertId, UnknownAlertProblem
from api.changes import Idempotent, Signed
from api.household_reads import AuditedRead
from api.models import ResponseModel
from api.paging import Cursor, Page, PageQuery
from api.parameters import Store, read_clock
from api.problems import InvalidProblem, Mistake, UnknownProblem, problem_responses
from api.validation_zh import ParameterError
from devices.phone import PhoneError, normal_phone
from devices.seal import Seal
from handling import maintenance_zh
from handling.contacts import Contact as StoredContact
from handling.contacts import ContactRefusedError, Contacts, NewContact
from handling.signature import Signature
from handling.text import Name, Word
from rules.model.virtual_kinds import RULE_KINDS
from store.registry.contacts import ContactFilter

router = APIRouter(tags=["contacts 联系人"])
_cursor = Cursor("contacts", tuple[str, str, str, str, str, str, str])

ContactId = Annotated[UUID, Path(description="The id of a contact.")]


class UnknownContactProblem(UnknownProblem):
    """No contact has the id of the path."""

    def __init__(self) -> None:
        """Say where they are listed."""
        super().__init__(
            "There is no contact of that id; GET /api/v1/contacts lists them.", messages_zh.CONTACT_NOT_FOUND
        )


class Contact(ResponseModel):
    """Person to call: of a household (`room`), or of a contractor of the community (`company`)."""

    id: UUID
    community: str = Field(examples=["jinhe-yuan"])
    building: str = Field(examples=["3"])
    unit: str = Field(examples=["2"])
    room: str = Field(description="Empty for a contractor.", examples=["501"])
    company: str = Field(description="Empty for a household.", examples=[""])
    kind: str = Field(description="The device kind that a contractor looks after; empty is all.", examples=[""])
    name: str = Field(examples=["张三"])
    role: str = Field(examples=["业主"])
    phone: str | None = Field(
        description="Digits only; null if it was stored under a secret key that is no longer known.",
        examples=["13812345678"],
    )
    changed_at: datetime
    changed_by: str


class Removed(ResponseModel):
    """Contact that was removed."""

    id: UUID


class ContactEntry(Signed):
    """Contact to be set. Give `room` with building and unit, or `company`."""

    community: Word = Field(examples=["jinhe-yuan"])
    building: Word = Field("", examples=["3"])
    unit: Word = Field("", examples=["2"])
    room: Word = Field("", examples=["501"])
    company: Annotated[Word, Field(max_length=100)] = ""
    kind: Word = Field("", description="Of a contractor: the device kind that it looks after; empty is all.")
    name: Name = Field(examples=["张三"])
    role: Annotated[Word, Field(max_length=100, examples=["业主"])] = ""
    phone: Word = Field(examples=["138 1234 5678"], description="A number of China, as people write it.")

    @field_validator("phone")
    @classmethod
    def _is_a_number(cls, phone: str) -> str:
        try:
            return normal_phone(phone)
        except PhoneError as error:
            raise ParameterError("is no telephone number of China", str(error)) from None


class ContactsQuery(PageQuery):
    """Filters of the list of contacts."""

    community: Word | None = Field(None, description="The id of a community.")
    building: Word | None = Field(None, description="A building as it is registered.")
    unit: Word | None = Field(None, description="A unit of the building.")
    room: Word | None = Field(None, description="A room of the unit.")
    of_household: bool | None = Field(None, description="Only those of households, or only those of contractors.")


def _seal(request: Request) -> Seal:
    seal = request.app.state.seal
    assert isinstance(seal, Seal)  # noqa: S101
    return seal


OwnSeal = Annotated[Seal, Depends(_seal)]


@router.get("/contacts", summary="List contacts (联系人)")
def list_contacts(
    store: Store, read: AuditedRead, seal: OwnSeal, query: Annotated[ContactsQuery, Query()]
) -> Page[Contact]:
    """Contacts by community, place and company. Each read is in the audit log."""
    wanted = ContactFilter(**query.model_dump(exclude={"limit", "cursor"}))
    after = _cursor.decode(query.cursor)
    with store.connection() as connection:
        rows = Contacts(connection, seal, reader_of(read), read.now).page(wanted, after=after, limit=query.limit + 1)
    return Page[Contact].of(rows, query.limit, _shown, lambda row: _cursor.encode(row.key))


@router.get(
    "/alerts/{alert_id}/contacts",
    summary="List whom to call about an alert (联系人)",
    responses=problem_responses(UnknownAlertProblem()),
)
def list_alert_contacts(store: Store, read: AuditedRead, seal: OwnSeal, alert_id: AlertId) -> Page[Contact]:
    """The household of the device first, then the contractors of the community for its kind. The read is recorded."""
    with store.connection() as connection:
        rows = Contacts(connection, seal, reader_of(read), read.now).of_alert(alert_id)
    if rows is None:
        raise UnknownAlertProblem
    return Page[Contact](items=[_shown(row) for row in rows], next_cursor=None)


@router.post("/contacts", summary="Set a contact (联系人)", status_code=201)
def set_contact(request: Idempotent, seal: OwnSeal, entry: ContactEntry) -> Contact:
    """Add a contact, or change role and number of the one with the same place, company, kind and name."""
    signature, now = request.sign(entry), read_clock()
    if entry.kind and entry.kind not in RULE_KINDS:
        raise InvalidProblem(Mistake(["body", "kind"], maintenance_zh.unknown_kind(entry.kind), "unknown_kind"))
    with request.store.connection() as connection:
        contacts = Contacts(connection, seal, signature, now)
        earlier = request.earlier_subject_id(connection, "create", "contact", None) if request.key else None
        if earlier:
            contact = contacts.get(UUID(earlier))
            if contact is None:
                raise UnknownContactProblem
            return _shown(contact)
        try:
            return _shown(contacts.save(NewContact(**entry.model_dump(exclude={"by"})), request.key))
        except ContactRefusedError as error:
            raise InvalidProblem(Mistake(["body", error.field], str(error), "contact_refused")) from None


@router.post(
    "/contacts/{contact_id}/remove", summary="Remove a contact", responses=problem_responses(UnknownContactProblem())
)
def remove_contact(request: Idempotent, seal: OwnSeal, contact_id: ContactId, note: Signed | None = None) -> Removed:
    """Delete a contact for good. The audit log keeps whose it was, without name and number."""
    signature = request.sign(note)
    with request.store.connection() as connection:
        earlier = request.earlier_subject_id(connection, "remove", "contact", str(contact_id))
        contacts = Contacts(connection, seal, signature, read_clock())
        if earlier is None and not contacts.remove(contact_id, request.key):
            raise UnknownContactProblem
    return Removed(id=contact_id)


def reader_of(read: AuditedRead) -> Signature:
    """Return the signature of a read."""
    return Signature(read.principal.name, read.principal.person, read.principal.display_name)


def _shown(contact: StoredContact) -> Contact:
    return Contact.model_validate(contact)
