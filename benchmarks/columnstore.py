"""Savings and costs of TimescaleDB's columnstore: `python -m benchmarks.columnstore [DEVICES]`.

A fortnight of readings every 15 minutes, with the course of real meters, is converted; then batches of late readings
arrive. The measurement needs the community edition: `ANJU_LOCAL_PREFIX` names a prefix of servers with it.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice

from benchmarks import report
from benchmarks.installation import installation
from benchmarks.traffic import KIND, registry
from store.database import Connection, connect
from store.telemetry.schema import table_name
from store.telemetry.write import ReadingRow, insert_readings

_RUNS = 5
_BATCH = 5_000
_QUARTER = timedelta(minutes=15)
_FORTNIGHT = timedelta(days=14)
# Long ago, so that new readings enter another chunk.
_AGO = timedelta(days=30)
_TABLE = table_name(KIND)
# Distance between the readings of a batch and stored ones.
_SHIFTS = {
    "new, into a chunk of rows": timedelta(days=29),
    "late, between those of the columnstore": _QUARTER / 2,
    "late, stored there already": timedelta(0),
}


def main(devices: int = 2_000) -> None:
    """Measure, print, and write the table into docs/performance.md.

    Raises:
        SystemExit: The database is no community edition.
    """
    with (
        installation(registry(devices)) as anju,
        closing(connect(anju.services.database_url, application_name="benchmark")) as connection,
    ):
        connection.autocommit = True
        if connection.execute("SHOW timescaledb.license").fetchone() != ("timescale",):
            sys.exit("The columnstore needs TimescaleDB's community edition: name its prefix in ANJU_LOCAL_PREFIX")
        until = datetime.now(UTC) - _AGO
        _fill(connection, until)
        rows, before = _count(connection), _bytes(connection)
        _convert(connection)
        after = _bytes(connection)
        meters = iter(_groups(connection, _RUNS * len(_SHIFTS)))
        lines = [(name, _insert(connection, meters, until, shift)) for name, shift in _SHIFTS.items()]
    text = (
        f"{rows:,} readings of {devices:,} meters: {before / rows:.0f} bytes each as rows, {after / rows:.0f} in the "
        f"columnstore (`hypertable_size`). {_RUNS} batches of {_BATCH:,} each, of a fifteenth of the meters. "
        f"{report.machine()}.\n\n"
    )
    report.publish("benchmarks.columnstore", text + report.table(("readings", "seconds a batch"), lines))


def _fill(connection: Connection, until: datetime) -> None:
    connection.execute("SELECT setseed(0.5)")
    connection.execute(
        f"""
        INSERT INTO {_TABLE} (device_id, ts, received_at, energy_kwh, power_w, voltage_v)
        SELECT id, ts, ts + make_interval(secs => 3 * random()),
               round((id + sum(0.02 + 0.3 * random() ^ 6) OVER (PARTITION BY id ORDER BY ts))::numeric, 2),
               round((80 + 3000 * random() ^ 6)::numeric), round((221 + 6 * random())::numeric, 1)
        FROM device, generate_series(%s::timestamptz, %s, %s) AS ts
        WHERE kind = %s
        """,  # noqa: S608 - a name of ours
        (until - _FORTNIGHT, until, _QUARTER, KIND),
    )
    connection.execute(f"VACUUM (ANALYZE) {_TABLE}")


def _convert(connection: Connection) -> None:
    connection.execute(
        f"""
        ALTER TABLE {_TABLE} SET
            (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_id', timescaledb.orderby = 'ts')
        """
    )
    for (chunk,) in connection.execute("SELECT show_chunks(%s)", (_TABLE,)).fetchall():
        connection.execute("CALL convert_to_columnstore(%s::regclass)", (chunk,))


def _groups(connection: Connection, count: int) -> list[list[int]]:
    """Return the meters in groups, so that a batch of one group finds no segment unpacked for another."""
    ids = connection.execute("SELECT id FROM device WHERE kind = %s ORDER BY id", (KIND,)).fetchall()
    size = len(ids) // count
    return [[number for (number,) in ids[size * group : size * (group + 1)]] for group in range(count)]


def _insert(connection: Connection, meters: Iterator[list[int]], until: datetime, shift: timedelta) -> str:
    seconds = []
    for group in islice(meters, _RUNS):
        first = until - _FORTNIGHT + shift
        batch = [
            ReadingRow(number, first + step * _QUARTER, until, {"energy_kwh": 1.0})
            for step in range(_BATCH // len(group))
            for number in group
        ]
        began = time.monotonic()
        with connection.transaction():
            insert_readings(connection, {KIND: batch})
        seconds.append(time.monotonic() - began)
    return report.spread(seconds, 2)


def _count(connection: Connection) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {_TABLE}").fetchone()[0])  # type: ignore[index] # noqa: S608


def _bytes(connection: Connection) -> int:
    return int(connection.execute("SELECT hypertable_size(%s)", (_TABLE,)).fetchone()[0])  # type: ignore[index]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
