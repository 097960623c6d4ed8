"""Duration of a backtest: `python -m benchmarks.backtest [DEVICES [DAYS]]`.

By default 1,000 electricity meters send a reading every 15 minutes for 30 days, 2.88 million in all, stored in a real
database. Goal: under 30 s from the first row to the summary.
"""

import random
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice

from app.rule_files import rules_folder
from benchmarks import report
from benchmarks.installation import installation
from benchmarks.traffic import KIND, registry
from rules.analysis.backtest import Span, backtest
from rules.analysis.stored_history import stored_arrivals, wanted_history
from rules.analysis.summary import summarise
from rules.language.loader import load_rules
from rules.model.rule import RulePack
from store.database import Connection, connect
from store.registry.registry import load_devices
from store.telemetry.write import ReadingRow, insert_readings

_START = datetime(2026, 10, 1, tzinfo=UTC)
_PERIOD = timedelta(minutes=15)
_BATCH = 50_000


def main(devices: int = 1_000, days: int = 30) -> None:
    """Measure, print, and write the figures into docs/performance.md."""
    span = Span(_START, _START + timedelta(days=days))
    pack = RulePack(load_rules(rules_folder(None)).of_kind(KIND))
    with (
        installation(registry(devices)) as anju,
        closing(connect(anju.services.database_url, application_name="benchmark")) as connection,
    ):
        _fill(connection, devices, span)
        connection.execute("ANALYZE")
        connection.commit()
        seconds, cpu_seconds, samples, alerts = _measure(connection, pack, span)
    report.publish(
        "benchmarks.backtest",
        f"{samples:,} readings of {devices:,} meters over {days} days, {len(pack.rules)} rules, {alerts:,} alerts: "
        f"{seconds:.1f} s from the first row to the summary, {1e6 * seconds / samples:.1f} us a reading; "
        f"{cpu_seconds:.1f} s of it CPU time of Python, the rest waiting for the database. {report.machine()}.",
    )


def _measure(connection: Connection, pack: RulePack, span: Span) -> tuple[float, float, int, int]:
    began, cpu_began = time.monotonic(), time.process_time()
    with connection.transaction():
        devices = {device.id: device for device in load_devices(connection)}
        arrivals = stored_arrivals(connection, wanted_history(pack, span, list(devices)))
        result = backtest(pack, arrivals, span, devices)
    summary = summarise(result, pack, devices)
    return time.monotonic() - began, time.process_time() - cpu_began, summary.samples, summary.alerts


def _fill(connection: Connection, devices: int, span: Span) -> None:
    """Store a reading of each meter in each period, with a high voltage of a few meters for a day."""
    numbers = [device.id for device in load_devices(connection)]
    rows = _readings(numbers[:devices], span)
    while batch := list(islice(rows, _BATCH)):
        with connection.transaction():
            insert_readings(connection, {KIND: batch})


def _readings(numbers: list[int], span: Span) -> Iterator[ReadingRow]:
    dice = random.Random(2021)  # noqa: S311 - for figures that repeat
    for period in range((span.end - span.start) // _PERIOD):
        for place, number in enumerate(numbers):
            ts = span.start + period * _PERIOD + place * _PERIOD / len(numbers)
            high = 15.0 if number % 100 == 0 and period // 96 == number % 30 else 0.0
            values = {
                "energy_kwh": 1000 + period / 10,
                "power_w": 350.0,
                "voltage_v": dice.gauss(224, 2) + high,
                "current_a": dice.uniform(0, 15),
            }
            yield ReadingRow(number, ts, ts + timedelta(milliseconds=dice.randrange(50, 900)), values)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
