"""Rows of a community of four flats from which a verification reads its evidence, and the verification."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql

from acceptance.result import Report, Result
from acceptance.run import run_verification
from store.database import Connection, connect

START = datetime(2026, 11, 14, 16, tzinfo=UTC)
END = START + timedelta(days=7)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


@contextmanager
def community_of_four_flats(database_url: str) -> Iterator[Connection]:
    """Provide a connection to a migrated database after adding the community, and another one beside it."""
    with connect(database_url, application_name="test") as opened:
        opened.execute("INSERT INTO community (id, name, banner, street) VALUES ('c', '某小区', '东胜区', '某街道')")
        opened.execute("INSERT INTO community (id, name, banner, street) VALUES ('other', '别处', '东胜区', '某街道')")
        for room in ("101", "102", "201", "202"):
            opened.execute(
                "INSERT INTO household (community, building, unit, room) VALUES ('c', '1', '1', %s)", (room,)
            )
        opened.commit()
        yield opened


def add_device(
    connection: Connection,
    name: str,
    kind: str,
    room: str = "",
    *,
    community: str = "c",
    simulated: bool = False,
    serial: str | None = None,
) -> int:
    row = connection.execute(
        """
        INSERT INTO device (community, name, kind, building, unit, room, simulated, serial)
        VALUES (%s, %s, %s, '1', %s, %s, %s, %s) RETURNING id
        """,
        (community, name, kind, "1" if room else "", room, simulated, serial),
    ).fetchone()
    assert row is not None
    return int(row[0])


def add_readings(
    connection: Connection, device: int, kind: str, field: str, times: Iterable[datetime], *, delay: timedelta = SECOND
) -> None:
    """Insert readings at these times, each received `delay` after its measurement."""
    statement = sql.SQL(
        "INSERT INTO {table} (device_id, ts, received_at, {field}) VALUES (%s, %s, %s, 1) ON CONFLICT DO NOTHING"
    ).format(table=sql.Identifier(f"telemetry_{kind}"), field=sql.Identifier(field))
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(device, at, at + delay) for at in times])


def every(
    period: timedelta, *, count: int, first: timedelta = timedelta(0), without: Collection[int] = ()
) -> list[datetime]:
    """Return `count` times, one a period, without the numbers in `without`."""
    return [START + first + number * period for number in range(count) if number not in without]


def add_water_meter(connection: Connection, room: str, **options: Any) -> None:
    meter = add_device(connection, f"water-{room}", "water_meter", room)
    add_readings(connection, meter, "water_meter", "volume_m3", every(HOUR, count=168, **options))


def add_event(
    connection: Connection, device: int, event: str, at: datetime, delay: timedelta, *, identifier: str = ""
) -> None:
    connection.execute(
        "INSERT INTO event (device_id, ts, received_at, event, id, data) VALUES (%s, %s, %s, %s, %s, '{}')",
        (device, at, at + delay, event, identifier),
    )


def verify_community(
    connection: Connection,
    *,
    include_simulated: bool = False,
    start: datetime = START,
    end: datetime = END,
    generated_at: datetime = END,
) -> tuple[Report, dict[str, Result]]:
    """Verify the inserted evidence; return the report, and its results by criterion."""
    connection.commit()
    report = run_verification(
        connection, "c", start, end, include_simulated=include_simulated, generated_at=generated_at
    )
    return report, {each.criterion.id: each for each in report.results}


def k_of_n(result: Result) -> tuple[int, int]:
    assert result.figure is not None
    return result.figure.passed, result.figure.total
