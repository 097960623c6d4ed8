"""Throughput of a broker and its costs: CPU time, memory, disk."""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import load
from benchmarks.packets import log_in, publish
from benchmarks.processes import cpu_s, resident_bytes
from benchmarks.session import Session
from benchmarks.traffic import meters
from devices.broker_url import BrokerUrl
from local.brokers.broker import Broker
from local.process import Process

_DEVICES = 5_000
_TURN_S = 10.0
_SETTLED_S = 2.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages a second into an absent session and out of it, CPU microseconds a message, and memory in between."""

    in_rate: float
    in_cpu_us: float
    out_rate: float
    out_cpu_us: float
    resident_mb: float


@dataclass(frozen=True, slots=True)
class Connections:
    """Costs of many connections: share of one core, and resident memory of the broker."""

    cpu_share: float
    resident_mb: float


def fill_and_drain(broker: Broker, nodes: Sequence[Process], messages: int) -> Backlog:
    """Publish to an absent session, then connect it and receive everything."""
    session = Session(broker.ingest_url)
    session.close()
    began_cpu_s = _cpu_s(nodes)
    sent = load.start(broker.publish_url, meters(_DEVICES), messages, first_ms=0).result()
    filled_cpu_s = _cpu_s(nodes)
    resident_mb = _resident_mb(nodes)
    began, left = time.monotonic(), messages
    session.connect()
    while left > 0:
        left -= len(session.receive(60))
    seconds, drained_cpu_s = time.monotonic() - began, _cpu_s(nodes)
    session.close()
    return Backlog(
        in_rate=messages / sent.seconds,
        in_cpu_us=(filled_cpu_s - began_cpu_s) / messages * 1e6,
        out_rate=messages / seconds,
        out_cpu_us=(drained_cpu_s - filled_cpu_s) / messages * 1e6,
        resident_mb=resident_mb,
    )


def connect_many(broker: Broker, nodes: Sequence[Process], connections: int, seconds: float) -> Connections:
    """Hold connections that each send a message every ten seconds to the session."""
    session, stop = Session(broker.ingest_url), threading.Event()
    consuming = threading.Thread(target=_consume, args=(session, stop))
    consuming.start()
    url = BrokerUrl.parse(broker.publish_url)
    addresses = url.addresses
    devices = [
        (log_in(url, addresses[n % len(addresses)], f"device-{n}", clean=True), _message(n)) for n in range(connections)
    ]
    try:
        time.sleep(_SETTLED_S)
        began, cpu = time.monotonic(), _cpu_s(nodes)
        turns = math.ceil(seconds / _TURN_S)
        for n, (connection, message) in enumerate(devices * turns):
            time.sleep(max(0.0, began + n * _TURN_S / connections - time.monotonic()))
            connection.sendall(message)
            connection.recv(4)
        return Connections((_cpu_s(nodes) - cpu) / (time.monotonic() - began), _resident_mb(nodes))
    finally:
        for connection, _ in devices:
            connection.close()
        stop.set()
        consuming.join()


def _consume(session: Session, stop: threading.Event) -> None:
    while not stop.is_set():
        session.receive(0.2)
    session.close()


def _message(device: int) -> bytes:
    topic = f"anju/v1/celiang-{device % 40}/electricity_meter/d{device}/telemetry".encode()
    return publish(topic, b'{"ts": 1795381246721, "values": {"energy_kwh": 1234.5, "power_w": 350}}', 1)


def _cpu_s(nodes: Sequence[Process]) -> float:
    return sum(cpu_s(node.pid) for node in nodes)


def _resident_mb(nodes: Sequence[Process]) -> float:
    return sum(resident_bytes(node.pid) for node in nodes) / 1e6
