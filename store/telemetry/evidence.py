"""What a verification is judged on: the registry of a community, and what was received from its devices in a window.

Each fact is one set-based query. A reporting period is a *slot*; the slots are counted from the start of the window.
A message fills the slot it lies in and, within the tolerance, the neighbour whose edge it strayed over: clocks that
jitter around an edge would otherwise lose every second slot. No device fills more slots than it sent messages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store.database import Connection, StoreError, translated_errors
from store.telemetry.schema import table_name

_LATEST = timedelta(days=7)
"""A message that arrived in the window is looked for among timestamps up to so much older: it bounds the scan."""

_EARLIEST = timedelta(minutes=5)
"""Ingestion refuses what lies further in the future."""


class UnknownCommunityError(StoreError):
    """No community has this id."""


class WindowError(StoreError, ValueError):
    """Two times that are no window."""


class Clock(StrEnum):
    """The time of a message: the device's own, or ours when it arrived. The values are column names."""

    DEVICE = "ts"
    ARRIVAL = "received_at"


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open interval of time, `start` included, `end` not."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse what is not an interval.

        Raises:
            WindowError: a time without offset, or an end that is not after the start.
        """
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise WindowError("a window needs times with an offset from UTC, such as 2026-11-15T00:00:00+08:00")
        if self.end <= self.start:
            raise WindowError(f"a window must end after it starts: {self.start.isoformat()} .. {self.end.isoformat()}")

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Community:
    """A community as its report names it."""

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
    """A registered household; the list of them is the denominator of every coverage."""

    building: str
    unit: str
    room: str


@dataclass(frozen=True, slots=True)
class RegisteredDevice:
    """A device as it was registered when the evidence was read."""

    id: int
    name: str
    kind: str
    building: str = ""
    unit: str = ""
    room: str = ""
    gateway: str | None = None
    plan_item: str | None = None
    serial: str | None = None
    installed_on: date | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class SlotQuestion:
    """In how many slots of `period` was a device of `kind` heard, by which clock, with a value of `field` if named?"""

    kind: str
    clock: Clock
    period: timedelta
    field: str | None = None


@dataclass(frozen=True, slots=True)
class SlotAnswer:
    """One device that was heard: slots filled, its last message, and the longest time without one."""

    device_id: int
    filled: int
    last_at: datetime
    gap_start: datetime
    gap_end: datetime


@dataclass(frozen=True, slots=True)
class DeliveryQuestion:
    """How many of these events of a kind arrived within `limit` of the instant they happened?"""

    kind: str
    events: tuple[str, ...]
    limit: timedelta


@dataclass(frozen=True, slots=True)
class DeliveryAnswer:
    """One device that sent such events: how many, and how many of them in time."""

    device_id: int
    total: int
    in_time: int


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked of the telemetry and events; `tolerance` is that of a slot's edges, in periods."""

    slots: frozenset[SlotQuestion]
    deliveries: frozenset[DeliveryQuestion]
    tolerance: Decimal


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a verification may look at. The order of rows has no meaning."""

    window: Window
    community: Community
    households: tuple[Household, ...]
    devices: tuple[RegisteredDevice, ...]
    slots: Mapping[SlotQuestion, tuple[SlotAnswer, ...]]
    deliveries: Mapping[DeliveryQuestion, tuple[DeliveryAnswer, ...]]


def read_evidence(connection: Connection, community: str, window: Window, questions: Questions) -> Evidence:
    """Read everything in one snapshot, so that figures and device list belong together.

    It must be the first thing its transaction does.

    Raises:
        UnknownCommunityError: no such community.
        DatabaseUnavailableError: the database is away.
    """
    with translated_errors():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return Evidence(
            window,
            _community(connection, community),
            _households(connection, community),
            _devices(connection, community),
            {each: _slots(connection, community, window, each, questions.tolerance) for each in questions.slots},
            {each: _deliveries(connection, community, window, each) for each in questions.deliveries},
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


def _households(connection: Connection, community: str) -> tuple[Household, ...]:
    with connection.cursor(row_factory=class_row(Household)) as cursor:
        return tuple(cursor.execute("SELECT building, unit, room FROM household WHERE community = %s", (community,)))


def _devices(connection: Connection, community: str) -> tuple[RegisteredDevice, ...]:
    with connection.cursor(row_factory=class_row(RegisteredDevice)) as cursor:
        return tuple(
            cursor.execute(
                """
                SELECT id, name, kind, building, unit, room, gateway, plan_item, serial, installed_on, simulated
                FROM device WHERE community = %s
                """,
                (community,),
            )
        )


_SLOTS = """
WITH heard AS MATERIALIZED (
    SELECT t.device_id, t.{clock} AS at
    FROM {table} AS t JOIN device AS d ON d.id = t.device_id
    WHERE d.community = %(community)s AND d.kind = %(kind)s
      AND t.ts >= %(oldest)s AND t.ts < %(newest)s
      AND t.{clock} >= %(start)s - %(tolerance)s AND t.{clock} < %(end)s + %(tolerance)s
      AND {present}
), filled AS (
    SELECT device_id, count(DISTINCT slot) AS slots
    FROM heard, LATERAL (VALUES (%(tolerance)s), (-%(tolerance)s)) AS stray (shift),
         LATERAL (SELECT floor(extract(epoch FROM at + stray.shift - %(start)s) / %(period_s)s) AS slot) AS numbered
    WHERE slot >= 0 AND slot < %(slots)s
    GROUP BY device_id
), total AS (
    SELECT device_id, count(DISTINCT at) AS messages, max(at) AS last_at FROM heard GROUP BY device_id
), silence AS (
    SELECT device_id, lag(at, 1, %(start)s) OVER (PARTITION BY device_id ORDER BY at) AS gap_start, at AS gap_end
    FROM heard
    UNION ALL SELECT device_id, last_at, %(end)s FROM total
), longest AS (
    SELECT DISTINCT ON (device_id) device_id, gap_start, gap_end
    FROM silence ORDER BY device_id, gap_end - gap_start DESC, gap_start
)
SELECT device_id, least(slots, messages) AS filled, last_at, gap_start, gap_end
FROM filled JOIN total USING (device_id) JOIN longest USING (device_id)
"""


def _slots(
    connection: Connection, community: str, window: Window, question: SlotQuestion, tolerance: Decimal
) -> tuple[SlotAnswer, ...]:
    stray = question.period * float(tolerance)
    parameters: dict[str, Any] = {
        "community": community,
        "kind": question.kind,
        "start": window.start,
        "end": window.end,
        "oldest": window.start - (stray if question.clock is Clock.DEVICE else _LATEST),
        "newest": window.end + (stray if question.clock is Clock.DEVICE else _EARLIEST),
        "tolerance": stray,
        "period_s": question.period.total_seconds(),
        "slots": window.length // question.period,
    }
    query = sql.SQL(_SLOTS).format(
        table=sql.Identifier(table_name(question.kind)),
        clock=sql.Identifier(question.clock),
        present=sql.SQL("{} IS NOT NULL").format(sql.Identifier(question.field)) if question.field else sql.SQL("true"),
    )
    with connection.cursor(row_factory=class_row(SlotAnswer)) as cursor:
        return tuple(cursor.execute(query, parameters))


def _deliveries(
    connection: Connection, community: str, window: Window, question: DeliveryQuestion
) -> tuple[DeliveryAnswer, ...]:
    """An event stamped further in the future than the limit shows a wrong clock, not a delivery in time."""
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


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One criterion of a stored verification; k of n are empty where a person has to inspect."""

    criterion: str
    verdict: str
    passed: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class StoredVerification:
    """A verification as it was given out. `sha256` is that of the canonical text of `report`."""

    id: UUID
    community: str
    window: Window
    generated_at: datetime
    criteria_version: str
    outcome: str
    sha256: str
    report: dict[str, Any]
    results: tuple[StoredResult, ...]


def save_verification(connection: Connection, verification: StoredVerification) -> None:
    """Keep a verification; saving the same one again changes nothing.

    Raises:
        UnusableDataError: it breaks a constraint, such as a community that was never registered.
    """
    with translated_errors(), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO verification (id, community, window_start, window_end, generated_at, criteria_version,
                                      outcome, sha256, report)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING
            """,
            (
                verification.id, verification.community, verification.window.start, verification.window.end,
                verification.generated_at, verification.criteria_version, verification.outcome, verification.sha256,
                Jsonb(verification.report),
            ),
        )  # fmt: skip
        cursor.executemany(
            """
            INSERT INTO verification_result (verification_id, criterion, verdict, passed, total)
            VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
            """,
            [(verification.id, each.criterion, each.verdict, each.passed, each.total) for each in verification.results],
        )
