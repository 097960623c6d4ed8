"""Latency from the publish of an event to the readable alert, under load.

    python -m benchmarks.alert_latency [RATE [SECONDS]]

The load is RATE messages a second, by default 70 % of the highest rate found by `benchmarks.live`. For SECONDS, by
default 300, twenty events a second each raise an alert of another device. Goal: 99 of 100 alerts within half a second.
The garbage collections of ingest in that time are counted as well.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, pairwise
from statistics import quantiles

from benchmarks import load, report
from benchmarks.installation import Installation, ingest, installation, make_session, metric
from benchmarks.live import DEVICES, highest_rate
from benchmarks.traffic import KIND, community, meters, registry
from simulators.publisher import Publisher
from store.alerts.stream import follow_transitions, read_alert_transitions
from store.database import connect

SHARE = 0.7
_ALERTS_A_SECOND = 20
_SPANS = 5
_LATE_S = 60
_SETTLE_S = 4.0


def main(rate: float | None = None, seconds: float = 300) -> None:
    """Measure, print, and write the quantiles into docs/performance.md."""
    alerts = round(seconds * _ALERTS_A_SECOND)
    with installation(chain(registry(DEVICES), _alarming(alerts))) as anju:
        make_session(anju)
        with ingest(anju) as pid:
            rate = rate or SHARE * highest_rate(anju, pid, meters(DEVICES))
            before = _pauses(anju)
            delays = _delays_ms(anju, rate, seconds, alerts)
            pauses = {limit: count - before[limit] for limit, count in _pauses(anju).items()}
    spans = [sorted(delays[n * len(delays) // _SPANS : (n + 1) * len(delays) // _SPANS]) for n in range(_SPANS)]
    rows = [
        (name, report.spread([quantiles(span, n=1000, method="inclusive")[at] for span in spans]))
        for name, at in (("p50", 499), ("p99", 989), ("p99.9", 998))
    ]
    everything = quantiles(delays, n=1000, method="inclusive")
    text = (
        f"{rate:,.0f} messages a second for {seconds:,.0f} s, {len(delays)} of {alerts} alerts seen: "
        f"p50 {everything[499]:.0f} ms, p99 {everything[989]:.0f} ms, p99.9 {everything[998]:.0f} ms, "
        f"longest {max(delays):.0f} ms; by fifths of the time below. Collections of garbage: {_histogram(pauses)}. "
        f"{report.machine()}.\n\n"
    )
    head = ("publish to readable alert", "ms: median of five fifths (least to greatest)")
    report.publish("benchmarks.alert_latency", text + report.table(head, rows))


def _alarming(count: int) -> Iterator[dict[str, object]]:
    return ({"community": community(n), "device": f"a{n}", "kind": KIND, "simulated": True} for n in range(count))


def _delays_ms(anju: Installation, rate: float, seconds: float, alerts: int) -> list[float]:
    """Return the delay of each alert in the order of the events; an alert that is missing fails the measurement."""
    services, readable_at, stop = anju.services, dict[str, float](), threading.Event()
    watching = threading.Thread(target=_watch, args=(services.database_url, readable_at, stop))
    watching.start()
    total = round(rate * (seconds + 2 * _SETTLE_S))
    sending = load.start(services.publish_mqtt_url, meters(DEVICES), total, rate=rate)
    time.sleep(_SETTLE_S)
    sent = _publish_events(services.publish_mqtt_url, alerts)
    sending.result()
    until = time.monotonic() + _LATE_S
    while len(readable_at) < len(sent) and time.monotonic() < until:
        time.sleep(0.1)
    stop.set()
    watching.join()
    return [(readable_at[device] - at) * 1000 for device, at in sent.items()]


def _publish_events(url: str, count: int) -> dict[str, float]:
    """Publish one event a device, and return the time of each publish."""
    sent: dict[str, float] = {}
    with Publisher(url) as publisher:
        began = time.monotonic()
        for n in range(count):
            time.sleep(max(0.0, began + n / _ALERTS_A_SECOND - time.monotonic()))
            event = {"ts": time.time_ns() // 1_000_000, "event": "cover_opened"}
            sent[f"a{n}"] = time.monotonic()
            publisher.publish(f"anju/v1/{community(n)}/{KIND}/a{n}/event", json.dumps(event).encode())
    return sent


def _watch(url: str, readable_at: dict[str, float], stop: threading.Event) -> None:
    """Record the time at which the alert of each device becomes readable."""
    after = 0
    with closing(connect(url, application_name="benchmark")) as connection:
        for newest in follow_transitions(connection):
            steps = read_alert_transitions(
                connection, after=after, up_to=newest, community=None, severity=None, limit=10_000
            )
            connection.commit()
            now, after = time.monotonic(), newest
            for step in steps:
                if step.alert.device and step.transition.to_state == "active":
                    readable_at.setdefault(step.alert.device, now)
            if stop.is_set():
                return


def _pauses(anju: Installation) -> dict[str, float]:
    """Return the number of garbage collections by their longest duration in seconds."""
    limits = ("0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1.0", "+Inf")
    return {limit: metric(anju, "anju_gc_pause_seconds_bucket", le=limit) for limit in limits}


def _histogram(pauses: dict[str, float]) -> str:
    between = [("up to 0.001 s", pauses["0.001"])]
    between += [(f"{low} to {high} s", pauses[high] - pauses[low]) for low, high in pairwise(pauses)]
    return ", ".join(f"{count:.0f} of {name}" for name, count in between if count) or "none"


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
