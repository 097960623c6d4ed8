"""Growth of the cost of a message: `python -m benchmarks.growth [MESSAGES [ROWS]]`.

CPU microseconds a message of broker, ingest and database are measured for 1, 2 and 4 partitions, for 1,000 to 400,000
devices, for messages of 1, 10 and 100 readings, and for a table that is empty or holds ROWS rows, by default 100
million, which need 15 GB of disk during the measurement. One of these varies at a time; every rule is on. All
installations run side by side and take turns, five times.
"""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median

from benchmarks import report
from benchmarks.backlog import DrainResult, drain
from benchmarks.growth_chart import draw
from benchmarks.installation import Installation, installation
from benchmarks.traffic import gateways, meters, registry
from store.database import connect

_RUNS = 5
_PERIOD = timedelta(minutes=15)
_WEEK = timedelta(days=7)
_BYTES_A_ROW = 160
_PARTS = ("broker", "ingest", "database")


@dataclass(frozen=True, slots=True)
class Case:
    """The varied sizes: partitions, devices, readings a message, rows in the table at the start."""

    partitions: int = 1
    devices: int = 20_000
    readings: int = 1
    rows: int = 0


def main(messages: int = 200_000, rows: int = 100_000_000) -> None:
    """Measure, print, and write table and chart into docs."""
    usual = Case()
    groups = {
        "partitions": {f"{count}": replace(usual, partitions=count) for count in (1, 2, 4)},
        "devices": {f"{count:,}": replace(usual, devices=count) for count in (1_000, 20_000, 400_000)},
        "readings a message": {f"{count}": replace(usual, readings=count) for count in (1, 10, 100)},
        "rows before": {f"{count:,}": replace(usual, rows=count) for count in (0, rows)},
    }
    cases = dict.fromkeys(case for group in groups.values() for case in group.values())
    runs = _measure(list(cases), messages)
    bars = {
        f"{group}: {label}": {part: median(run.cpu_us(part) for run in runs[case]) / case.readings for part in _PARTS}
        for group, labels in groups.items()
        for label, case in labels.items()
    }
    lines = [
        (group, label, *_figures(runs[case])) for group, labels in groups.items() for label, case in labels.items()
    ]
    draw(bars)
    head = ("varied", "", *_PARTS, "CPU us a message", "CPU us a reading", "messages/s")
    text = (
        f"Usual: 1 partition, {usual.devices:,} devices, 1 reading a message, an empty table. About {messages:,} "
        f"messages a run, {_RUNS} runs in turns: median (least to greatest). {report.machine()}.\n\n"
        "![CPU microseconds a reading](performance-growth.svg)\n\n"
    )
    report.publish("benchmarks.growth", text + report.table(head, lines))


def _figures(runs: list[DrainResult]) -> tuple[str, ...]:
    return (
        *(f"{median(run.cpu_us(part) for run in runs):.1f}" for part in _PARTS),
        report.spread([run.total_cpu_us for run in runs], 1),
        f"{median(run.total_cpu_us * run.messages / run.readings for run in runs):.1f}",
        report.spread([run.rate for run in runs]),
    )


def _measure(cases: list[Case], messages: int) -> Mapping[Case, list[DrainResult]]:
    runs: dict[Case, list[DrainResult]] = {case: [] for case in cases}
    with ExitStack() as stack:
        installations = {}
        for case in cases:
            anju = installation(registry(case.devices, case.readings), partitions=case.partitions)
            installations[case] = stack.enter_context(anju)
            if case.rows:
                _fill(installations[case], case)
        for _ in range(_RUNS):
            for case in cases:
                runs[case].append(_run(installations[case], case, messages))
                sys.stderr.write(f"{case}: {runs[case][-1].total_cpu_us:.1f} us a message\n")
    return runs


def _run(anju: Installation, case: Case, messages: int) -> DrainResult:
    """Drain at least one message of every device; of larger messages there are fewer."""
    sent = gateways(case.devices, case.readings) if case.readings > 1 else meters(case.devices)
    return drain(anju, sent, max(messages * 5 // (case.readings + 4), len(sent.messages)))


def _fill(anju: Installation, case: Case) -> None:
    """Give the devices readings every 15 minutes up to an hour ago, week by week into the past.

    A week is a chunk of the table and is filled device by device, the order in which its index grows fastest.
    """
    if shutil.disk_usage(tempfile.gettempdir()).free < case.rows * _BYTES_A_ROW:
        raise OSError(f"{case.rows:,} rows need {case.rows * _BYTES_A_ROW / 1e9:.0f} GB of {tempfile.gettempdir()}")
    left, until = case.rows // case.devices, datetime.now(UTC) - timedelta(hours=1)
    with closing(connect(anju.services.database_url, application_name="benchmark")) as connection:
        connection.autocommit = True
        while left > 0:
            count = min(left, _WEEK // _PERIOD)
            connection.execute(
                """
                INSERT INTO telemetry_electricity_meter (device_id, ts, received_at, energy_kwh, power_w, voltage_v)
                SELECT id, ts, ts, 1234.5, 350, 220.5
                FROM device, generate_series(%s, %s, %s) AS ts
                """,
                (until - (count - 1) * _PERIOD, until, _PERIOD),
            )
            left, until = left - count, until - count * _PERIOD
        # Otherwise autovacuum would start in the middle of the measurement.
        connection.execute("VACUUM (ANALYZE) telemetry_electricity_meter")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
