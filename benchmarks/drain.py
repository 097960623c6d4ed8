"""Backlog to committed rows, against `mosquitto_sub | psql`: `python -m benchmarks.drain [MESSAGES]`.

A persistent session holds QoS 1 messages of one reading each from 5,000 devices; every rule is on. The contenders take
turns, five times, each time with a database and a broker of their own. `mosquitto_sub` prints the readings as lines for
PostgreSQL's COPY, and `psql` copies them into the same table in one transaction, without evaluation of rules.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from statistics import median

from benchmarks import load, report
from benchmarks.backlog import DrainResult, drain
from benchmarks.installation import INGEST, installation
from benchmarks.mosquitto import find_mosquitto
from benchmarks.processes import cpu_s
from benchmarks.traffic import comma_separated, meters, registry
from local.binaries import find_postgres
from local.services import Services
from store.database import connect

_RUNS = 5
_DEVICES = 5_000
_OURS = "Anju"
_PLAIN = (sys.executable, "-m", "benchmarks.plain_paho")
_COLUMNS = "device_id, ts, energy_kwh, power_w, voltage_v, received_at"


def main(messages: int = 500_000) -> None:
    """Measure, print, and write the table into docs/performance.md."""
    contenders: dict[str, Callable[[int], DrainResult]] = {
        _OURS: _drain_by_ingest,
        "Anju with paho as it comes": partial(_drain_by_ingest, command=_PLAIN),
        "`mosquitto_sub \\| psql`, without rules": _drain_by_copy,
    }
    runs: dict[str, list[DrainResult]] = {name: [] for name in contenders}
    for _ in range(_RUNS):
        for name, run in contenders.items():
            runs[name].append(run(messages))
            sys.stderr.write(f"{name}: {runs[name][-1].rate:,.0f} messages/s\n")
    head = (
        "",
        "messages/s",
        "broker",
        "ingest",
        "database",
        "CPU us a message",
        "Anju's rate : this",
        "this CPU : Anju's",
    )
    lines = [_line(name, of_one, runs[_OURS]) for name, of_one in runs.items()]
    text = f"{messages:,} messages, {_RUNS} runs each in turns: median (least to greatest). {report.machine()}.\n\n"
    report.publish("benchmarks.drain", text + report.table(head, lines))


def _line(name: str, runs: list[DrainResult], ours: list[DrainResult]) -> tuple[str, ...]:
    return (
        name,
        report.spread([run.rate for run in runs]),
        *(f"{median(run.cpu_us(part) for run in runs):.1f}" for part in ("broker", "ingest", "database")),
        report.spread([run.total_cpu_us for run in runs], 1),
        report.spread([mine.rate / other.rate for mine, other in zip(ours, runs, strict=True)], 2),
        report.spread([other.total_cpu_us / mine.total_cpu_us for mine, other in zip(ours, runs, strict=True)], 2),
    )


def _drain_by_ingest(messages: int, command: Sequence[str] = INGEST) -> DrainResult:
    with installation(registry(_DEVICES)) as anju:
        return drain(anju, meters(_DEVICES), messages, command)


def _drain_by_copy(messages: int) -> DrainResult:
    with installation(()) as anju:
        services = anju.services
        subscribe = _mosquitto_sub(services)
        subprocess.run([*subscribe, "-E"], check=True)  # noqa: S603 - our own arguments
        first_ms = time.time_ns() // 1_000_000 - messages
        load.start(services.publish_mqtt_url, comma_separated(_DEVICES), messages, first_ms=first_ms).result()
        before, began = _servers_cpu_s(services), time.monotonic()
        own = _clients_cpu_s()
        _copy([*subscribe, "-C", str(messages), "-F", "%p,@Y-@m-@dT@H:@M:@S.@N@z"], services.database_url)
        seconds = time.monotonic() - began
        spent = {part: after - before[part] for part, after in _servers_cpu_s(services).items()}
        with closing(connect(services.database_url, application_name="benchmark")) as connection:
            stored = connection.execute("SELECT count(*) FROM telemetry_electricity_meter").fetchone()
        if stored != (messages,):
            raise AssertionError(f"{messages} messages were sent, and {stored} rows stored")
        return DrainResult(messages, messages, seconds, {**spent, "ingest": _clients_cpu_s() - own})


def _mosquitto_sub(services: Services) -> list[str]:
    program = find_mosquitto(sys.stderr.write).parents[1] / "bin" / "mosquitto_sub"
    return [str(program), "-L", f"{services.mqtt_url}/anju/v1/#", "-q", "1", "-c", "-i", "measuring"]


def _copy(subscribe: list[str], database_url: str) -> None:
    """Pipe the lines into the table and wait for both ends."""
    psql = [find_postgres(sys.stderr.write).folder / "psql", database_url, "--quiet", "--command"]
    with subprocess.Popen(subscribe, stdout=subprocess.PIPE) as source:  # noqa: S603 - our own arguments
        statement = f"\\copy telemetry_electricity_meter ({_COLUMNS}) from pstdin csv"
        subprocess.run([*psql, statement], stdin=source.stdout, check=True)  # noqa: S603 - our own arguments


def _clients_cpu_s() -> float:
    """Return the CPU seconds of ended child processes, which excludes the running servers."""
    times = os.times()
    return times.children_user + times.children_system


def _servers_cpu_s(services: Services) -> dict[str, float]:
    return {"broker": cpu_s(services.broker.pid), "database": cpu_s(services.postgres.pid)}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
