"""Acknowledged messages lost by a broker that is killed with SIGKILL repeatedly under load."""

import itertools
import random
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.packets import log_in, publish, take
from benchmarks.session import Session
from devices.broker_url import BrokerUrl
from local.brokers.broker import Broker
from local.process import Process

_CONNECTIONS = 4
_WINDOW = 100
_RECEIVE_BYTES = 1 << 16
_RETRY_S = 0.05
# Longer than the broker's ack_wait of 10 s, after which the last unacknowledged messages arrive again.
_QUIET_S = 15.0
# Time for Mosquitto to save the session, without which every message after the first kill would be lost.
_SETTLED_S = 3.0


class Consumer(StrEnum):
    """Behaviour of the consuming session while the broker is killed."""

    ONLINE = "online"
    STALLED = "stalled"
    """Connected without acknowledging."""
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class KillResult:
    """Messages acknowledged by the broker, and the number of those never delivered."""

    acknowledged: int
    lost: int


def kill_again_and_again(
    broker: Broker, nodes: Sequence[Process], consumer: Consumer, kills: int, dice: random.Random
) -> KillResult:
    """Kill a node every 1 to 4 s under load and restart it; return the losses after all is delivered."""
    session, stop = Session(broker.ingest_url), threading.Event()
    time.sleep(_SETTLED_S)
    acknowledged: set[bytes] = set()
    arrived: set[bytes] = set()
    threads = [
        threading.Thread(target=_publish, args=(broker.publish_url, lane, acknowledged, stop))
        for lane in range(_CONNECTIONS)
    ]
    if consumer is Consumer.OFFLINE:
        session.close()
    else:
        threads.append(threading.Thread(target=_consume, args=(session, consumer, arrived, stop)))
    for thread in threads:
        thread.start()
    try:
        for _ in range(kills):
            time.sleep(dice.uniform(1, 4))
            node = dice.choice(nodes)
            node.kill()
            time.sleep(dice.uniform(0, 0.5))
            node.start()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    session.connect()
    _drain(session, arrived, acknowledged)
    session.close()
    return KillResult(len(acknowledged), len(acknowledged - arrived))


def _consume(session: Session, consumer: Consumer, arrived: set[bytes], stop: threading.Event) -> None:
    acknowledges = consumer is Consumer.ONLINE
    while not stop.is_set():
        try:
            payloads = session.receive(0.2, acknowledge=acknowledges)
        except OSError:
            session.connect()
        else:
            if acknowledges:
                arrived.update(payloads)
    session.close()


def _drain(session: Session, arrived: set[bytes], wanted: set[bytes]) -> None:
    last_progress, missing = time.monotonic(), len(wanted - arrived)
    while missing and time.monotonic() - last_progress < _QUIET_S:
        new = wanted.intersection(session.receive(1)) - arrived
        arrived |= new
        missing -= len(new)
        if new:
            last_progress = time.monotonic()


def _publish(url: str, lane: int, acknowledged: set[bytes], stop: threading.Event) -> None:
    """Publish numbered messages as fast as a window allows; after the end of a connection none is sent again."""
    broker, numbers = BrokerUrl.parse(url), itertools.count()
    topic = f"anju/v1/celiang/electricity_meter/d{lane}/telemetry".encode()
    for address in itertools.cycle(broker.addresses):
        if stop.is_set():
            return
        with suppress(OSError), log_in(broker, address, f"killing-{lane}", clean=True) as connection:
            while not stop.is_set():
                waiting = {packet_id: b"%d/%d" % (lane, next(numbers)) for packet_id in range(1, _WINDOW + 1)}
                connection.sendall(b"".join(publish(topic, payload, number) for number, payload in waiting.items()))
                _await(connection, waiting, acknowledged)
        time.sleep(_RETRY_S)


def _await(connection: socket.socket, waiting: dict[int, bytes], acknowledged: set[bytes]) -> None:
    """Move acknowledged messages from `waiting` to `acknowledged`.

    Raises:
        OSError: The connection ended, or no packet arrived for long.
    """
    received = bytearray()
    while waiting:
        more = connection.recv(_RECEIVE_BYTES)
        if not more:
            raise ConnectionResetError("the broker has closed the connection")
        received += more
        for _, packet_id in take(received):
            acknowledged.add(waiting.pop(int.from_bytes(packet_id, "big")))
