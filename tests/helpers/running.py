"""Shared by the tests of ingest: a registry, a broker, and `anju ingest` as a process."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from devices.broker_url import BrokerUrl
from imports.importer import import_rows
from ingest.partition import Partition
from local.process import Process, start_together
from local.services import prepare_broker
from patience import patient
from simulators.publisher import Publisher
from store.database import connect

ANJU = Path(sys.executable).with_name("anju")
SECRET_KEY = "a secret key for the tests"


def epoch_ms(moment=None):
    return round((time.time() if moment is None else moment) * 1000)


def reading(ts, **values):
    return json.dumps({"ts": ts, "values": values}).encode()


def event(ts, name, **more):
    return json.dumps({"ts": ts, "event": name, **more}).encode()


def register(url, community, devices):
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
def running_broker(home, partitions=1):
    """A broker whose data lives in `home`, and the process of its first node; ended after the block."""
    with ExitStack() as stack:
        broker = prepare_broker(home, print, partitions=partitions)
        processes = [Process(part, home) for part in broker.parts]
        for process in processes:
            stack.callback(process.stop)
        start_together(processes, patient(60))
        yield broker, processes[0]


def forget_session(servers, *, subscribe=True, partitions=1):
    """Drop what earlier tests left in the broker, retained messages included, and open ingest's sessions anew."""
    parts = [Partition(number, partitions) for number in range(partitions)]
    left = [topic for part in parts for topic in _open_session(servers.mqtt_url, part, clean=True, subscribe=True)]
    with Publisher(servers.publish_mqtt_url) as out:
        for topic in left:
            out.publish(topic, b"", retain=True)
    for part in parts:
        _open_session(servers.mqtt_url, part, clean=False, subscribe=subscribe)


def _open_session(mqtt_url, partition, *, clean, subscribe):
    """Connect as ingest and leave again; the topics of the retained messages that came meanwhile."""
    address = BrokerUrl.parse(mqtt_url)
    client = Client(CallbackAPIVersion.VERSION2, client_id=partition.client_id, clean_session=clean)
    client.username_pw_set(address.username, address.password)
    done, retained = [], set()
    client.on_message = lambda _client, _data, message: message.retain and retained.add(message.topic)
    client.on_subscribe = lambda *_: done.append(True)
    client.on_connect = lambda client, *_: (
        client.subscribe(partition.topic_filter, qos=1) if subscribe else done.append(True)
    )
    client.connect(address.host, address.port)
    until = time.monotonic() + patient(30)
    while not done and time.monotonic() < until:
        # Three nodes that have just started may close a connection before they agree on a session.
        if client.loop(0.1) != MQTTErrorCode.MQTT_ERR_SUCCESS and not done:
            time.sleep(0.5)
            client.reconnect()
    assert done
    settled = time.monotonic() + 0.5
    while clean and time.monotonic() < settled:
        client.loop(0.1)
    client.disconnect()
    client.loop(0.1)
    return retained


class Ingest:
    """`anju ingest` as an operator runs it."""

    def __init__(self, database_url, mqtt_url, log, **environment):
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ANJU_")},
            "ANJU_DATABASE_URL": database_url,
            "ANJU_MQTT_URL": mqtt_url,
            "ANJU_SECRET_KEY": SECRET_KEY,
            **environment,
        }
        self.log = log
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([ANJU, "ingest"], env=self._environment, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patient(20))


@contextmanager
def running_ingest(database_url, mqtt_url, tmp_path, **environment):
    ingest = Ingest(database_url, mqtt_url, tmp_path / "ingest.log", **environment)
    ingest.start()
    try:
        yield ingest
    finally:
        if ingest.process.poll() is None:
            ingest.kill()


def query(url, statement, *parameters):
    with psycopg.connect(url) as connection:
        return connection.execute(statement, parameters).fetchall()
