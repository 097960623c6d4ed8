"""Duration of a verification: `python -m benchmarks.verification [DEVICES]`.

By default 1,000 electricity meters of one community send a reading every 15 minutes for 7 days; issued reports want
10,000 of them, 6.7 million readings. Goal at that size: under 60 s from the first query to the report.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

from acceptance.criteria import DEFAULT_WINDOW
from acceptance.document import document
from acceptance.report import to_html, to_json
from acceptance.run import run_verification
from benchmarks import report
from benchmarks.installation import installation
from benchmarks.traffic import KIND, community
from devices.catalogue import KIND_BY_NAME
from store.database import Connection, connect
from store.registry.registry import load_devices
from store.telemetry.write import ReadingRow, insert_readings

_START = datetime(2026, 10, 1, tzinfo=UTC)
_END = _START + DEFAULT_WINDOW
_PERIOD = KIND_BY_NAME[KIND].reporting_period
_COMMUNITY = community(0)


def main(devices: int = 1_000) -> None:
    """Measure, print, and write the figures into docs/performance.md."""
    meters = ({"community": _COMMUNITY, "device": f"d{n}", "kind": KIND, "simulated": True} for n in range(devices))
    with (
        installation(meters) as anju,
        closing(connect(anju.services.database_url, application_name="benchmark")) as connection,
    ):
        readings = _fill(connection)
        connection.execute("ANALYZE")
        connection.commit()
        seconds, cpu_seconds = _measure(connection)
    report.publish(
        "benchmarks.verification",
        f"{readings:,} readings of {devices:,} meters over {DEFAULT_WINDOW.days} days: {seconds:.1f} s from the "
        f"first query to the report; {cpu_seconds:.1f} s of it CPU time of Python, the rest waiting for the database. "
        f"{report.machine()}.",
    )


def _measure(connection: Connection) -> tuple[float, float]:
    began, cpu_began = time.monotonic(), time.process_time()
    with connection.transaction():
        verified = run_verification(
            connection, _COMMUNITY, _START, _END, include_simulated=True, generated_at=_END + timedelta(hours=1)
        )
    content = document(verified)
    to_json(content, verified.generated_at)
    to_html(content, verified.generated_at)
    return time.monotonic() - began, time.process_time() - cpu_began


def _fill(connection: Connection) -> int:
    """Store a reading of each meter in each period, one transaction a period; return their number."""
    numbers = [device.id for device in load_devices(connection, [_COMMUNITY])]
    connection.commit()
    periods = DEFAULT_WINDOW // _PERIOD
    for period in range(periods):
        with connection.transaction():
            insert_readings(connection, {KIND: list(_readings(numbers, period))})
    return periods * len(numbers)


def _readings(numbers: list[int], period: int) -> Iterator[ReadingRow]:
    for place, number in enumerate(numbers):
        ts = _START + period * _PERIOD + place * _PERIOD / len(numbers)
        values = {"energy_kwh": 1000 + period / 10, "power_w": 350.0, "voltage_v": 224.0, "current_a": 1.6}
        yield ReadingRow(number, ts, ts + timedelta(milliseconds=250), values)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
