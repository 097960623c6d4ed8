"""The evidence of a verification: a community's registry, and the messages of its devices in a window of time.

Each fact is one set-based query.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from psycopg.rows import class_row

from devices.device import Service
from store.database import Connection, StoreError, translated_errors
from store.telemetry.rejections import RejectionCount, count_rejections_of_community
from store.telemetry.slots import SlotAnswer, SlotQuestion, read_slots
from store.telemetry.spool import count_spooled_of_community
from store.telemetry.window import Window
from store.telemetry.witnessed_tests import (
    ExpectedEvent,
    WitnessedTestFilter,
    WitnessedTestRow,
    list_witnessed_tests,
)


class UnknownCommunityError(StoreError):
    """No community has this id."""


@dataclass(frozen=True, slots=True)
class Community:
    """A community with the facts of the report."""

    id: str
    name: str
    banner: str
    street: str
    property_company: str | None = None
    built_year: int | None = None
    stage: str | None = None
    started_on: date | None = None
    planned_finish: date | None = None


@dataclass(frozen=True, slots=True)
class Household:
    """A registered household; their number is the denominator of every coverage."""

    building: str
    unit: str
    room: str


@dataclass(frozen=True, slots=True)
class RegisteredDevice:
    """A device as registered at the time of reading; `earlier_serials` are those of the meters that it replaced."""

    id: int
    name: str
    kind: str
    building: str = ""
    unit: str = ""
    room: str = ""
    location: str = ""
    gateway: str | None = None
    plan_item: str | None = None
    serial: str | None = None
    installed_on: date | None = None
    simulated: bool = False
    earlier_serials: tuple[str, ...] = ()
    service: str = Service.IN_SERVICE


@dataclass(frozen=True, slots=True)
class DeliveryQuestion:
    """How many of these events of a kind arrived within `limit` of their timestamp?"""

    kind: str
    events: tuple[str, ...]
    limit: timedelta


@dataclass(frozen=True, slots=True)
class DeliveryAnswer:
    """The answer for one device: the number of its events, and of the timely ones among them."""

    device_id: int
    total: int
    in_time: int


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions about telemetry, events and tests; `tolerance` applies to the edges of a slot, in periods."""

    slots: frozenset[SlotQuestion]
    deliveries: frozenset[DeliveryQuestion]
    tolerance: Decimal
    expected: tuple[ExpectedEvent, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The complete input of a verification. The order of rows has no meaning.

    `exempt` holds the households that do without a medium, by the record of a person. `waiting` counts the messages
    from before the end of the window that still wait in the spool.
    """

    window: Window
    community: Community
    households: tuple[Household, ...]
    devices: tuple[RegisteredDevice, ...]
    slots: Mapping[SlotQuestion, tuple[SlotAnswer, ...]]
    deliveries: Mapping[DeliveryQuestion, tuple[DeliveryAnswer, ...]]
    witnessed: tuple[WitnessedTestRow, ...] = ()
    rejections: tuple[RejectionCount, ...] = ()
    exempt: frozenset[tuple[Household, str]] = frozenset()
    waiting: int = 0


def read_evidence(connection: Connection, community: str, window: Window, questions: Questions) -> Evidence:
    """Read the evidence in one snapshot, so that the figures agree with the list of devices.

    This must be the first statement of its transaction.

    Raises:
        UnknownCommunityError: the community does not exist.
        DatabaseUnavailableError: the database is away.
    """
    with translated_errors():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        facts = _community(connection, community)
        households = _households(connection, community)
        devices = _devices(connection, community)
        tests = WitnessedTestFilter(community=community, start=window.start, end=window.end)
        return Evidence(
            window,
            facts,
            tuple(households),
            devices,
            {
                each: read_slots(connection, _ids_of_kind(devices, each.kind), window, each, questions.tolerance)
                for each in questions.slots
            },
            {each: _deliveries(connection, community, window, each) for each in questions.deliveries},
            tuple(list_witnessed_tests(connection, tests, questions.expected)),
            tuple(count_rejections_of_community(connection, community, window)),
            frozenset((household, medium) for household, media in households.items() for medium in media),
            count_spooled_of_community(connection, community, window.end),
        )


def _community(connection: Connection, community: str) -> Community:
    with connection.cursor(row_factory=class_row(Community)) as cursor:
        row = cursor.execute(
            """
            SELECT id, name, banner, street, property_company, built_year, stage, started_on, planned_finish
            FROM community WHERE id = %s
            """,
            (community,),
        ).fetchone()
    if row is None:
        raise UnknownCommunityError(f"no community has the id {community!r}: import it first, or correct the id")
    return row


def _households(connection: Connection, community: str) -> dict[Household, list[str]]:
    """Return the households, each with the media that it does without."""
    rows = connection.execute(
        """
        SELECT building, unit, room, string_to_array(exempt, ',') FROM household
        WHERE community = %s AND withdrawn_at IS NULL
        """,
        (community,),
    )
    return {Household(building, unit, room): exempt for building, unit, room, exempt in rows}


def _devices(connection: Connection, community: str) -> tuple[RegisteredDevice, ...]:
    with connection.cursor(row_factory=class_row(RegisteredDevice)) as cursor:
        return tuple(
            replace(device, earlier_serials=tuple(device.earlier_serials))
            for device in cursor.execute(
                """
                SELECT id, name, kind, building, unit, room, location, gateway, plan_item, serial, installed_on,
                       simulated, service,
                       ARRAY(
                           SELECT DISTINCT replacement.old_serial FROM meter_replacement AS replacement
                           WHERE replacement.device_id = device.id AND replacement.withdrawn_at IS NULL
                             AND replacement.old_serial IS NOT NULL
                           ORDER BY replacement.old_serial
                       ) AS earlier_serials
                FROM device WHERE community = %s AND withdrawn_at IS NULL
                """,
                (community,),
            )
        )


def _ids_of_kind(devices: Iterable[RegisteredDevice], kind: str) -> list[int]:
    return [device.id for device in devices if device.kind == kind]


def _deliveries(
    connection: Connection, community: str, window: Window, question: DeliveryQuestion
) -> tuple[DeliveryAnswer, ...]:
    """Count the timely events. A timestamp beyond the limit in the future is a wrong clock, not a timely delivery."""
    with connection.cursor(row_factory=class_row(DeliveryAnswer)) as cursor:
        return tuple(
            cursor.execute(
                """
                SELECT e.device_id, count(*) AS total,
                       count(*) FILTER (WHERE e.received_at - e.ts BETWEEN -%(limit)s AND %(limit)s) AS in_time
                FROM event AS e JOIN device AS d ON d.id = e.device_id
                WHERE d.community = %(community)s AND d.kind = %(kind)s AND e.event = ANY(%(events)s)
                  AND e.ts >= %(start)s AND e.ts < %(end)s
                GROUP BY e.device_id
                """,
                {
                    "community": community,
                    "kind": question.kind,
                    "events": list(question.events),
                    "limit": question.limit,
                    "start": window.start,
                    "end": window.end,
                },
            )
        )
