"""Brokers side by side: what they lose when killed, what they take in and give out, and what it costs them.

`python -m benchmarks.brokers` (`make brokers`) writes its tables into docs/operations.md; `--help` tells the sizes.
Clients are raw sockets in other processes than the brokers; only the CPU time of the brokers counts.
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
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.broker_kills import Consumer, kill_again_and_again
from benchmarks.broker_load import connect_many, fill_and_drain
from benchmarks.report import machine, spread, table, write_section
from local.binaries import find_mosquitto, find_nats_server, find_rabbitmq
from local.brokers.broker import Broker, Place
from local.brokers.mosquitto import open_mosquitto
from local.brokers.nats import open_nats
from local.brokers.nats_cluster import open_nats_cluster
from local.brokers.rabbitmq import open_rabbitmq
from local.home import Home
from local.process import Process, start_together
from local.users import service_user

OPERATIONS = Path(__file__).parent.parent / "docs" / "operations.md"


@dataclass(frozen=True, slots=True)
class Contender:
    """A broker to measure; `version` gives a text with its version in it, `scale` is below 1 for a slow one."""

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


def main() -> None:
    """Measure and write the tables."""
    sizes = _sizes()
    # Ended by SIGTERM, Python would leave the brokers' stores behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    dice = random.Random(sizes.seed)  # noqa: S311 - when to kill is no secret
    rows = [_measured(CONTENDERS[name], sizes, dice) for name in sizes.brokers]
    lost, load = (table(head, part) for head, part in zip(_heads(sizes), zip(*rows, strict=True), strict=True))
    text = f"`make brokers`, seed {sizes.seed}, on {machine()}:\n\n{lost}\n\n{load}"
    sys.stdout.write(text + "\n")
    if sizes.write:
        write_section(OPERATIONS, "benchmarks.brokers", text)


def _sizes() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.brokers", description=__doc__)
    parser.add_argument("brokers", nargs="*", default=[*CONTENDERS], help="which of them, by default all")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--messages", type=int, default=1_000_000, help="of the backlog")
    parser.add_argument("--rounds", type=int, default=3, help="how often the backlog is filled and drained")
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60, help="how long the connections are watched")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--write", action="store_true", help="write the tables into docs/operations.md")
    return parser.parse_args()


def _heads(sizes: argparse.Namespace) -> Iterator[Sequence[str]]:
    yield (f"acknowledged messages lost in {sizes.kills} kills -9, consumer", *Consumer)
    yield (
        "",
        *("in, messages/s", "in, CPU us", "out, messages/s", "out, CPU us"),
        f"memory with {sizes.messages:,} waiting",
        *(f"memory with {sizes.connections:,} connections", "CPU with them, of one core"),
    )


def _measured(contender: Contender, sizes: argparse.Namespace, dice: random.Random) -> tuple[list[str], list[str]]:
    """The contender's row in each of the two tables."""
    lost, rounds = [], []
    for consumer in Consumer:
        _say(f"{contender.title}: {sizes.kills} kills, consumer {consumer}")
        with _running(contender) as (broker, nodes):
            kills = kill_again_and_again(broker, nodes, consumer, sizes.kills, dice)
        lost.append(f"{kills.lost:,} of {kills.acknowledged:,}")
    messages = round(sizes.messages * contender.scale)
    for _ in range(sizes.rounds):
        _say(f"{contender.title}: a backlog of {messages:,}")
        with _running(contender) as (broker, nodes):
            rounds.append(fill_and_drain(broker, nodes, messages))
    _say(f"{contender.title}: {sizes.connections:,} connections")
    with _running(contender) as (broker, nodes):
        many = connect_many(broker, nodes, sizes.connections, sizes.seconds)
    version = re.search(r"\d+\.\d+\.\d+", contender.version())
    title = f"{contender.title} {version[0] if version else 'of unknown version'}"
    waiting = f"{max(each.resident_mb for each in rounds):,.0f} MB" + (
        f" ({messages:,})" if contender.scale < 1 else ""
    )
    return [title, *lost], [
        title,
        spread([each.in_rate for each in rounds]),
        spread([each.in_cpu_us for each in rounds], 1),
        spread([each.out_rate for each in rounds]),
        spread([each.out_cpu_us for each in rounds], 1),
        waiting,
        f"{many.resident_mb:,.0f} MB",
        f"{many.cpu_share:.0%}",
    ]


@contextmanager
def _running(contender: Contender) -> Iterator[tuple[Broker, list[Process]]]:
    """The broker with an empty store, which is thrown away afterwards."""
    with tempfile.TemporaryDirectory() as folder, Home(Path(folder)) as home:
        broker = contender.open(Place(home.path / "broker", home.ports, service_user(), 1, _say))
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
