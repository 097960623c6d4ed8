"""Erasure of personal data: of a plate or a door user, found by keyed hash, or of the devices of a household.

The record of a request stays for 30 days, and ingest leaves out of later messages what was sent before it. What is
stored goes in a second transaction.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple

from psycopg import sql

from devices.catalogue import KINDS
from devices.kind import Identity, Personal
from store.database import Connection
from store.registry.registry import HouseholdKey
from store.telemetry.schema import table_name

PERSONAL_FIELDS: dict[Identity, tuple[str, ...]] = {
    identity: tuple(
        sorted(
            {
                item.name
                for kind in KINDS
                for event in kind.events
                for item in event.data
                if isinstance(item, Personal) and item.identity is identity
            }
        )
    )
    for identity in Identity
}
ERASED_TEXT = "（住户数据已按申请删除）"


class Erasures(NamedTuple):
    """The requests in force: up to which time data is left out, by person and by device.

    A person is the digest of a keyed hash, and a community or None for all. `newest` is the number of the last request.
    """

    newest: int
    persons: Mapping[tuple[bytes, str | None], datetime]
    devices: Mapping[int, datetime]


class Person(NamedTuple):
    """A plate or a door user, by the hashes under all secret keys; `community` limits it, None is everywhere.

    `masked` is the displayed form.
    """

    identity: Identity
    hashes: Sequence[str]
    masked: str
    community: str | None = None


class HouseholdDevices(NamedTuple):
    """A registered household and the ids of its devices, withdrawn ones included."""

    key: HouseholdKey
    device_ids: list[int]


class _Part(NamedTuple):
    """A table with personal data: the rows concerned, and the statement that removes it from them."""

    name: str
    table: sql.Composable
    condition: sql.Composable
    change: sql.Composable


def digest_of(keyed_hash: str) -> bytes:
    """Return the form of a keyed hash in the record of a request."""
    return hashlib.sha256(keyed_hash.encode()).digest()


def load_erasures(connection: Connection) -> Erasures:
    """Return the requests in force; no other is recorded until the caller's transaction ends."""
    rows = connection.execute("SELECT id, digest, community, device_id, until FROM erasure ORDER BY id").fetchall()
    return Erasures(
        max((row[0] for row in rows), default=0),
        {(bytes(digest), community): until for _, digest, community, _, until in rows if digest},
        {device_id: until for _, _, _, device_id, until in rows if device_id},
    )


def find_household(connection: Connection, path: str) -> HouseholdDevices | None:
    """Return the household `community/building/unit/room` with its devices; None if neither is registered."""
    rows = connection.execute(
        """
        SELECT community, building, unit, room, NULL::bigint FROM household
        WHERE concat_ws('/', community, building, unit, room) = %(path)s
        UNION ALL
        SELECT community, building, unit, room, id FROM device
        WHERE concat_ws('/', community, building, unit, room) = %(path)s AND room <> ''
        """,
        {"path": path},
    ).fetchall()
    return HouseholdDevices(rows[0][:4], sorted(row[4] for row in rows if row[4])) if rows else None


def record_person(connection: Connection, person: Person, until: datetime) -> dict[str, int]:
    """Record the request to erase a person, and take the person out of the state of the rules, in a transaction.

    Ingest reads that state anew before its next transaction.

    Returns:
        The number of rows by table.
    """
    _wait_for_readers(connection)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO erasure (digest, community, until) VALUES (%s, %s, %s)",
            [(digest_of(each), person.community, until) for each in person.hashes],
        )
    return _carry_out(connection, [_state_of_rules(person)], _parameters(person, until), dry_run=False)


def record_household(connection: Connection, household: HouseholdDevices, until: datetime) -> None:
    """Record the request to erase a household, and take its values out of the state of the rules, in a transaction.

    Ingest reads that state anew before its next transaction.
    """
    _wait_for_readers(connection)
    devices = (household.device_ids,)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO erasure (device_id, until) VALUES (%s, %s)", [(each, until) for each in household.device_ids]
        )
    connection.execute("UPDATE device_state SET last_values = '{}', tracks = NULL WHERE device_id = ANY (%s)", devices)
    connection.execute("DELETE FROM device_checkpoint WHERE device_id = ANY (%s)", devices)
    connection.execute(
        """
        UPDATE rule_state SET memory = jsonb_set(memory, '{inputs}', (memory -> 'inputs') - %s::text[])
        WHERE device_id = ANY (%s)
        """,
        (_VALUES, *devices),
    )


def erase_person(connection: Connection, person: Person, until: datetime, *, dry_run: bool) -> dict[str, int]:
    """Remove hash and mask of a person from all tables, inside the caller's transaction, after `record_person`.

    The events stay, without a trace of the person: reports count them, and a repetition is recognised.

    Returns:
        The number of rows by table; with `dry_run` nothing is changed, and the state of the rules is counted too.
    """
    parts = [*([_state_of_rules(person)] if dry_run else []), *_parts_of_person(person)]
    return _carry_out(connection, parts, _parameters(person, until), dry_run=dry_run)


def count_by_community(connection: Connection, person: Person, until: datetime) -> dict[str, int]:
    """Return the number of the events of a person by community."""
    rows = connection.execute(
        sql.SQL(
            """
            SELECT device.community, count(*) FROM event JOIN device ON device.id = event.device_id
            WHERE {} GROUP BY 1 ORDER BY 1
            """
        ).format(_of_person(person)),
        _parameters(person, until),
    )
    return dict(rows.fetchall())


def erase_household(
    connection: Connection, household: HouseholdDevices, until: datetime, *, dry_run: bool
) -> dict[str, int]:
    """Remove the data of the devices of a household from all tables, inside the caller's transaction.

    Registry, alerts without their values, numbers of rejections, witnessed tests and issued reports stay.

    Returns:
        The number of rows by table; with `dry_run` nothing is changed.
    """
    parameters = {
        "devices": household.device_ids, "until": until, "values": _VALUES, "text": ERASED_TEXT,
        **dict(zip(("community", "building", "unit", "room"), household.key, strict=True)),
    }  # fmt: skip
    if not dry_run:
        connection.execute("UPDATE registry_version SET version = version + 1")  # it holds the replacements of meters
    return _carry_out(connection, _PARTS_OF_HOUSEHOLD, parameters, dry_run=dry_run)


def _wait_for_readers(connection: Connection) -> None:
    """Wait for the transactions of ingest under way: the next ones see what this transaction records."""
    connection.execute("LOCK TABLE erasure IN ACCESS EXCLUSIVE MODE")


def _carry_out(
    connection: Connection, parts: Sequence[_Part], parameters: Mapping[str, object], *, dry_run: bool
) -> dict[str, int]:
    """Carry out, or count, the parts in their order; return the number of rows by table."""
    begins = {part.name: sql.SQL("SELECT FROM {}").format(part.table) if dry_run else part.change for part in parts}
    return {
        part.name: connection.execute(
            sql.SQL("{} WHERE {}").format(begins[part.name], part.condition), parameters
        ).rowcount
        for part in parts
    }


def _parameters(person: Person, until: datetime) -> dict[str, object]:
    return {
        "hashes": list(person.hashes),
        "community": person.community,
        "until": until,
        "masked": person.masked,
        "personal": [f"{name}_{form}" for name in PERSONAL_FIELDS[person.identity] for form in ("hash", "masked")],
    }


def _of_person(person: Person) -> sql.Composed:
    """Return the condition on the events of a person."""
    found = sql.SQL(" OR ").join(
        sql.SQL("event.data ->> {} = ANY (%(hashes)s)").format(sql.Literal(f"{name}_hash"))
        for name in PERSONAL_FIELDS[person.identity]
    )
    return sql.SQL("({}) AND {} AND event.ts <= %(until)s").format(found, sql.SQL(_IN_COMMUNITY))


def _caused_by(person: Person, table: LiteralString, inputs: LiteralString) -> sql.Composed:
    """Return the condition on the rows of a table whose inputs, or the sample that cleared them, are of a person."""
    of_person = _of_person(person)
    either = [
        sql.SQL(
            """
            ({sample} -> 'values' ?| %(personal)s::text[] AND EXISTS (
                SELECT FROM event
                WHERE event.device_id = {table}.device_id AND event.event = {sample} ->> 'event'
                  AND event.ts = ({sample} ->> 'ts')::timestamptz AND {of_person}
            ))
            """
        ).format(table=sql.Identifier(table), sample=sample, of_person=of_person)
        for sample in (sql.SQL(inputs), sql.SQL("({} -> 'cleared')").format(sql.SQL(inputs)))
    ]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(either))


def _without_person(person: Person, inputs: LiteralString) -> sql.Composed:
    """Return the inputs without the values of a person."""
    names = [f"{name}_{form}" for name in PERSONAL_FIELDS[person.identity] for form in ("hash", "masked")]
    paths = [[*path, name] for path in (["values"], ["cleared", "values"]) for name in names]
    removed = [sql.SQL("#- {}::text[]").format(sql.Literal(path)) for path in paths]
    return sql.SQL("({} {})").format(sql.SQL(inputs), sql.SQL(" ").join(removed))


def _state_of_rules(person: Person) -> _Part:
    inputs = _without_person(person, "memory -> 'inputs'")
    return _Part(
        "rule_state",
        sql.SQL("rule_state"),
        _caused_by(person, "rule_state", "(rule_state.memory -> 'inputs')"),
        sql.SQL("UPDATE rule_state SET memory = jsonb_set(memory, '{{inputs}}', {})").format(inputs),
    )


def _parts_of_person(person: Person) -> list[_Part]:
    """Return the parts in their order: the events last, since the others are found by them."""
    of_step = _caused_by(person, "alert_transition", "alert_transition.inputs")
    inputs = _without_person(person, "inputs")
    return [
        _Part(
            "alert",
            sql.SQL("alert"),
            sql.SQL("id IN (SELECT alert_id FROM alert_transition WHERE {})").format(of_step),
            sql.SQL(
                """
                UPDATE alert SET title = replace(title, %(masked)s, '***'), advice = replace(advice, %(masked)s, '***'),
                                 message = replace(message, %(masked)s, '***')
                """
            ),
        ),
        _Part(
            "alert_transition",
            sql.SQL("alert_transition"),
            of_step,
            sql.SQL("UPDATE alert_transition SET inputs = {}").format(inputs),
        ),
        _Part(
            "shadow_transition",
            sql.SQL("shadow_transition"),
            _caused_by(person, "shadow_transition", "shadow_transition.inputs"),
            sql.SQL("UPDATE shadow_transition SET message = replace(message, %(masked)s, '***'), inputs = {}").format(
                inputs
            ),
        ),
        _Part(
            "event",
            sql.SQL("event"),
            _of_person(person),
            sql.SQL("UPDATE event SET data = data - %(personal)s::text[]"),
        ),
    ]


_IN_COMMUNITY: LiteralString = """
    (%(community)s::text IS NULL OR event.device_id IN (SELECT id FROM device WHERE community = %(community)s))
"""
_VALUES = ["values", "last_known", "cleared"]
_OF_DEVICES = sql.SQL("device_id = ANY (%(devices)s)")
_SENT_BEFORE = sql.SQL("device_id = ANY (%(devices)s) AND ts <= %(until)s")
_PARTS_OF_HOUSEHOLD = [
    *(
        _Part(name, sql.Identifier(name), _SENT_BEFORE, sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
        for name in (*(table_name(kind.name) for kind in KINDS), "event")
    ),
    _Part("rejection", sql.SQL("rejection"), _OF_DEVICES, sql.SQL("DELETE FROM rejection")),
    _Part(
        "meter_replacement",
        sql.SQL("meter_replacement"),
        sql.SQL("device_id = ANY (%(devices)s) AND at <= %(until)s"),
        sql.SQL("DELETE FROM meter_replacement"),
    ),
    _Part(
        "contact",
        sql.SQL("contact"),
        sql.SQL("(community, building, unit, room) = (%(community)s, %(building)s, %(unit)s, %(room)s)"),
        sql.SQL("DELETE FROM contact"),
    ),
    _Part(
        "attachment",
        sql.SQL("attachment"),
        sql.SQL(
            """
            removed_at IS NULL AND added_at <= %(until)s
            AND alert_id IN (SELECT id FROM alert WHERE device_id = ANY (%(devices)s))
            """
        ),
        sql.SQL(
            """
            UPDATE attachment SET content = NULL, caption = '', removed_at = %(until)s, removed_by = 'anju erase'
            """
        ),
    ),
    _Part(
        "alert",
        sql.SQL("alert"),
        sql.SQL("device_id = ANY (%(devices)s) AND opened_at <= %(until)s"),
        sql.SQL("UPDATE alert SET message = %(text)s"),
    ),
    _Part(
        "alert_transition",
        sql.SQL("alert_transition"),
        sql.SQL("device_id = ANY (%(devices)s) AND at <= %(until)s"),
        sql.SQL("UPDATE alert_transition SET inputs = inputs - %(values)s::text[]"),
    ),
    _Part(
        "shadow_transition",
        sql.SQL("shadow_transition"),
        sql.SQL("device_id = ANY (%(devices)s) AND at <= %(until)s"),
        sql.SQL("UPDATE shadow_transition SET message = %(text)s, inputs = inputs - %(values)s::text[]"),
    ),
]
