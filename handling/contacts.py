"""Contacts of households and of contractors: read, set and removed by people, each recorded in the audit log.

The log holds neither names nor numbers: it outlives the erasure of a household.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from devices.seal import Seal, SealError
from handling.signature import Signature
from store.admin.audit import READ, Change, record_change
from store.alerts.alerts import find_alert
from store.database import Connection, StoreError
from store.registry.communities import find_community
from store.registry.contacts import (
    SEAL_PURPOSE,
    ContactFilter,
    ContactKey,
    ContactRow,
    contacts_for,
    delete_contact,
    find_contact,
    find_same,
    has_household,
    list_contacts,
    replace_phone,
    sealed_phones,
    store_contacts,
)

_SUBJECT = "contact"


class ContactRefusedError(StoreError):
    """A contact can't be set; `field` is the part at fault, and the message is for the person."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContact:
    """Contact to be set; see `store.registry.contacts.ContactRow`. `phone` is in the spelling of `devices.phone`."""

    community: str
    building: str = ""
    unit: str = ""
    room: str = ""
    company: str = ""
    kind: str = ""
    name: str
    role: str = ""
    phone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Stored contact with its number in clear; None if it was sealed under a secret key that is no longer known."""

    id: UUID
    community: str
    building: str
    unit: str
    room: str
    company: str
    kind: str
    name: str
    role: str
    phone: str | None
    changed_at: datetime
    changed_by: str

    @property
    def key(self) -> ContactKey:
        """Place in the order of a list."""
        return (self.community, self.building, self.unit, self.room, self.company, self.kind, self.name)


class Contacts:
    """Contacts behind their seal; each read and change is recorded in the transaction of the caller."""

    def __init__(self, connection: Connection, seal: Seal, signature: Signature, now: datetime) -> None:
        """Work for the author of a signature. `seal` may be one for any purpose."""
        self._connection = connection
        self._seal = seal.of(SEAL_PURPOSE)
        self._signature = signature
        self._now = now

    def page(self, wanted: ContactFilter, *, after: ContactKey | None, limit: int) -> Sequence[Contact]:
        """Return at most `limit` contacts beyond the key `after`, in the order of their keys."""
        rows = list_contacts(self._connection, wanted, after=after, limit=limit)
        parts = (wanted.community, wanted.building, wanted.unit, wanted.room)
        self._record(READ, "/".join(filter(None, parts)), {})
        return [self._opened(row) for row in rows]

    def of_alert(self, alert_id: UUID) -> Sequence[Contact] | None:
        """Return whom to call about an alert: its household first, then contractors; None if it is unknown."""
        alert = find_alert(self._connection, alert_id)
        if alert is None:
            return None
        if alert.community is None:
            return []
        household = (alert.community, alert.building or "", alert.unit or "", alert.room or "")
        rows = contacts_for(self._connection, household, alert.kind)
        self._record(READ, "/".join(filter(None, household)), {"alert": str(alert_id)})
        return [self._opened(row) for row in rows]

    def save(self, new: NewContact, key: str | None = None) -> Contact:
        """Add a contact, or change role and number of the one with the same place, company, kind and name.

        Raises:
            ContactRefusedError: The community or the household is not registered, or it is neither of a household nor
                of a contractor.
        """
        self._check(new)
        row = _row(new, uuid4(), b"", self._now, self._signature.shown)
        before = find_same(self._connection, row)
        contact_id = before.id if before else row.id
        sealed = self._seal.seal(str(contact_id), new.phone.encode())
        row = _row(new, contact_id, sealed, self._now, self._signature.shown)
        store_contacts(self._connection, [row])
        self._record("change" if before else "create", str(contact_id), _place(row), key)
        return self._opened(row)

    def get(self, contact_id: UUID) -> Contact | None:
        """Return a contact, which was set by a request that is repeated; None if it was removed since."""
        row = find_contact(self._connection, contact_id)
        return self._opened(row) if row else None

    def remove(self, contact_id: UUID, key: str | None = None) -> bool:
        """Delete a contact; False if it is unknown."""
        row = find_contact(self._connection, contact_id)
        if row is None:
            return False
        delete_contact(self._connection, contact_id)
        self._record("remove", str(contact_id), _place(row), key)
        return True

    def _check(self, new: NewContact) -> None:
        if bool(new.room) == bool(new.company):
            raise ContactRefusedError("room", "住户的联系人填房号，维修单位的联系人填单位名称，二者只能填一个")
        if new.company and (new.building or new.unit):
            raise ContactRefusedError("building", "维修单位的联系人属于整个小区，楼号和单元须留空")
        if new.kind and not new.company:
            raise ContactRefusedError("kind", "设备类型只用于维修单位的联系人")
        if find_community(self._connection, new.community) is None:
            raise ContactRefusedError("community", f"没有小区“{new.community}”")
        household = (new.community, new.building, new.unit, new.room)
        if new.room and not has_household(self._connection, household):
            raise ContactRefusedError("room", "没有登记这一户：楼号、单元、房号须与登记的完全一致")

    def _opened(self, row: ContactRow) -> Contact:
        phone = None
        with suppress(SealError):
            phone = self._seal.open(str(row.id), row.phone).decode()
        return Contact(
            id=row.id, community=row.community, building=row.building, unit=row.unit, room=row.room,
            company=row.company, kind=row.kind, name=row.name, role=row.role, phone=phone, changed_at=row.changed_at,
            changed_by=row.changed_by,
        )  # fmt: skip

    def _record(self, action: str, subject_id: str, after: Mapping[str, object], key: str | None = None) -> None:
        change = Change(
            at=self._now, actor=self._signature.actor, person=self._signature.person, action=action, subject=_SUBJECT,
            subject_id=subject_id, before={}, after=after, request_key=key,
        )  # fmt: skip
        record_change(self._connection, change)


def reseal_contacts(connection: Connection, seal: Seal) -> int:
    """Seal every phone number under the present secret key; return the number of those that were under an earlier one.

    One that is sealed under neither stays as it is.
    """
    seal = seal.of(SEAL_PURPOSE)
    renewed = 0
    for contact_id, sealed in sealed_phones(connection):
        with suppress(SealError):
            if (anew := seal.renew(str(contact_id), sealed)) is not None:
                replace_phone(connection, contact_id, sealed, anew)
                renewed += 1
    return renewed


def _row(new: NewContact, contact_id: UUID, phone: bytes, now: datetime, actor: str) -> ContactRow:
    return ContactRow(
        id=contact_id, community=new.community, building=new.building, unit=new.unit, room=new.room,
        company=new.company, kind=new.kind, name=new.name, role=new.role, phone=phone, changed_at=now, changed_by=actor,
    )  # fmt: skip


def _place(row: ContactRow) -> dict[str, str]:
    """Return whose contact it is, for the audit log."""
    whose = {"building": row.building, "unit": row.unit, "room": row.room, "company": row.company, "kind": row.kind}
    return {"community": row.community, **{name: text for name, text in whose.items() if text}}
