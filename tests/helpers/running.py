"""Shared by the tests of ingest: a registry, a broker, and `anju ingest` as a process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from database_roles import as_role
from devices.broker_url import BrokerUrl
from imports.importer import import_rows
from ingest.partition import Partition
from local.brokers.broker import Broker
from local.brokers.tls import BrokerTls
from local.home import Home
from local.process import Process, start_together
from local.services import prepare_broker
from patience import patient
from simulators.publisher import Publisher
from store.admin.roles import Role
from store.database import connect

ANJU = str(Path(sys.executable).with_name("anju"))
SECRET_KEY = "a secret key for the tests"


class BrokerUrls(Protocol):
    """The addresses of a broker: for ingest, and for simulators."""

    @property
    def mqtt_url(self) -> str: ...

    @property
    def publish_mqtt_url(self) -> str: ...


def epoch_ms(moment: float | None = None) -> int:
    """Return milliseconds since 1970 of a moment in seconds since 1970, or of now."""
    return round((time.time() if moment is None else moment) * 1000)


def reading(ts: int, **values: float | bool | str) -> bytes:
    """Return the payload of a reading."""
    return json.dumps({"ts": ts, "values": values}).encode()


def event(ts: int, name: str, **more: object) -> bytes:
    """Return the payload of an event."""
    return json.dumps({"ts": ts, "event": name, **more}).encode()


def register(url: str, community: str, devices: Iterable[tuple[str, ...]]) -> None:
    """Register a community with devices given as (name, kind) or (name, kind, gateway)."""
    rows = [
        {"community": community, "device": name, "kind": kind, "gateway": "".join(gateway)}
        for name, kind, *gateway in devices
    ]
    gateways = [row for row in rows if row["kind"] == "gateway"]
    others = [row for row in rows if row["kind"] != "gateway"]
    place = {"community": community, "name": "阳光小区", "banner": "东胜区", "street": "公园街道"}
    with closing(connect(url, application_name="test")) as connection:
        connection.autocommit = True
        import_rows(connection, [place], [], gateways + others)


@contextmanager
def running_broker(
    home: Home, partitions: int = 1, *, guarded: bool = False, tls: BrokerTls | None = None
) -> Iterator[tuple[Broker, Process]]:
    """Start a broker with its data in `home`, and end it after the block; also gives the process of its first node."""
    with ExitStack() as stack:
        broker = prepare_broker(home, print, partitions=partitions, guarded=guarded, tls=tls)
        processes = [Process(part, home) for part in broker.parts]
        for process in processes:
            stack.callback(process.stop)
        start_together(processes, patient(60))
        yield broker, processes[0]


def forget_session(servers: BrokerUrls, *, subscribe: bool = True, partitions: int = 1) -> None:
    """Drop the messages of earlier tests from the broker, retained ones included, and open ingest's sessions anew."""
    parts = [Partition(number, partitions) for number in range(partitions)]
    topics = [topic for part in parts for topic in open_session(servers.mqtt_url, part, clean=True, subscribe=True)]
    with Publisher(servers.publish_mqtt_url) as out:
        for topic in topics:
            out.publish(topic, b"", retain=True)
    for part in parts:
        open_session(servers.mqtt_url, part, clean=False, subscribe=subscribe)


def open_session(mqtt_url: str, partition: Partition, *, clean: bool, subscribe: bool) -> set[str]:
    """Connect as ingest and leave again; return the topics of the retained messages that came meanwhile."""
    address = BrokerUrl.parse(mqtt_url)
    client = Client(CallbackAPIVersion.VERSION2, client_id=partition.client_id(address.password), clean_session=clean)
    client.username_pw_set(address.username, address.password)
    retained: set[str] = set()
    done: list[bool] = []

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        if message.retain:
            retained.add(message.topic)

    def on_connect(client: Client, *_: object) -> None:
        if subscribe:
            client.subscribe(partition.topic_filter, qos=1)
        else:
            done.append(True)

    client.on_message = on_message
    client.on_subscribe = lambda *_: done.append(True)
    client.on_connect = on_connect
    client.connect(address.host, address.port)
    until = time.monotonic() + patient(30)
    while not done and time.monotonic() < until:
        # Three nodes that have just started may close a connection before they agree on a session.
        if client.loop(0.1) != MQTTErrorCode.MQTT_ERR_SUCCESS and not done:
            time.sleep(0.5)
            client.reconnect()
    assert done, "the broker does not answer"
    settled = time.monotonic() + 0.5
    while clean and time.monotonic() < settled:
        client.loop(0.1)
    client.disconnect()
    client.loop(0.1)
    return retained


class Ingest:
    """`anju ingest` as an operator runs it, with its own role of the database."""

    def __init__(self, database_url: str, mqtt_url: str, log: Path, **environment: str) -> None:
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ANJU_")},
            "ANJU_DATABASE_URL": as_role(database_url, Role.INGEST),
            "ANJU_MQTT_URL": mqtt_url,
            "ANJU_SECRET_KEY": SECRET_KEY,
            **environment,
        }
        self.log = log

    def start(self) -> None:
        """Start it, or start it again."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([ANJU, "ingest"], env=self._environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """End it with SIGTERM, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patient(20))


@contextmanager
def running_ingest(database_url: str, mqtt_url: str, folder: Path, **environment: str) -> Iterator[Ingest]:
    """Start `anju ingest` with its log in `folder`, and end it after the block."""
    ingest = Ingest(database_url, mqtt_url, folder / "ingest.log", **environment)
    ingest.start()
    try:
        yield ingest
    finally:
        if ingest.process.poll() is None:
            ingest.kill()


def query(url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a statement that returns rows in a connection of its own, commit, and return the rows."""
    with psycopg.connect(url) as connection:
        return connection.execute(statement, parameters).fetchall()


def meter_rows(url: str) -> tuple[int, int]:
    """Return the numbers of stored readings of electricity meters, and of stored events of all devices."""
    statement = "SELECT (SELECT count(*) FROM telemetry_electricity_meter), (SELECT count(*) FROM event)"
    [(readings, events)] = query(url, statement)
    return readings, events


def rejected_by_reason(url: str) -> dict[str, int]:
    """Return the numbers of all rejections by reason."""
    return dict(query(url, "SELECT reason, sum(count)::int FROM rejection_count GROUP BY reason"))
