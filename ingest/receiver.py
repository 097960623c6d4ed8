"""The broker's side of ingest: a persistent MQTT session whose messages are acknowledged by hand.

One thread does everything, through paho's own loop functions: what was received waits in a bounded buffer until the
caller takes it, and a full buffer simply stops reading, so the broker keeps the rest.
"""

import itertools
import select
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from devices.broker_url import BrokerUrl
from ingest.partition import Partition, outside_topic
from ingest.publish_socket import Publish, PublishContext, PublishSocket

log = structlog.get_logger()

# A node of the broker that is cut off is given up after at most twice as long. The broker gives us up after half as
# long again, which no transaction should take.
_KEEPALIVE_S = 20
_LONGEST_BACKOFF_S = 10.0
# Worked off in a second or two, much sooner than the broker would send again what waits.
_BUFFER_MESSAGES = 30_000
_BUFFER_BYTES = 8 * 1024 * 1024
# A transaction may take long enough to be worth its cost, but not so long that the broker sends again what waits: one
# message can hold two thousand readings.
_BATCH_MESSAGES = 10_000
_BATCH_BYTES = 1024 * 1024


class Message(NamedTuple):
    """One message as it came.

    `packet_id` is the broker's name for it on this connection, until it is acknowledged; 0 where none is expected.
    """

    topic: str
    payload: bytes
    received_at: datetime
    redelivered: bool
    packet_id: int


@dataclass(slots=True)
class _Backoff:
    """When to try the next connection: after 0.5, 1, 2, ... seconds, at most ten."""

    delay_s: float = 0.0
    not_before: float = 0.0

    def failed(self, now: float) -> None:
        self.delay_s = min(max(self.delay_s * 2, 0.5), _LONGEST_BACKOFF_S)
        self.not_before = now + self.delay_s


class Receiver:
    """Receives what is published for a partition, under the client id that the broker knows its session by."""

    def __init__(self, url: str, partition: Partition) -> None:
        """Prepare the client; the connection is made by the first `poll`."""
        self._address = BrokerUrl.parse(url)
        self._nodes = itertools.cycle(self._address.addresses)
        self._filter = partition.topic_filter
        self._outside_topic = outside_topic(partition)
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=partition.client_id,
            clean_session=False,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        self._client.username_pw_set(self._address.username, self._address.password)
        self._client.tls_set_context(PublishContext(tls=self._address.tls))
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._buffer: deque[Message] = deque()
        self._buffered_bytes = 0
        self._outstanding: dict[int, Message] = {}
        self._backoff = _Backoff()
        self._has_subscribed = False
        self.subscribed = False

    def poll(self, timeout_s: float) -> bool:
        """Read what has arrived, waiting at most `timeout_s` for it; whether anything was there to read."""
        if self._client.socket() is None and not self._connect(timeout_s):
            return False
        anything = False
        while (connection := self._connection()) is not None and self._readable(connection, timeout_s):
            anything, timeout_s = True, 0
            self._buffer_all(connection.receive())
            while connection.concerns_paho and self._client.socket() is not None:
                self._client.loop_read()
        # After reading: the answer to a ping may have waited for us, not we for it.
        self._client.loop_misc()
        if self._client.want_write():
            self._client.loop_write()
        return anything

    def keep(self, timeout_s: float) -> None:
        """Keep a connection that stands alive for a while, but make none: another worker may own the session now."""
        if self._client.socket() is None:
            time.sleep(timeout_s)
        else:
            self.poll(timeout_s)

    def take(self) -> list[Message]:
        """The oldest buffered messages, as many as make a batch."""
        taken: list[Message] = []
        size = 0
        while self._buffer and len(taken) < _BATCH_MESSAGES and size < _BATCH_BYTES:
            taken.append(self._buffer.popleft())
            size += len(taken[-1].payload)
        self._buffered_bytes -= size
        return taken

    @property
    def buffered(self) -> int:
        """How many messages wait to be taken."""
        return len(self._buffer)

    @property
    def has_a_batch(self) -> bool:
        """Whether as many messages wait as a batch may hold."""
        return len(self._buffer) >= _BATCH_MESSAGES or self._buffered_bytes >= _BATCH_BYTES

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these messages need not be kept; those of an ended connection it will send again."""
        connection = self._connection()
        if connection is None:
            return
        outstanding = self._outstanding
        known = [message.packet_id for message in messages if outstanding.get(message.packet_id) is message]
        for packet_id in known:
            del outstanding[packet_id]
        connection.acknowledge(known)
        connection.flush()

    def close(self) -> None:
        """Say goodbye; the session and what was not acknowledged stay with the broker."""
        self._client.disconnect()

    def _connection(self) -> PublishSocket | None:
        return self._client.socket()  # type: ignore[return-value] # what our context wraps is what paho has

    def _full(self) -> bool:
        return len(self._buffer) >= _BUFFER_MESSAGES or self._buffered_bytes >= _BUFFER_BYTES

    def _readable(self, connection: PublishSocket, timeout_s: float) -> bool:
        """Wait until there is something to read and room for it; what waits to be sent goes out meanwhile."""
        if connection.pending() and not self._full():
            return True
        wanted = [] if self._full() else [connection]
        unsent = [connection] if connection.has_unsent else []
        readable, writable, _ = select.select(wanted, unsent, [], timeout_s)
        if writable:
            connection.flush()
        return bool(readable)

    def _connect(self, timeout_s: float) -> bool:
        now = time.monotonic()
        if now < self._backoff.not_before:
            time.sleep(min(timeout_s, self._backoff.not_before - now))
            return False
        try:
            self._client.connect(*next(self._nodes), _KEEPALIVE_S)
        except OSError as error:
            self._backoff.failed(time.monotonic())
            log.warning("the broker can't be reached", broker=str(self._address), error=str(error))
            return False
        return True

    def _on_connect(
        self, client: Client, _: object, flags: ConnectFlags, reason: ReasonCode, __: Properties | None
    ) -> None:
        if reason.is_failure:
            self._backoff.failed(time.monotonic())
            log.error("the broker refuses the connection", reason=str(reason), broker=str(self._address))
            return
        self._backoff = _Backoff()
        log.info("connected to the broker", broker=str(self._address), session_present=flags.session_present)
        # A kept session keeps its subscription, too, and asking again makes the broker send every retained message. But
        # a predecessor may have died between its connection and its subscription, so each process asks once.
        if flags.session_present and self._has_subscribed:
            self.subscribed = True
        else:
            client.subscribe(self._filter, qos=1)

    def _on_subscribe(
        self, _: Client, __: object, ___: int, reasons: list[ReasonCode], ____: Properties | None
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            log.error("the broker refuses the subscription", filter=self._filter, reasons=refused)
            self._client.disconnect()
            self._backoff.failed(time.monotonic())
            return
        self.subscribed = self._has_subscribed = True

    def _on_disconnect(
        self, _: Client, __: object, ___: DisconnectFlags, reason: ReasonCode, ____: Properties | None
    ) -> None:
        """What was not acknowledged the broker sends again: nothing of this connection is acknowledged on the next."""
        self.subscribed = False
        self._outstanding.clear()
        self._buffer.clear()
        self._buffered_bytes = 0
        log.warning("the connection to the broker ended", reason=str(reason))

    def _buffer_all(self, published: list[Publish]) -> None:
        """Buffer messages, except those in hand that the broker sends again because we took long.

        A packet id is acknowledged once, for the message that had it last: a second acknowledgement could be taken
        for that of the next message under the same id, which nobody has stored yet.
        """
        received_at, outstanding = datetime.now(UTC), self._outstanding
        for topic, payload, packet_id, dup in published:
            message = Message(self._outside_topic(_text(topic)), payload, received_at, dup, packet_id)
            if packet_id:
                in_hand = outstanding.get(packet_id) if dup else None
                if in_hand and (in_hand.topic, in_hand.payload) == (message.topic, payload):
                    continue
                outstanding[packet_id] = message
            self._buffered_bytes += len(payload)
            self._buffer.append(message)


def _text(topic: bytes) -> str:
    """The topic; one that is no UTF-8 becomes text that no device can have, and is rejected as such."""
    try:
        return topic.decode()
    except UnicodeDecodeError:
        return "\N{REPLACEMENT CHARACTER}"
