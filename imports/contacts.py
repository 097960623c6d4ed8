"""The import of contacts of households and contractors: all of a file, or nothing and the full list of problems."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from devices.seal import Seal, SealError
from imports.forms import CONTACTS
from imports.importer import ids_by_name, in_reading_order
from imports.sheet_file import read_sheet
from imports.spelling import respell
from imports.tables import ImportRefusedError, Problem, Table, read_table
from store.database import Connection
from store.registry.contacts import SEAL_PURPOSE, ContactKey, ContactRow, load_contacts, store_contacts
from store.registry.registry import HouseholdKey, load_community_names, load_households
from store.registry.upsert import CellValue, RowCounts

_PARTS = ("community", "building", "unit", "room", "company", "kind", "name")


@dataclass(frozen=True, slots=True)
class ContactsResult:
    """The result of an import of contacts, or of a dry run, with notes for the author of the file."""

    contacts: RowCounts
    notes: tuple[str, ...] = ()


def import_contacts(
    connection: Connection, path: Path, seal: Seal, *, actor: str, now: datetime, dry_run: bool = False
) -> ContactsResult:
    """Insert or update contacts from a CSV file or a workbook, inside the caller's transaction.

    A dry run checks the file in the same way and writes nothing.

    Raises:
        ImportRefusedError: the file cannot be used as it is; it holds every problem, and nothing was written.
    """
    seal = seal.of(SEAL_PURPOSE)
    sheet, problems, notes = read_sheet(path, CONTACTS)
    names = load_community_names(connection)
    table, table_problems = read_table(CONTACTS, sheet, ids_by_name(names))
    communities = sorted({str(community) for community, *_ in table.line_keys()})
    households = load_households(connection, communities)
    table = respell(table, households)
    found = [*problems, *table_problems]
    if not problems:
        found += _problems(table, names, households)
    if found:
        raise ImportRefusedError(in_reading_order(found, [table]))
    stored = load_contacts(connection, communities)
    rows, counts = _changes(table, stored, seal, actor, now)
    if not dry_run:
        store_contacts(connection, rows)
    return ContactsResult(counts, tuple(map(str, in_reading_order([*notes, *table.notes], [table]))))


def _problems(table: Table, communities: Mapping[str, str], households: set[HouseholdKey]) -> Iterator[Problem]:
    """Yield every problem between the lines, and between them and the registry."""
    first: dict[ContactKey, int] = {}
    for line, row in table.records():
        if None in {row.get("community"), row.get("name")}:
            continue
        key = _key(row)
        if first.setdefault(key, line) != line:
            yield Problem(table.file, line, "name", f"同一处的 {key[-1]} 与第 {first[key]} 行重复")
        for column, message in _faults(key, communities, households):
            yield Problem(table.file, line, column, message)


def _faults(
    key: ContactKey, communities: Mapping[str, str], households: set[HouseholdKey]
) -> Iterator[tuple[str, str]]:
    community, building, unit, room, company, kind, _ = key
    if community not in communities:
        yield "community", f"小区 {community} 未登记：请先导入该小区"
    elif bool(room) == bool(company):
        yield "room", "住户的联系人填房号，维修单位的联系人填单位，二者只能填一个"
    elif company and (building or unit):
        yield "building", "维修单位的联系人属于整个小区：楼号和单元须留空"
    elif kind and not company:
        yield "kind", "设备类型只用于维修单位的联系人：住户的须留空"
    elif room and (community, building, unit, room) not in households:
        yield "room", f"小区 {community} 没有登记住户 楼“{building}”、单元“{unit}”、房号“{room}”：请先登记，或改正位置"


def _changes(
    table: Table, stored: Mapping[ContactKey, ContactRow], seal: Seal, actor: str, now: datetime
) -> tuple[list[ContactRow], RowCounts]:
    """Return the contacts that are new or differ, and the numbers of all."""
    rows: list[ContactRow] = []
    created = unchanged = 0
    for _, row in table.records():
        key = _key(row)
        before, phone = stored.get(key), str(row["phone"])
        role = before.role if before and "role" not in row else str(row.get("role") or "")
        if before and before.role == role and _has_phone(before, phone, seal):
            unchanged += 1
            continue
        created += before is None
        contact_id = before.id if before else uuid4()
        values = dict(zip(_PARTS, key, strict=True))
        sealed = seal.seal(str(contact_id), phone.encode())
        rows.append(ContactRow(**values, id=contact_id, role=role, phone=sealed, changed_at=now, changed_by=actor))
    return rows, RowCounts(created, len(rows) - created, unchanged)


def _key(row: Mapping[str, CellValue]) -> ContactKey:
    community, building, unit, room, company, kind, name = (str(row.get(part) or "") for part in _PARTS)
    return community, building, unit, room, company, kind, name


def _has_phone(row: ContactRow, phone: str, seal: Seal) -> bool:
    try:
        return seal.open(str(row.id), row.phone) == phone.encode()
    except SealError:
        return False  # under a lost key: it is set anew
