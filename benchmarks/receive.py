"""Receiving and acknowledging alone, with ingest's receiver and with plain paho.

    python -m benchmarks.receive [MESSAGES]

A session holds a backlog of single readings. Each receiver takes all of it in batches and acknowledges every message,
without decoding, evaluation or storage. They take turns, five times, each time with a broker of its own.
"""

import sys
import time
from dataclasses import dataclass
from statistics import median

from benchmarks import load, report
from benchmarks.installation import installation, make_session
from benchmarks.plain_paho import PlainReceiver
from benchmarks.processes import cpu_s
from benchmarks.traffic import meters, registry
from ingest.partition import EVERYTHING
from ingest.receiver import Receiver

_RUNS = 5
_DEVICES = 5_000
_POLL_S = 0.05
_STALLED_S = 60.0


@dataclass(frozen=True, slots=True)
class ReceiveResult:
    """Seconds for the whole backlog, and CPU microseconds a message of receiver and broker."""

    messages: int
    seconds: float
    receiver_us: float
    broker_us: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


def main(messages: int = 200_000) -> None:
    """Measure, print, and write the table into docs/performance.md."""
    contenders: dict[str, type[Receiver] | type[PlainReceiver]] = {"Anju": Receiver, "paho as it comes": PlainReceiver}
    runs: dict[str, list[ReceiveResult]] = {name: [] for name in contenders}
    for _ in range(_RUNS):
        for name, receiver in contenders.items():
            runs[name].append(_run(receiver, messages))
            sys.stderr.write(f"{name}: {runs[name][-1].receiver_us:.1f} us a message\n")
    ours = runs["Anju"]
    head = ("", "messages/s", "receiver, CPU us a message", "broker", "Anju's rate : this", "this CPU : Anju's")
    lines = [
        (
            name,
            report.spread([run.rate for run in of_one]),
            report.spread([run.receiver_us for run in of_one], 1),
            f"{median(run.broker_us for run in of_one):.1f}",
            report.spread([mine.rate / other.rate for mine, other in zip(ours, of_one, strict=True)], 2),
            report.spread([other.receiver_us / mine.receiver_us for mine, other in zip(ours, of_one, strict=True)], 2),
        )
        for name, of_one in runs.items()
    ]
    text = f"{messages:,} messages, {_RUNS} runs each in turns: median (least to greatest). {report.machine()}.\n\n"
    report.publish("benchmarks.receive", text + report.table(head, lines))


def _run(kind: type[Receiver] | type[PlainReceiver], messages: int) -> ReceiveResult:
    with installation(registry(_DEVICES)) as anju:
        make_session(anju)
        load.start(anju.services.publish_mqtt_url, meters(_DEVICES), messages).result()
        receiver = kind(anju.services.mqtt_url, EVERYTHING)
        broker = cpu_s(anju.services.broker.pid)
        began, cpu, left = time.monotonic(), time.process_time(), messages
        while left > 0:
            receiver.poll(_POLL_S)
            taken = receiver.take()
            receiver.acknowledge(taken)
            left -= len(taken)
            if time.monotonic() - began > _STALLED_S:
                raise TimeoutError(f"of {messages} messages {left} did not come within {_STALLED_S:g} s")
        seconds, own = time.monotonic() - began, time.process_time() - cpu
        broker = cpu_s(anju.services.broker.pid) - broker
        receiver.close()
        return ReceiveResult(messages, seconds, own / messages * 1e6, broker / messages * 1e6)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
