"""Rows of a community of four flats from which a verification reads its evidence, and the verification."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from psycopg import sql

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


def add_device(connection, name, kind, room="", *, community="c", simulated=False, serial=None):
    row = connection.execute(
        """
        INSERT INTO device (community, name, kind, building, unit, room, simulated, serial)
        VALUES (%s, %s, %s, '1', %s, %s, %s, %s) RETURNING id
        """,
        (community, name, kind, "1" if room else "", room, simulated, serial),
    ).fetchone()
    return row[0]


def add_readings(connection, device, kind, field, times, *, delay=SECOND):
    """Insert readings at these times, each received `delay` after its measurement."""
    statement = sql.SQL(
        "INSERT INTO {table} (device_id, ts, received_at, {field}) VALUES (%s, %s, %s, 1) ON CONFLICT DO NOTHING"
    ).format(table=sql.Identifier(f"telemetry_{kind}"), field=sql.Identifier(field))
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(device, at, at + delay) for at in times])


def every(period, *, count, first=timedelta(0), without=()):
    """Return `count` times, one a period, without the numbers in `without`."""
    return [START + first + number * period for number in range(count) if number not in without]


def add_water_meter(connection, room, **options):
    meter = add_device(connection, f"water-{room}", "water_meter", room)
    add_readings(connection, meter, "water_meter", "volume_m3", every(HOUR, count=168, **options))


def add_event(connection, device, event, at, delay, *, identifier=""):
    connection.execute(
        "INSERT INTO event (device_id, ts, received_at, event, id, data) VALUES (%s, %s, %s, %s, %s, '{}')",
        (device, at, at + delay, event, identifier),
    )


def verify_community(connection, *, include_simulated=False, start=START, end=END, generated_at=END):
    """Verify the inserted evidence; return the report, and its results by criterion."""
    connection.commit()
    report = run_verification(
        connection, "c", start, end, include_simulated=include_simulated, generated_at=generated_at
    )
    return report, {each.criterion.id: each for each in report.results}


def k_of_n(result):
    return result.figure.passed, result.figure.total
