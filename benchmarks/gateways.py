"""How many readings a second gateways can bring: `python -m benchmarks.gateways [READINGS]`.

A backlog of messages of 50 readings each, from 400 gateways with 50 electricity meters each, is drained five times;
every rule is on. Goal: 80,000 readings a second.
"""

import sys
from statistics import median

from benchmarks import report
from benchmarks.backlog import Drained, drain
from benchmarks.installation import installation
from benchmarks.traffic import gateways, registry

_RUNS = 5
_METERS = 20_000
_READINGS_A_MESSAGE = 50


def main(readings: int = 2_000_000) -> None:
    """Measure, print, and write the table into docs/performance.md."""
    messages = gateways(_METERS, _READINGS_A_MESSAGE)
    with installation(registry(_METERS, _READINGS_A_MESSAGE)) as anju:
        runs = [drain(anju, messages, readings // _READINGS_A_MESSAGE) for _ in range(_RUNS)]
    text = f"{readings:,} readings, {_RUNS} runs: median (least to greatest). {report.machine()}.\n\n"
    head = ("readings/s", "messages/s", "broker", "ingest", "database", "CPU us a reading")
    report.publish("benchmarks.gateways", text + report.table(head, [_line(runs)]))


def _line(runs: list[Drained]) -> tuple[str, ...]:
    return (
        report.spread([run.readings / run.seconds for run in runs]),
        report.spread([run.rate for run in runs]),
        *(f"{median(run.cpu_s[part] / run.readings for run in runs) * 1e6:.1f}" for part in runs[0].cpu_s),
        report.spread([sum(run.cpu_s.values()) / run.readings * 1e6 for run in runs], 1),
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
