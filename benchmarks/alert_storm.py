"""A storm of alerts: delay of ingest, losses and duplicates, and messages to a person.

    python -m benchmarks.alert_storm [ALERTS [SECONDS]]

Within SECONDS, by default 60, as many meters as ALERTS, by default 50,000, report an opened cover, which is an alert
each. `anju worker` sends each alert once to a program, and digests to a person. Goal: ingest does not stall, and
nothing is lost or doubled.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks import load, report
from benchmarks.installation import (
    INGEST,
    Installation,
    cpu_by_part,
    ingest,
    installation,
    make_session,
    waiting_messages,
)
from benchmarks.processes import cpu_s
from benchmarks.traffic import KIND, TIME, Round, community, registry
from store.database import connect
from store.notices.statistics import alert_delays, notice_counts

_WORKER = (INGEST[0], "worker")
_LONGEST_S = 900
_QUANTILES = ("p50", "p99", "p99.9", "longest")


@dataclass
class _Receipts:
    """Accepted notices: the alerts raised according to the program, and the times of messages to the person."""

    alerts: Counter[str] = field(default_factory=Counter)
    rings: list[float] = field(default_factory=list)


def main(alerts: float = 50_000, seconds: float = 60) -> None:
    """Measure, print, and write the figures into docs/performance.md."""
    count = int(alerts)
    with installation(registry(count)) as anju, _receivers() as (url, receipts):
        make_session(anju)
        with ingest(anju) as pid, _worker(anju, url) as worker_pid:
            before, began = cpu_by_part(anju, pid), time.monotonic()
            storm = load.start(anju.services.publish_mqtt_url, _openings(count), count, rate=count / seconds)
            deepest = 0
            while not storm.done():
                deepest = max(deepest, waiting_messages(anju))
                time.sleep(0.5)
            storm.result()
            delays_ms = _wait_for_alerts(anju, count)
            until = time.monotonic() + _LONGEST_S
            while len(receipts.alerts) < count and time.monotonic() < until:
                time.sleep(0.5)
            took_s = time.monotonic() - began
            used = {part: used - before[part] for part, used in cpu_by_part(anju, pid).items()}
            used["worker"] = cpu_s(worker_pid)
            person = _states(anju, "person/wecom")
    doubled = sum(times - 1 for times in receipts.alerts.values())
    delays = ", ".join(f"{name} {ms:,.0f} ms" for name, ms in zip(_QUANTILES, delays_ms, strict=True))
    rows = [
        ("publish to decided alert", delays),
        ("most messages that waited for ingest", f"{deepest:,}"),
        ("sent to a program", f"{len(receipts.alerts):,}, {doubled} of them twice, the last after {took_s:.0f} s"),
        (
            "sent to a person",
            f"{person['sent']:,} in {len(receipts.rings)} messages; {person['queued']:,} wait for the next",
        ),
        ("CPU seconds", ", ".join(f"{part} {spent:.1f}" for part, spent in used.items())),
    ]
    text = f"{count:,} alerts within {seconds:.0f} s. {report.machine()}.\n\n"
    report.publish("benchmarks.alert_storm", text + report.table(("what", "measured"), rows))
    if len(receipts.alerts) < count or doubled or person.total() < count:
        raise SystemExit("an alert was lost or doubled")


def _openings(count: int) -> Round:
    payload = b'{"ts": %s, "event": "cover_opened"}' % TIME
    topics = (f"anju/v1/{community(n)}/{KIND}/d{n}/event" for n in range(count))
    return Round(tuple((topic, payload) for topic in topics), tuple((community(n), f"d{n}") for n in range(count)))


def _wait_for_alerts(anju: Installation, count: int) -> list[float]:
    until = time.monotonic() + _LONGEST_S
    with closing(connect(anju.services.database_url, application_name="benchmark")) as connection:
        while time.monotonic() < until:
            raised_count, delays_ms = alert_delays(connection)
            connection.commit()
            if raised_count >= count:
                return delays_ms
            time.sleep(0.5)
    raise TimeoutError(f"{raised_count} of {count} alerts after {_LONGEST_S} s")


def _states(anju: Installation, channel: str) -> Counter[str]:
    with closing(connect(anju.services.database_url, application_name="benchmark")) as connection:
        return Counter({state: count for (name, state), count in notice_counts(connection).items() if name == channel})


@contextmanager
def _worker(anju: Installation, url: str) -> Iterator[int]:
    """Run `anju worker` with two contacts; yield its process id."""
    routing = anju.folder / "notify.yaml"
    contacts = [
        {"name": "program", "channels": {"webhook": f"{url}/program"}},
        {"name": "person", "channels": {"wecom": f"{url}/person"}},
    ]
    # JSON is YAML.
    routing.write_text(
        json.dumps({"contacts": contacts, "routes": [{"severity": "info", "to": ["program", "person"]}]})
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANJU_")}
    settings = {"ANJU_DATABASE_URL": anju.services.database_url, "ANJU_NOTIFY_FILE": str(routing)}
    with Path(anju.folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(_WORKER, env={**environment, **settings}, stdout=log, stderr=log)  # noqa: S603 - ours
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def _receivers() -> Iterator[tuple[str, _Receipts]]:
    """Run the receivers of a program and of a person at one address; yield the address and their receipts."""
    receipts = _Receipts()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/program":
                raised = (each for each in content["alerts"] if each["status"] == "firing")
                receipts.alerts.update(each["fingerprint"] for each in raised)
            else:
                receipts.rings.append(time.monotonic())
            body = b'{"errcode": 0}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", receipts
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
