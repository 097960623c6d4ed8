"""Readings a second of gateways: `python -m benchmarks.gateways [READINGS]`.

The backlog consists of messages of 50 readings each, from 400 gateways with 50 electricity meters each; every rule is
on. One worker drains it five times, and two workers with a partition each drain it five times, in turns. Goal: 80,000
readings a second.
"""

import sys
from contextlib import ExitStack
from statistics import median

from benchmarks import report
from benchmarks.backlog import DrainResult, drain
from benchmarks.installation import installation
from benchmarks.traffic import gateways, registry

_RUNS = 5
_METERS = 20_000
_READINGS_A_MESSAGE = 50
_PARTITIONS = (1, 2)


def main(readings: int = 2_000_000) -> None:
    """Measure, print, and write the table into docs/performance.md."""
    messages = gateways(_METERS, _READINGS_A_MESSAGE)
    runs: dict[int, list[DrainResult]] = {count: [] for count in _PARTITIONS}
    with ExitStack() as stack:
        installations = {
            count: stack.enter_context(installation(registry(_METERS, _READINGS_A_MESSAGE), partitions=count))
            for count in _PARTITIONS
        }
        for _ in range(_RUNS):
            for count, anju in installations.items():
                runs[count].append(drain(anju, messages, readings // _READINGS_A_MESSAGE))
    text = f"{readings:,} readings, {_RUNS} runs each in turns: median (least to greatest). {report.machine()}.\n\n"
    head = ("partitions", "readings/s", "messages/s", "broker", "ingest", "database", "CPU us a reading")
    report.publish("benchmarks.gateways", text + report.table(head, [_line(*item) for item in runs.items()]))


def _line(partitions: int, runs: list[DrainResult]) -> tuple[str, ...]:
    return (
        str(partitions),
        report.spread([run.readings / run.seconds for run in runs]),
        report.spread([run.rate for run in runs]),
        *(f"{median(run.cpu_s[part] / run.readings for run in runs) * 1e6:.1f}" for part in runs[0].cpu_s),
        report.spread([sum(run.cpu_s.values()) / run.readings * 1e6 for run in runs], 1),
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
