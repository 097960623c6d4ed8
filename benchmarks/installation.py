"""Private installation for a measurement: database, broker and `anju ingest`, deleted afterwards."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.processes import cpu_s
from benchmarks.traffic import COMMUNITIES, community
from imports.importer import import_rows
from local.services import Services, start_services
from store.admin.migrate import migrate
from store.database import connect

INGEST = (str(Path(sys.executable).with_name("anju")), "ingest")
_READY_S = 120
_END_S = 60
_CONNECTED = b'"event": "connected to the broker"'


@dataclass(frozen=True, slots=True)
class Installation:
    """A database and a broker with registered devices; `partitions` is the number of the broker's partitions."""

    services: Services
    folder: Path
    metrics_port: int
    partitions: int


@contextmanager
def installation(devices: Iterable[Mapping[str, object]], *, partitions: int = 1) -> Iterator[Installation]:
    """Run a database and a broker with registered devices and every rule on, without ingest."""
    # Without a handler, SIGTERM would end Python and leave gigabytes in the folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as name, start_services(Path(name), _say, partitions=partitions) as services:
        folder = Path(name)
        migrate(services.database_url)
        _register(services.database_url, devices)
        # Below the range of outgoing ports of Linux, and distinct from the ports of the services.
        yield Installation(services, folder, 20_000 + os.getpid() % 10_000, partitions)


@contextmanager
def ingest(anju: Installation, command: Sequence[str] = INGEST) -> Iterator[int]:
    """Run ingest, from its connection to the broker to its orderly end; yield its process id."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("ANJU_")},
        "ANJU_DATABASE_URL": anju.services.database_url,
        "ANJU_MQTT_URL": anju.services.mqtt_url,
        "ANJU_SECRET_KEY": "a key for measurements",
        "ANJU_METRICS_PORT": str(anju.metrics_port),
        "ANJU_PARTITIONS": str(anju.partitions),
    }
    log = anju.folder / "ingest.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)  # noqa: S603 - ours
    try:
        _wait_until_connected(process, log, anju.partitions)
        yield process.pid
    finally:
        process.terminate()
        process.wait(_END_S)


def make_session(anju: Installation) -> None:
    """Let ingest create its sessions and end, so that the broker queues messages from then on."""
    with ingest(anju):
        until = time.monotonic() + _READY_S
        while time.monotonic() < until:
            if metric(anju, "anju_ingest_subscribed") == anju.partitions:
                return
            time.sleep(0.2)
    raise TimeoutError(f"ingest did not subscribe within {_READY_S} s")


def metric(anju: Installation, name: str, **labels: str) -> float:
    """Return the sum of ingest's samples of a metric with these labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{anju.metrics_port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def waiting_messages(anju: Installation) -> int:
    """Return the number of messages that the broker holds without an acknowledgement of ingest."""
    with urllib.request.urlopen(f"{anju.services.monitoring_url}/jsz?consumers=1", timeout=10) as answer:  # noqa: S310
        accounts = json.load(answer)["account_details"]
    consumers = (
        consumer
        for account in accounts
        for stream in account.get("stream_detail", ())
        if stream["name"] == "$MQTT_msgs"
        for consumer in stream.get("consumer_detail", ())
    )
    return sum(consumer["num_pending"] + consumer["num_ack_pending"] for consumer in consumers)


def cpu_by_part(anju: Installation, ingest_pid: int) -> dict[str, float]:
    """Return the CPU seconds since the start of each part on the way of a message."""
    return {
        "broker": sum(cpu_s(node.pid) for node in anju.services.nodes),
        "ingest": cpu_s(ingest_pid),
        "database": cpu_s(anju.services.postgres.pid),
    }


def _register(url: str, devices: Iterable[Mapping[str, object]]) -> None:
    places = [
        {"community": community(n), "name": f"测量{n}小区", "banner": "东胜区", "street": "测量街道"}
        for n in range(COMMUNITIES)
    ]
    with closing(connect(url, application_name="benchmark")) as connection:
        connection.autocommit = True
        import_rows(connection, places, [], devices)


def _wait_until_connected(process: subprocess.Popen[bytes], log: Path, partitions: int) -> None:
    until = time.monotonic() + _READY_S
    while log.read_bytes().count(_CONNECTED) < partitions:
        if process.poll() is not None or time.monotonic() > until:
            raise TimeoutError(f"ingest did not connect to the broker: {log.read_text()[-2000:]}")
        time.sleep(0.01)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
