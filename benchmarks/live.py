"""Messages at a steady rate on the same cores: `python -m benchmarks.live [RATE [SECONDS]]`.

The first part finds, by halving, the highest rate without a growing queue within 15 s. The second part holds RATE, by
default 15,000 messages a second, for SECONDS, by default 300, and samples the queue every second: the messages in the
broker without an acknowledgement of ingest. 20,000 devices send one reading a message; every rule is on.
"""

import sys
import time
from dataclasses import dataclass
from statistics import median

from benchmarks import load, report
from benchmarks.installation import Installation, cpu_by_part, ingest, installation, make_session, metric
from benchmarks.installation import waiting_messages as waiting
from benchmarks.traffic import Round, meters, registry

DEVICES = 20_000
_SPANS = 5
_SETTLE_S = 4.0
_TRY_S = 15.0
_RANGE = (4_000.0, 68_000.0)
_TRIES = 6
_PARTS = ("broker", "ingest", "database")


@dataclass(frozen=True, slots=True)
class Span:
    """Part of the measurement: rows stored a second, CPU microseconds a message of each part, samples of the queue."""

    stored: float
    cpu_us: dict[str, float]
    queue: list[int]


def main(rate: float = 15_000, seconds: float = 300) -> float:
    """Measure, print, and write the table into docs/performance.md; return the highest rate without a growing queue."""
    messages = meters(DEVICES)
    with installation(registry(DEVICES)) as anju:
        make_session(anju)
        with ingest(anju) as pid:
            highest = highest_rate(anju, pid, messages)
            spans, sent = _hold(anju, pid, messages, rate, seconds)
    head = ("fifth of the time", "stored a second", "queue, median (least to greatest)", *_PARTS, "CPU us a message")
    rows = [
        (
            str(number),
            f"{span.stored:,.0f}",
            report.spread(span.queue),
            *(f"{span.cpu_us[part]:.1f}" for part in _PARTS),
            f"{sum(span.cpu_us.values()):.1f}",
        )
        for number, span in enumerate(spans, 1)
    ]
    stored = report.spread([span.stored for span in spans])
    text = (
        f"{rate:,.0f} messages a second for {seconds:,.0f} s: stored a second {stored}. The load generator "
        f"costs {sent.cpu_s / sent.messages * 1e6:.1f} CPU us a message on the same cores. Highest rate without a "
        f"growing queue: {highest:,.0f} messages a second. {report.machine()}.\n\n"
    )
    report.publish("benchmarks.live", text + report.table(head, rows))
    return highest


def highest_rate(anju: Installation, ingest_pid: int, messages: Round) -> float:
    """Return the highest tried rate in messages a second with a queue below the arrivals of a second."""
    low, high = _RANGE
    for _ in range(_TRIES):
        rate = (low + high) / 2
        spans, _ = _hold(anju, ingest_pid, messages, rate, _TRY_S)
        grows = median(spans[-1].queue) > rate
        sys.stderr.write(f"{rate:,.0f} messages/s: at the end {spans[-1].queue[-1]:,} wait\n")
        low, high = (low, rate) if grows else (rate, high)
    return low


def _hold(
    anju: Installation, ingest_pid: int, messages: Round, rate: float, seconds: float
) -> tuple[list[Span], load.PublishResult]:
    """Measure at a rate, and return once the rest of the queue is stored."""
    total = round(rate * (seconds + _SETTLE_S))
    sending = load.start(anju.services.publish_mqtt_url, messages, total, rate=rate)
    time.sleep(_SETTLE_S)  # time for the generator to compose its messages and connect
    spans = [_span(anju, ingest_pid, seconds / _SPANS) for _ in range(_SPANS)]
    sent = sending.result()
    while waiting(anju):
        time.sleep(0.1)
    return spans, sent


def _span(anju: Installation, ingest_pid: int, seconds: float) -> Span:
    began, stored, cpu = time.monotonic(), _stored(anju), cpu_by_part(anju, ingest_pid)
    queue = []
    while (left := began + seconds - time.monotonic()) > 0:
        time.sleep(min(1.0, left))
        queue.append(waiting(anju))
    took, new = time.monotonic() - began, _stored(anju) - stored
    after = cpu_by_part(anju, ingest_pid)
    return Span(new / took, {part: (after[part] - cpu[part]) / new * 1e6 for part in _PARTS}, queue)


def _stored(anju: Installation) -> float:
    return metric(anju, "anju_items_total", outcome="stored")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
