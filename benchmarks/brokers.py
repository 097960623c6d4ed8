"""Brokers side by side: losses after kills, throughput, and costs.

`make brokers` writes three tables into docs/operations.md, with `FULL=1` at full size. `python -m benchmarks.brokers`
takes the names of brokers to measure; with `--write` it replaces their rows and leaves those of others. Clients are raw
sockets in other processes than the brokers; only the CPU time of the brokers counts.
"""

import argparse
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from benchmarks.broker_kills import Consumer, kill_again_and_again
from benchmarks.broker_load import connect_many, fill_and_drain
from benchmarks.mosquitto import find_mosquitto, open_mosquitto
from benchmarks.rabbitmq import find_rabbitmq, open_rabbitmq
from benchmarks.report import machine, spread, table, write_rows
from local.binaries import find_nats_server
from local.brokers.broker import Broker, Place
from local.brokers.nats import open_nats
from local.brokers.nats_cluster import open_nats_cluster
from local.home import Home
from local.process import Process, start_together
from local.users import service_user

OPERATIONS = Path(__file__).parent.parent / "docs" / "operations.md"


@dataclass(frozen=True, slots=True)
class Contender:
    """A broker to measure; `version` returns a text that contains its version, `scale` is below 1 for a slow broker."""

    title: str
    open: Callable[[Place], Broker]
    version: Callable[[], str]
    scale: float = 1.0


CONTENDERS = {
    "nats": Contender("NATS Server", open_nats, lambda: _printed(find_nats_server(_say), "-v")),
    "nats-cluster": Contender(
        "Three nodes of NATS Server", open_nats_cluster, lambda: _printed(find_nats_server(_say), "-v")
    ),
    "mosquitto": Contender("Mosquitto", open_mosquitto, lambda: _printed(find_mosquitto(_say), "-h")),
    "rabbitmq": Contender(
        "RabbitMQ", open_rabbitmq, lambda: str(next(find_rabbitmq(_say).glob("usr/lib/rabbitmq/lib/rabbitmq_server-*")))
    ),
    "nats-always": Contender(
        "`sync_interval: always`, NATS Server",
        partial(open_nats, sync_interval="always"),
        lambda: _printed(find_nats_server(_say), "-v"),
        scale=0.02,
    ),
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the measurements: kills; messages and repetitions of the backlog; connections, and their duration."""

    kills: int
    messages: int
    rounds: int
    connections: int
    seconds: float


SHORT = Sizes(kills=5, messages=200_000, rounds=1, connections=10_000, seconds=20)
FULL = Sizes(kills=20, messages=1_000_000, rounds=3, connections=10_000, seconds=60)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A table with a row for each broker; `row` lacks the name of the broker, the first cell."""

    head: Callable[[Sizes], Sequence[str]]
    row: Callable[[Contender, Sizes, random.Random], list[str]]


def main() -> None:
    """Measure, and write each row as soon as it is complete."""
    chosen = _chosen()
    # Without a handler, SIGTERM would end Python and leave the brokers' stores behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sizes = Sizes(**{field.name: getattr(chosen, field.name) for field in fields(Sizes)})
    note = f"Seed {chosen.seed}, on {machine()}:"
    for name in chosen.only or MEASUREMENTS:
        measurement, rows = MEASUREMENTS[name], []
        for contender in map(CONTENDERS.__getitem__, chosen.brokers):
            version = re.search(r"\d+\.\d+\.\d+", contender.version())
            title = f"{contender.title} {version[0] if version else 'of unknown version'}"
            rows.append([title, *measurement.row(contender, sizes, random.Random(chosen.seed))])  # noqa: S311 - no secret
            if chosen.write:
                write_rows(OPERATIONS, f"benchmarks.brokers {name}", measurement.head(sizes), rows[-1:], note)
        sys.stdout.write(f"{note}\n\n{table(measurement.head(sizes), rows)}\n\n")


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.brokers", description=__doc__)
    parser.add_argument("brokers", nargs="*", default=[*CONTENDERS], help="which of them, by default all")
    parser.add_argument("--only", action="append", choices=[*MEASUREMENTS], help="one measurement, may be repeated")
    parser.add_argument("--full", action="store_true", help="20 kills and a million messages, an hour in all")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--messages", type=int, help="of the backlog")
    parser.add_argument("--rounds", type=int, help="how often the backlog is filled and drained")
    parser.add_argument("--connections", type=int)
    parser.add_argument("--seconds", type=float, help="how long the connections are watched")
    parser.add_argument("--seed", type=int, default=1, help="of the dice that say when to kill")
    parser.add_argument("--write", action="store_true", help="write the rows into docs/operations.md")
    chosen = parser.parse_args()
    if unknown := set(chosen.brokers) - set(CONTENDERS):
        parser.error(f"no such broker: {', '.join(unknown)}; there are {', '.join(CONTENDERS)}")
    for field in fields(Sizes):
        if getattr(chosen, field.name) is None:
            setattr(chosen, field.name, getattr(FULL if chosen.full else SHORT, field.name))
    return chosen


def _lost(contender: Contender, sizes: Sizes, dice: random.Random) -> list[str]:
    losses = []
    for consumer in Consumer:
        _say(f"{contender.title}: {sizes.kills} kills, consumer {consumer}")
        with _running(contender) as (broker, nodes):
            kills = kill_again_and_again(broker, nodes, consumer, sizes.kills, dice)
        losses.append(f"{kills.lost:,} of {kills.acknowledged:,}")
    return losses


def _backlog(contender: Contender, sizes: Sizes, _: random.Random) -> list[str]:
    messages, rounds = round(sizes.messages * contender.scale), []
    for _ in range(sizes.rounds):
        _say(f"{contender.title}: a backlog of {messages:,}")
        with _running(contender) as (broker, nodes):
            rounds.append(fill_and_drain(broker, nodes, messages))
    return [
        f"{messages:,}",
        spread([each.in_rate for each in rounds]),
        spread([each.in_cpu_us for each in rounds], 1),
        spread([each.out_rate for each in rounds]),
        spread([each.out_cpu_us for each in rounds], 1),
        f"{max(each.resident_mb for each in rounds):,.0f} MB",
    ]


def _connections(contender: Contender, sizes: Sizes, _: random.Random) -> list[str]:
    _say(f"{contender.title}: {sizes.connections:,} connections")
    with _running(contender) as (broker, nodes):
        many = connect_many(broker, nodes, sizes.connections, sizes.seconds)
    return [f"{many.resident_mb:,.0f} MB", f"{many.cpu_share:.0%}"]


MEASUREMENTS = {
    "kills": Measurement(
        lambda sizes: (f"acknowledged messages lost in {sizes.kills} kills -9, consumer", *Consumer), _lost
    ),
    "backlog": Measurement(
        lambda _: ("", "messages", "in, messages/s", "in, CPU us", "out, messages/s", "out, CPU us", "memory between"),
        _backlog,
    ),
    "connections": Measurement(
        lambda sizes: (f"{sizes.connections:,} connections", "memory", "CPU, of one core"), _connections
    ),
}


@contextmanager
def _running(contender: Contender) -> Iterator[tuple[Broker, list[Process]]]:
    """Run the broker with an empty store, which is deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder, Home(Path(folder)) as home:
        broker = contender.open(Place(home.path / "broker", home.ports, service_user("broker"), 1, _say))
        nodes = [Process(part, home) for part in broker.parts]
        try:
            start_together(nodes)
            yield broker, nodes
        finally:
            for node in nodes:
                node.stop()


def _printed(program: Path, option: str) -> str:
    return subprocess.run([program, option], capture_output=True, text=True, check=False).stdout  # noqa: S603


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
