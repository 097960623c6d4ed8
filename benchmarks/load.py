"""Cheap load generator: QoS 1 messages as raw MQTT 3.1.1, composed beforehand, over a few connections.

A round has one message a topic, and only the time of its readings changes from round to round. The next round reuses a
packet identifier after its acknowledgement. `start` runs the generator as a process of its own, so that its cost is
separate from the measured cost.
"""

import math
import multiprocessing
import time
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from uuid import uuid4

from benchmarks.packets import log_in
from benchmarks.packets import publish as publish_packet
from benchmarks.traffic import TIME, Round
from devices.broker_url import BrokerUrl

_CONNECTIONS = 20
_STALLED_S = 60.0
_PAUSE_S = 0.002
_PACED_PAUSE_S = 0.01
_IDENTIFIERS, _PUBACK_BYTES = 65_535, 4


@dataclass(frozen=True, slots=True)
class PublishResult:
    """Acknowledged messages, duration in seconds, and CPU seconds of the generator."""

    messages: int
    seconds: float
    cpu_s: float


def start(
    url: str, messages: Round, total: int, *, rate: float = math.inf, first_ms: int | None = None
) -> Future[PublishResult]:
    """Run `publish` in another process."""
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    future = pool.submit(publish, url, messages, total, rate, first_ms)
    pool.shutdown(wait=False)
    return future


def publish(url: str, messages: Round, total: int, rate: float, first_ms: int | None) -> PublishResult:
    """Publish `total` messages and wait until each is acknowledged.

    Args:
        url: The address and account of a publisher.
        messages: A round of messages, repeated as needed.
        total: The number of messages.
        rate: Messages a second; infinite for the highest rate of the broker.
        first_ms: The time of the first round's readings, with a millisecond more for each later round; None for the
            present.

    Raises:
        ConnectionError: The broker refuses the account, closes a connection, or acknowledges nothing for a minute.
    """
    lanes = [_Lane(url, messages, lane, first_ms) for lane in _lanes(messages, total)]
    began, cpu = time.monotonic(), time.process_time()
    last_progress, acknowledged = began, 0
    pause_s = _PAUSE_S if rate == math.inf else _PACED_PAUSE_S
    while acknowledged < total:
        time.sleep(pause_s)
        now = time.monotonic()
        due = min(total, (now - began) * rate) / len(lanes)
        for lane in lanes:
            lane.exchange(math.ceil(due))
        before, acknowledged = acknowledged, sum(lane.acknowledged for lane in lanes)
        if acknowledged > before:
            last_progress = now
        elif now - last_progress > _STALLED_S:
            raise ConnectionError(f"the broker acknowledged {acknowledged} of {total} messages and then no more")
    for lane in lanes:
        lane.socket.close()
    return PublishResult(total, time.monotonic() - began, time.process_time() - cpu)


def last_readings(messages: Round, total: int, first_ms: int) -> list[tuple[str, str, int]]:
    """Return community, device and time of the last reading on each connection; once these are stored, all are."""
    readings = []
    for positions, count in _lanes(messages, total):
        turn, at = divmod(count - 1, len(positions))
        readings.append((*messages.devices[positions[at]], first_ms + turn))
    return readings


def _lanes(messages: Round, total: int) -> list[tuple[range, int]]:
    """Divide the round and the total among connections; no message is sent twice, and each connection sends some."""
    size = len(messages.messages)
    count = min(_CONNECTIONS, size, total)
    return [(range(n, size, count), total // count + (n < total % count)) for n in range(count)]


class _Lane:
    """One connection with topics of its own, so that the messages of each device stay in order."""

    def __init__(self, url: str, messages: Round, lane: tuple[range, int], first_ms: int | None) -> None:
        positions, self._total = lane
        # A placeholder with the length of a time, since each packet starts with its length.
        self._place = messages.write_time(0)
        chosen = (messages.messages[position] for position in positions)
        # Identifiers have 16 bits, so that a lane of more topics reuses them within the round.
        frames = [
            publish_packet(topic.encode(), payload.replace(TIME, self._place), n % _IDENTIFIERS + 1)
            for n, (topic, payload) in enumerate(chosen)
        ]
        self._round = b"".join(frames)
        self._ends = [0, *accumulate(map(len, frames))]
        self._write_time = messages.write_time
        self._first_ms = first_ms
        self._composed = 0
        self._unsent = memoryview(b"")
        self._received_bytes = 0
        broker = BrokerUrl.parse(url)
        self.socket = log_in(broker, broker.addresses[0], f"load-{uuid4().hex}", clean=True)
        self.socket.setblocking(False)

    @property
    def acknowledged(self) -> int:
        """The number of messages acknowledged by the broker."""
        return self._received_bytes // _PUBACK_BYTES

    def exchange(self, due: int) -> None:
        """Count acknowledgements and send due messages, without waiting for the network."""
        with suppress(BlockingIOError):
            received = self.socket.recv(65536)
            if not received:
                raise ConnectionError("the broker has closed the connection: see its log")
            self._received_bytes += len(received)
        if not self._unsent:
            self._unsent = self._compose(min(due, self._total) - self._composed)
        if self._unsent:
            with suppress(BlockingIOError):
                self._unsent = self._unsent[self.socket.send(self._unsent) :]

    def _compose(self, wanted: int) -> memoryview:
        """Return at most `wanted` frames, up to the end of the round, without identifiers still in use."""
        size = len(self._ends) - 1
        turn, position = divmod(self._composed, size)
        count = min(wanted, min(size, _IDENTIFIERS) - (self._composed - self.acknowledged), size - position)
        if count <= 0:
            return memoryview(b"")
        self._composed += count
        ms = time.time_ns() // 1_000_000 if self._first_ms is None else self._first_ms + turn
        frames = self._round[self._ends[position] : self._ends[position + count]]
        return memoryview(frames.replace(self._place, self._write_time(ms)))
