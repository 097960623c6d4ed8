"""`anju ingest` with paho as documented, for comparison: its own loop, a callback a message, `ack` for each message.

Everything from the decoder on is the same. This receiver knows no redelivery, no second node and no TLS.
"""

import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

import ingest.worker
from app.cli import main
from devices.broker_url import BrokerUrl
from ingest.partition import Partition
from ingest.receiver import Message

_BUFFER_MESSAGES = 60_000
_BATCH_MESSAGES = 10_000

log = structlog.get_logger()


class PlainReceiver:
    """The worker's interface to a receiver, in the shortest form of paho's documentation."""

    def __init__(self, url: str, partition: Partition) -> None:
        self._broker = BrokerUrl.parse(url)
        self.client_id = partition.client_id(self._broker.password)
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=self.client_id, clean_session=False, manual_ack=True
        )
        self._client.username_pw_set(self._broker.username, self._broker.password)
        self._client.on_connect = lambda client, *_: client.subscribe(partition.topic_filter, qos=1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._buffer: deque[Message] = deque()
        self.subscribed = self.lost_session = self.repeats = False

    def use_session(self, client_id: str, *, is_known: bool) -> None:
        """Do nothing: there is one session."""

    def poll(self, timeout_s: float) -> bool:
        """Let paho read all available messages, and return whether there were any."""
        if self._client.socket() is None:
            self._client.connect(*self._broker.addresses[0])
        anything, before = False, len(self._buffer)
        until = time.monotonic() + timeout_s
        while len(self._buffer) < _BUFFER_MESSAGES:
            self._client.loop(0 if anything else max(0.0, until - time.monotonic()))
            if len(self._buffer) == before:
                break
            anything, before = True, len(self._buffer)
        return anything

    def keep(self, timeout_s: float) -> None:
        """Keep the connection alive."""
        self.poll(timeout_s)

    def take(self) -> list[Message]:
        """Take the oldest buffered messages, as many as make a batch."""
        return [self._buffer.popleft() for _ in range(min(len(self._buffer), _BATCH_MESSAGES))]

    @property
    def buffered(self) -> int:
        """The number of buffered messages."""
        return len(self._buffer)

    @property
    def has_a_batch(self) -> bool:
        """Whether the buffered messages fill a batch."""
        return len(self._buffer) >= _BATCH_MESSAGES

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge each message."""
        for message in messages:
            self._client.ack(message.packet_id, 1)

    def close(self) -> None:
        """Disconnect from the broker."""
        self._client.disconnect()

    def _on_subscribe(self, *_: object) -> None:
        self.subscribed = True
        log.info("connected to the broker")

    def _on_message(self, _: Client, __: object, message: MQTTMessage) -> None:
        now = datetime.now(UTC)
        self._buffer.append(Message(message.topic, message.payload, now, message.dup, message.mid))


if __name__ == "__main__":
    ingest.worker.Receiver = PlainReceiver  # type: ignore[assignment,misc]
    sys.argv = ["anju", "ingest"]
    main()
