"""A private installation for a measurement: database, broker and `anju ingest`, thrown away afterwards."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.ports import Ports
from local.services import Services, start_services
from store.database import connect
from store.import_csv import import_rows
from store.migrate import migrate

COMMUNITY = "celiang"
_READY_S = 60


@dataclass(frozen=True, slots=True)
class Installation:
    """What a measurement needs to know; `ingest` is the process id of ingest."""

    services: Services
    ingest: int


@contextmanager
def installation(devices: int, kind: str) -> Iterator[Installation]:
    """Run everything with `devices` devices d0, d1, ... of one kind, all rules on, and wait until ingest receives."""
    with tempfile.TemporaryDirectory() as folder, start_services(Path(folder), _say) as services:
        migrate(services.database_url)
        _register(services.database_url, devices, kind)
        port = Ports(Path(folder)).claim("metrics", 9100)
        environment = {
            **os.environ,
            "ANJU_DATABASE_URL": services.database_url,
            "ANJU_MQTT_URL": services.mqtt_url,
            "ANJU_SECRET_KEY": "a key for measurements",
            "ANJU_METRICS_PORT": str(port),
        }
        anju = Path(sys.executable).with_name("anju")
        with Path(folder, "ingest.log").open("wb") as log:
            process = subprocess.Popen([anju, "ingest"], env=environment, stdout=log, stderr=log)  # noqa: S603
        try:
            _wait_until_subscribed(port)
            yield Installation(services, process.pid)
        finally:
            process.terminate()
            process.wait()


def _register(url: str, devices: int, kind: str) -> None:
    place = {"community": COMMUNITY, "name": "测量小区", "banner": "东胜区", "street": "测量街道"}
    rows = ({"community": COMMUNITY, "device": f"d{n}", "kind": kind, "simulated": True} for n in range(devices))
    with closing(connect(url, application_name="benchmark")) as connection:
        connection.autocommit = True
        import_rows(connection, [place], [], rows, known_plan_items=())


def _wait_until_subscribed(port: int) -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
                if 'anju_ingest_subscribed{partition="0"} 1.0' in answer.read().decode():
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.2)
    raise TimeoutError(f"ingest did not subscribe within {_READY_S} s")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
