"""Alarms that people triggered on site, each with the arrival of its event if there was one.

A test counts as arrived by the first matching event that the server received from `WATCH_TOLERANCE` before the
recorded time until the limit after it: people write the time down after they have acted. Tests of one event of a device
are `SPACING` apart, so that no event proves two of them.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from store.database import Connection

WATCH_TOLERANCE = timedelta(seconds=30)
SPACING = timedelta(minutes=1)

_DEVICE_CLOCK_TOLERANCE = timedelta(minutes=5)
"""Greatest distance of the event's own time from the test's: an old event that happens to come now proves nothing."""


@dataclass(frozen=True, slots=True)
class ExpectedEvent:
    """Event of a kind that has to arrive within a time after it was triggered."""

    kind: str
    event: str
    within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWitnessedTest:
    """A test to record: the person, and the way in which the alarm was triggered, in words."""

    id: UUID
    device_id: int
    event: str
    triggered_at: datetime
    tested_by: str
    how: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedTestRow:
    """A recorded test; `device` is the device's name.

    `within` is the limit, None if no criterion tests this event any more; `arrived_at` is None if no event arrived
    within it. A withdrawn test has time, person and reason of that.
    """

    id: UUID
    community: str
    device_id: int
    device: str
    kind: str
    building: str
    unit: str
    room: str
    location: str
    simulated: bool
    event: str
    triggered_at: datetime
    tested_by: str
    how: str
    recorded_at: datetime
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    withdrawn_because: str | None
    within: timedelta | None
    arrived_at: datetime | None


WitnessedTestKey = tuple[datetime, UUID]
"""The time and the id of a test: its place in the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedTestFilter:
    """Conditions on the tests to list; None is no condition. `start` is included, `end` is not."""

    id: UUID | None = None
    community: str | None = None
    device: str | None = None
    start: datetime | None = None
    end: datetime | None = None


def insert_witnessed_test(connection: Connection, test: NewWitnessedTest) -> bool:
    """Store a test, inside the caller's transaction.

    Returns:
        Whether it was stored: not if another test of this event, not withdrawn, is closer than `SPACING`.
    """
    connection.execute(
        "SELECT pg_advisory_xact_lock(hashtext('witnessed_test'), hashtext(%s::text))", (test.device_id,)
    )
    cursor = connection.execute(
        """
        INSERT INTO witnessed_test (id, device_id, event, triggered_at, tested_by, how, recorded_at)
        SELECT %(id)s, %(device_id)s, %(event)s, %(triggered_at)s, %(tested_by)s, %(how)s, %(recorded_at)s
        WHERE NOT EXISTS (
            SELECT FROM witnessed_test
            WHERE device_id = %(device_id)s AND event = %(event)s AND withdrawn_at IS NULL
              AND triggered_at > %(triggered_at)s::timestamptz - %(spacing)s::interval
              AND triggered_at < %(triggered_at)s::timestamptz + %(spacing)s::interval
        )
        """,
        {**asdict(test), "spacing": SPACING},
    )
    return cursor.rowcount == 1


def withdraw_witnessed_test(connection: Connection, test_id: UUID, *, at: datetime, by: str, because: str) -> bool:
    """Withdraw a test, inside the caller's transaction; return False if there is none, or it was withdrawn before."""
    cursor = connection.execute(
        """
        UPDATE witnessed_test SET withdrawn_at = %s, withdrawn_by = %s, withdrawn_because = %s
        WHERE id = %s AND withdrawn_at IS NULL
        """,
        (at, by, because, test_id),
    )
    return cursor.rowcount == 1


_TESTS: LiteralString = """
    SELECT test.id, device.community, test.device_id, device.name AS device, device.kind, device.building, device.unit,
           device.room, device.location, device.simulated, test.event, test.triggered_at, test.tested_by, test.how,
           test.recorded_at, test.withdrawn_at, test.withdrawn_by, test.withdrawn_because, expected.within,
           arrival.arrived_at
    FROM witnessed_test AS test
    JOIN device ON device.id = test.device_id
    LEFT JOIN unnest(%(kinds)s::text[], %(events)s::text[], %(limits)s::interval[]) AS expected (kind, event, within)
        ON expected.kind = device.kind AND expected.event = test.event
    LEFT JOIN LATERAL (
        SELECT min(event.received_at) AS arrived_at
        FROM visible_event AS event
        WHERE event.device_id = test.device_id AND event.event = test.event
          AND event.ts BETWEEN test.triggered_at - %(clock)s::interval AND test.triggered_at + %(clock)s::interval
          AND event.received_at > test.triggered_at - %(watch)s::interval
          AND event.received_at <= test.triggered_at + expected.within
    ) AS arrival ON true
"""


def list_witnessed_tests(
    connection: Connection,
    conditions: WitnessedTestFilter,
    expected: Collection[ExpectedEvent],
    *,
    before: WitnessedTestKey | None = None,
    limit: int | None = None,
) -> list[WitnessedTestRow]:
    """Return the tests beyond `before`, latest first, all of them or at most `limit`; withdrawn ones are included."""
    triggered_at, test_id = before or (None, None)
    with connection.cursor(row_factory=class_row(WitnessedTestRow)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                {tests}
                WHERE (%(id)s::uuid IS NULL OR test.id = %(id)s)
                  AND (%(community)s::text IS NULL OR device.community = %(community)s)
                  AND (%(device)s::text IS NULL OR device.name = %(device)s)
                  AND (%(start)s::timestamptz IS NULL OR test.triggered_at >= %(start)s)
                  AND (%(end)s::timestamptz IS NULL OR test.triggered_at < %(end)s)
                  AND (%(triggered_at)s::timestamptz IS NULL
                       OR (test.triggered_at, test.id) < (%(triggered_at)s::timestamptz, %(test_id)s::uuid))
                ORDER BY test.triggered_at DESC, test.id DESC
                LIMIT %(limit)s
                """
            ).format(tests=sql.SQL(_TESTS)),
            {
                "id": conditions.id, "community": conditions.community, "device": conditions.device,
                "start": conditions.start, "end": conditions.end, "triggered_at": triggered_at, "test_id": test_id,
                "limit": limit, "kinds": [each.kind for each in expected], "events": [each.event for each in expected],
                "limits": [each.within for each in expected], "clock": _DEVICE_CLOCK_TOLERANCE,
                "watch": WATCH_TOLERANCE,
            },
        ).fetchall()  # fmt: skip
