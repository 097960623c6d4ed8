"""Cheap consumer of a persistent MQTT session: raw packets, acknowledged in one write a receive."""

import itertools
import socket
import struct
import time

from benchmarks.packets import PUBLISH, log_in, puback, subscribe, take
from devices.broker_url import BrokerUrl

_RECEIVE_BYTES = 1 << 18
_CLIENT_ID = "measuring"
_GRANTED = bytes((0x90, 3, 0, 1, 1))
_RETRY_S = 0.1
_AWAY_S = 60.0


class Session:
    """The session for `anju/v1/#`, on any node of the broker."""

    def __init__(self, url: str) -> None:
        """Create the session; from then on the broker queues messages for it.

        Raises:
            OSError: No node answers, or the broker refuses the subscription.
        """
        self._broker = BrokerUrl.parse(url)
        self._nodes = itertools.cycle(self._broker.addresses)
        self.connect()
        self._connection.settimeout(_AWAY_S)
        self._connection.sendall(subscribe("anju/v1/#"))
        answer = self._connection.recv(len(_GRANTED), socket.MSG_WAITALL)
        if answer != _GRANTED:
            raise ConnectionError(f"the broker refuses the subscription: {answer.hex()}")

    def connect(self) -> None:
        """Reconnect to the session, trying one node after the other.

        Raises:
            OSError: No node answered for a minute.
        """
        self._received = bytearray()
        until = time.monotonic() + _AWAY_S
        while True:
            try:
                self._connection = log_in(self._broker, next(self._nodes), _CLIENT_ID, clean=False)
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(_RETRY_S)
            else:
                return

    def receive(self, timeout_s: float, *, acknowledge: bool = True) -> list[bytes]:
        """Return the arrived payloads, waiting for the first at most `timeout_s`.

        Raises:
            ConnectionError: The connection ended.
        """
        self._connection.settimeout(timeout_s)
        try:
            received = self._connection.recv(_RECEIVE_BYTES)
        except TimeoutError:
            return []
        if not received:
            raise ConnectionResetError("the broker has closed the connection")
        self._received += received
        payloads, answers = [], []
        for kind, body in take(self._received):
            if kind == PUBLISH:
                (topic_bytes,) = struct.unpack_from("!H", body)
                payloads.append(body[topic_bytes + 4 :])
                answers.append(puback(*struct.unpack_from("!H", body, topic_bytes + 2)))
        if acknowledge and answers:
            self._connection.settimeout(None)
            self._connection.sendall(b"".join(answers))
        return payloads

    def close(self) -> None:
        """Disconnect; the broker keeps the session."""
        self._connection.close()
