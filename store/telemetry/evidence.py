"""The evidence of a verification: a community's registry, and the messages of its devices in a window of time.

Each fact is one set-based query. A reporting period is a *slot*; the slots are counted from the start of the window.
A message fills its own slot and, within the tolerance, the neighbouring slot whose edge it strayed over. Otherwise
clocks that jitter around an edge would lose every second slot. No device fills more slots than it sent messages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from psycopg import sql
from psycopg.rows import class_row

from store.database import Connection, StoreError, translated_errors
from store.telemetry.schema import table_name

_LATEST = timedelta(days=7)
"""The greatest age of a message at its arrival that the queries find. It bounds their scan."""

_EARLIEST = timedelta(minutes=5)
"""Ingest rejects timestamps further in the future."""


class UnknownCommunityError(StoreError):
    """No community has this id."""


class WindowError(StoreError, ValueError):
    """Two times that are not a window."""


class Clock(StrEnum):
    """The clock that a message is counted by: the device's, or the server's at its arrival. Values are column names."""

    DEVICE = "ts"
    ARRIVAL = "received_at"


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open interval of time: `start` is included, `end` is not."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Validate the two times.

        Raises:
            WindowError: a time without offset, or an end that is not after the start.
        """
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise WindowError("a window needs times with an offset from UTC, such as 2026-11-15T00:00:00+08:00")
        if self.end <= self.start:
            raise WindowError(f"a window must end after it starts: {self.start.isoformat()} .. {self.end.isoformat()}")

    @property
    def length(self) -> timedelta:
        """The duration of the window."""
        return self.end - self.start


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
    """A device as registered at the time of reading."""

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
    """In how many slots of `period` did each device of `kind` send a message, with a value of `field` if named?"""

    kind: str
    clock: Clock
    period: timedelta
    field: str | None = None


@dataclass(frozen=True, slots=True)
class SlotAnswer:
    """The answer for one device: filled slots, the last message, and the longest time without one."""

    device_id: int
    filled: int
    last_at: datetime
    gap_start: datetime
    gap_end: datetime


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
    """The questions about telemetry and events; `tolerance` applies to the edges of a slot, in periods."""

    slots: frozenset[SlotQuestion]
    deliveries: frozenset[DeliveryQuestion]
    tolerance: Decimal


@dataclass(frozen=True, slots=True)
class Evidence:
    """The complete input of a verification. The order of rows has no meaning."""

    window: Window
    community: Community
    households: tuple[Household, ...]
    devices: tuple[RegisteredDevice, ...]
    slots: Mapping[SlotQuestion, tuple[SlotAnswer, ...]]
    deliveries: Mapping[DeliveryQuestion, tuple[DeliveryAnswer, ...]]


def read_evidence(connection: Connection, community: str, window: Window, questions: Questions) -> Evidence:
    """Read the evidence in one snapshot, so that the figures agree with the list of devices.

    This must be the first statement of its transaction.

    Raises:
        UnknownCommunityError: the community does not exist.
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
WITH message AS MATERIALIZED (
    SELECT t.device_id, t.{clock} AS at
    FROM {table} AS t JOIN device AS d ON d.id = t.device_id
    WHERE d.community = %(community)s AND d.kind = %(kind)s
      AND t.ts >= %(oldest)s AND t.ts < %(newest)s
      AND t.{clock} >= %(start)s - %(tolerance)s AND t.{clock} < %(end)s + %(tolerance)s
      AND {present}
), filled AS (
    SELECT device_id, count(DISTINCT slot) AS slots
    FROM message, LATERAL (VALUES (%(tolerance)s), (-%(tolerance)s)) AS stray (shift),
         LATERAL (SELECT floor(extract(epoch FROM at + stray.shift - %(start)s) / %(period_s)s) AS slot) AS numbered
    WHERE slot >= 0 AND slot < %(slots)s
    GROUP BY device_id
), total AS (
    SELECT device_id, count(DISTINCT at) AS messages, max(at) AS last_at FROM message GROUP BY device_id
), gap AS (
    SELECT device_id, lag(at, 1, %(start)s) OVER (PARTITION BY device_id ORDER BY at) AS gap_start, at AS gap_end
    FROM message
    UNION ALL SELECT device_id, last_at, %(end)s FROM total
), longest AS (
    SELECT DISTINCT ON (device_id) device_id, gap_start, gap_end
    FROM gap ORDER BY device_id, gap_end - gap_start DESC, gap_start
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
