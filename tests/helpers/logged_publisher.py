"""Publisher that survives every fault and logs the acknowledged messages, for the oracle."""

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, cycle
from typing import NamedTuple

from devices.broker_url import BrokerUrl
from mqtt_packets import CONNACK, answers, connect, publish
from patience import patient

_PATIENCE_S = 10.0


class Acknowledged(NamedTuple):
    """A message that the broker acknowledged, and the time of the PUBACK (seconds since 1970)."""

    topic: str
    payload: bytes
    at: float


@dataclass(frozen=True)
class Load:
    """Messages to publish by their numbers: `rate` per second (None: no limit), `total` in all (None: no end)."""

    message: Callable[[int], tuple[str, bytes]]
    rate: float | None = None
    total: int | None = None
    window: int = 1000


class LoggedPublisher:
    """Sends a load from a thread of its own, and after a reconnect again each message without its PUBACK."""

    def __init__(self, url: str, load: Load) -> None:
        self.log: list[Acknowledged] = []
        self.sent = 0
        address = BrokerUrl.parse(url)
        self._nodes = cycle(address.addresses)
        self._username, self._password = address.username, address.password
        self._load = load
        self._waiting: dict[int, tuple[str, bytes]] = {}
        self._free = deque(range(1, load.window + 1))
        self._stopping = threading.Event()
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name="logged publisher")

    def start(self) -> None:
        self._began = time.monotonic()
        self._thread.start()

    def finish(self, timeout_s: float = 120) -> None:
        """Send no more messages, and return when all are acknowledged."""
        self._stopping.set()
        self.join(timeout_s)

    def join(self, timeout_s: float) -> None:
        """Return when the whole load is acknowledged."""
        self._thread.join(patient(timeout_s))
        assert not self._thread.is_alive(), f"{len(self._waiting)} messages unacknowledged after {timeout_s} s"

    def give_up(self) -> None:
        """End now, with or without acknowledgements."""
        self._given_up = True
        self.finish()

    def _run(self) -> None:
        attempts = count()
        while not self._done() and not self._given_up:
            try:
                with socket.create_connection(next(self._nodes), timeout=_PATIENCE_S) as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._log_in(connection, f"logged-{id(self)}-{next(attempts)}")
                    self._talk(connection)
            except OSError:
                time.sleep(0.2)

    def _log_in(self, connection: socket.socket, client_id: str) -> None:
        connection.sendall(connect(client_id, self._username, self._password))
        answer = connection.recv(4, socket.MSG_WAITALL)
        if next(answers(bytearray(answer)), None) != (CONNACK, 0):
            raise ConnectionError("the broker does not take the connection")

    def _talk(self, connection: socket.socket) -> None:
        connection.sendall(b"".join(publish(*message, n, again=True) for n, message in self._waiting.items()))
        received, heard = bytearray(), time.monotonic()
        while not self._done() and not self._given_up:
            if packets := self._due():
                connection.sendall(b"".join(packets))
            pause = 0.0 if packets and self._free else 0.01
            if select.select([connection], [], [], pause)[0]:
                chunk = connection.recv(65536)
                if not chunk:
                    raise ConnectionError("the broker closed the connection")
                received += chunk
                heard = time.monotonic()
                self._note(received)
            elif not self._waiting:
                heard = time.monotonic()
            elif time.monotonic() - heard > _PATIENCE_S:
                raise ConnectionError("the broker acknowledges nothing any more")

    def _done(self) -> bool:
        return self._at_the_end() and not self._waiting

    def _at_the_end(self) -> bool:
        return self._stopping.is_set() or self.sent == self._load.total

    def _due(self) -> list[bytes]:
        """The next messages that the rate and the window allow, at most a hundred at once."""
        packets: list[bytes] = []
        while self._free and not self._at_the_end() and len(packets) < 100 and self._in_time():
            message, packet_id = self._load.message(self.sent), self._free.popleft()
            self._waiting[packet_id] = message
            self.sent += 1
            packets.append(publish(*message, packet_id))
        return packets

    def _in_time(self) -> bool:
        return self._load.rate is None or self.sent < (time.monotonic() - self._began) * self._load.rate

    def _note(self, received: bytearray) -> None:
        now = time.time()
        for _, packet_id in answers(received):
            if message := self._waiting.pop(packet_id, None):
                self.log.append(Acknowledged(*message, now))
                self._free.append(packet_id)
