"""Contacts of households and of contractors; their phone numbers are sealed before they come here."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from store.database import Connection
from store.registry.registry import HouseholdKey

SEAL_PURPOSE = "contact"
"""Purpose of the seal on phone numbers; the owner of each is the id of its contact."""


ContactKey = tuple[str, str, str, str, str, str, str]
"""Community, building, unit, room, company, kind and name: what identifies a contact besides its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRow:
    """Person to call, of a household (`room`) or of a contractor (`company`); `phone` is sealed.

    `kind` limits a contractor to devices of that kind; empty is all. `role` is free text, such as 业主 or 值班.
    """

    id: UUID
    community: str
    building: str = ""
    unit: str = ""
    room: str = ""
    company: str = ""
    kind: str = ""
    name: str
    role: str = ""
    phone: bytes
    changed_at: datetime
    changed_by: str

    @property
    def key(self) -> ContactKey:
        """What identifies the contact besides its id."""
        return (self.community, self.building, self.unit, self.room, self.company, self.kind, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactFilter:
    """Conditions on contacts; None is no condition.

    `of_household` is True for households and False for contractors.
    """

    community: str | None = None
    building: str | None = None
    unit: str | None = None
    room: str | None = None
    of_household: bool | None = None


_STORED: LiteralString = "SELECT * FROM contact"


def list_contacts(
    connection: Connection, wanted: ContactFilter, *, after: ContactKey | None = None, limit: int
) -> list[ContactRow]:
    """Return at most `limit` contacts beyond the key `after`, in the order of their keys."""
    with connection.cursor(row_factory=class_row(ContactRow)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                {stored}
                WHERE (%(community)s::text IS NULL OR community = %(community)s)
                  AND (%(building)s::text IS NULL OR building = %(building)s)
                  AND (%(unit)s::text IS NULL OR unit = %(unit)s)
                  AND (%(room)s::text IS NULL OR room = %(room)s)
                  AND (%(of_household)s::bool IS NULL OR (room <> '') = %(of_household)s)
                  AND (%(after)s::text[] IS NULL OR (community, building, unit, room, company, kind, name) >
                       (%(after)s[1], %(after)s[2], %(after)s[3], %(after)s[4], %(after)s[5], %(after)s[6],
                        %(after)s[7]))
                ORDER BY community, building, unit, room, company, kind, name
                LIMIT %(limit)s
                """
            ).format(stored=sql.SQL(_STORED)),
            {
                "community": wanted.community, "building": wanted.building, "unit": wanted.unit, "room": wanted.room,
                "of_household": wanted.of_household, "after": list(after) if after else None, "limit": limit,
            },
        ).fetchall()  # fmt: skip


def contacts_for(connection: Connection, household: HouseholdKey, kind: str) -> list[ContactRow]:
    """Return the persons to call about a device of a kind at a place: its household first, then contractors."""
    community, building, unit, room = household
    with connection.cursor(row_factory=class_row(ContactRow)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                {stored}
                WHERE community = %(community)s
                  AND (room <> '' AND (building, unit, room) = (%(building)s, %(unit)s, %(room)s)
                       OR company <> '' AND kind IN ('', %(kind)s))
                ORDER BY company = '' DESC, kind DESC, company, name
                """
            ).format(stored=sql.SQL(_STORED)),
            {"community": community, "building": building, "unit": unit, "room": room, "kind": kind},
        ).fetchall()


def find_contact(connection: Connection, contact_id: UUID) -> ContactRow | None:
    """Return a contact by its id, or None; it stays as it is until the transaction ends."""
    with connection.cursor(row_factory=class_row(ContactRow)) as cursor:
        return cursor.execute(sql.SQL("{} WHERE id = %s FOR UPDATE").format(sql.SQL(_STORED)), (contact_id,)).fetchone()


def find_same(connection: Connection, row: ContactRow) -> ContactRow | None:
    """Return the stored contact with the key of another, or None; it stays as it is until the transaction ends."""
    with connection.cursor(row_factory=class_row(ContactRow)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                {}
                WHERE (community, building, unit, room, company, kind, name) = (%s, %s, %s, %s, %s, %s, %s)
                FOR UPDATE
                """
            ).format(sql.SQL(_STORED)),
            row.key,
        ).fetchone()


def load_contacts(connection: Connection, communities: list[str]) -> dict[ContactKey, ContactRow]:
    """Return the contacts of some communities by key."""
    with connection.cursor(row_factory=class_row(ContactRow)) as cursor:
        rows = cursor.execute(
            sql.SQL("{} WHERE community = ANY (%s)").format(sql.SQL(_STORED)), (communities,)
        ).fetchall()
    return {row.key: row for row in rows}


def store_contacts(connection: Connection, rows: Iterable[ContactRow]) -> None:
    """Insert contacts, or replace role, phone and author of those with the same id."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO contact (id, community, building, unit, room, company, kind, name, role, phone, changed_at,
                                 changed_by)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (id) DO UPDATE
            SET role = excluded.role, phone = excluded.phone, changed_at = excluded.changed_at,
                changed_by = excluded.changed_by
            """,
            [
                (
                    row.id, row.community, row.building, row.unit, row.room, row.company, row.kind, row.name, row.role,
                    row.phone, row.changed_at, row.changed_by,
                )
                for row in rows
            ],
        )  # fmt: skip


def has_household(connection: Connection, household: HouseholdKey) -> bool:
    """Return whether a household is registered."""
    return bool(
        connection.execute(
            """
            SELECT FROM household
            WHERE (community, building, unit, room) = (%s, %s, %s, %s) AND withdrawn_at IS NULL
            """,
            household,
        ).rowcount
    )


def delete_contact(connection: Connection, contact_id: UUID) -> None:
    """Delete a contact."""
    connection.execute("DELETE FROM contact WHERE id = %s", (contact_id,))


def sealed_phones(connection: Connection) -> list[tuple[UUID, bytes]]:
    """Return id and sealed phone number of every contact."""
    return connection.execute("SELECT id, phone FROM contact").fetchall()


def replace_phone(connection: Connection, contact_id: UUID, before: bytes, after: bytes) -> None:
    """Replace a sealed phone number, unless it has been changed since it was read."""
    connection.execute("UPDATE contact SET phone = %s WHERE id = %s AND phone = %s", (after, contact_id, before))
