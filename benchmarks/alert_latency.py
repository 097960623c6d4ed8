"""From the publish of the message that causes it to the alert that everybody can read, under load.

`python -m benchmarks.alert_latency`: 1,000 messages a second for a minute on a private installation, one in fifty of
them the event that opens an alert. Goal: 99 of 100 alerts within a second.
"""

import json
import statistics
import sys
import threading
import time
from contextlib import closing

from benchmarks.installation import COMMUNITY, installation
from simulators.publisher import Publisher
from store.alerts import follow_transitions, read_steps
from store.database import connect

_RATE = 1_000
_SECONDS = 60
_ALERT_EVERY = 50
_DEVICES = _RATE * _SECONDS // _ALERT_EVERY


def main() -> None:
    """Measure and print the quantiles in milliseconds."""
    with installation(_DEVICES, "electricity_meter") as anju:
        seen: dict[str, float] = {}
        stop = threading.Event()
        watching = threading.Thread(target=_watch, args=(anju.services.database_url, seen, stop))
        watching.start()
        sent = _publish(anju.services.publish_mqtt_url)
        until = time.monotonic() + 30
        while len(seen) < len(sent) and time.monotonic() < until:
            time.sleep(0.1)
        stop.set()
        watching.join()
    delays = sorted((seen[device] - at) * 1000 for device, at in sent.items() if device in seen)
    per_mille = statistics.quantiles(delays, n=1000)
    sys.stdout.write(
        f"{_RATE} messages/s for {_SECONDS} s: {len(delays)} of {len(sent)} alerts seen; publish to readable alert "
        f"p50 {per_mille[499]:.0f} ms, p99 {per_mille[989]:.0f} ms, p99.9 {per_mille[998]:.0f} ms, "
        f"longest {delays[-1]:.0f} ms\n"
    )


def _publish(url: str) -> dict[str, float]:
    """Publish at the rate; when each device's event was handed to the client."""
    sent: dict[str, float] = {}
    with Publisher(url) as publisher:
        began = time.monotonic()
        for n in range(_RATE * _SECONDS):
            if (wait := began + n / _RATE - time.monotonic()) > 0:
                time.sleep(wait)
            device = f"d{n // _ALERT_EVERY}"
            topic, now_ms = f"anju/v1/{COMMUNITY}/electricity_meter/{device}", time.time_ns() // 1_000_000
            if n % _ALERT_EVERY == _ALERT_EVERY - 1:
                sent[device] = time.monotonic()
                publisher.publish(f"{topic}/event", json.dumps({"ts": now_ms, "event": "cover_opened"}).encode())
            else:
                values = {"power_w": 350, "voltage_v": 220.5, "energy_kwh": n / 100}
                publisher.publish(f"{topic}/telemetry", json.dumps({"ts": now_ms, "values": values}).encode())
    return sent


def _watch(url: str, seen: dict[str, float], stop: threading.Event) -> None:
    """Note when each device's alert can be read."""
    after = 0
    with closing(connect(url, application_name="benchmark")) as connection:
        for newest in follow_transitions(connection):
            steps = read_steps(connection, after=after, up_to=newest, community=None, severity=None, limit=10_000)
            connection.commit()
            now, after = time.monotonic(), newest
            for step in steps:
                if step.alert.device and step.transition.to_state == "active":
                    seen.setdefault(step.alert.device, now)
            if stop.is_set():
                return


if __name__ == "__main__":
    main()
