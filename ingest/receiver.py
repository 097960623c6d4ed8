"""The receiver of ingest: a persistent MQTT session with acknowledgements by hand.

One thread does everything, through paho's own loop functions. Received messages wait in a bounded buffer until they are
taken. The broker sends no more than fit, until some are acknowledged; from one that does, a full buffer stops reading.
"""

import itertools
import select
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from devices.broker_url import BrokerUrl
from devices.topic import PREFIX
from ingest.partition import Partition, outside_topic
from ingest.publish_socket import Publish, PublishContext, PublishSocket
from store.telemetry.spool import SpoolKey

log = structlog.get_logger()

# A node that is cut off is given up after at most twice this time. The broker gives up the client after one and a half
# times this time, and no transaction should take so long.
_KEEPALIVE_S = 20
_LONGEST_BACKOFF_S = 10.0
# NATS forgets a session whose record was not written for over a year (`door/streams.py`). A subscription that comes and
# goes writes it, without a new connection; nothing is ever sent to this topic.
_RENEW_EVERY_S = 86_400.0
_RENEWAL_TOPIC = f"{PREFIX}/session"
# More than the broker has in flight to a session, by number (`max_ack_pending`) and by bytes (`door/backlog.py`): so
# ingest goes on reading while the database is away, and the broker has no reason to cut it off.
_BUFFER_MESSAGES = 30_000
_BUFFER_BYTES = 48 * 1024 * 1024
# A transaction must be large enough to be worth its cost, but short enough that the broker does not redeliver: one
# message can hold two thousand readings.
_BATCH_MESSAGES = 10_000
_BATCH_BYTES = 1024 * 1024
_MICROSECOND = timedelta(microseconds=1)


class Message(NamedTuple):
    """A received message.

    `packet_id` identifies it on this connection until it is acknowledged; 0 where no acknowledgement is due. `retained`
    marks the copy of a retained message for a new subscription. `spooled` is its row in the spool, if it comes from
    there.
    """

    topic: str
    payload: bytes
    received_at: datetime
    redelivered: bool
    packet_id: int
    retained: bool = False
    spooled: SpoolKey | None = None


@dataclass(slots=True)
class _Backoff:
    """Delay before the next connection: 0.5, 1, 2, ... s, at most 10 s."""

    delay_s: float = 0.0
    not_before: float = 0.0

    def grow(self, now: float) -> None:
        self.delay_s = min(max(self.delay_s * 2, 0.5), _LONGEST_BACKOFF_S)
        self.not_before = now + self.delay_s


class Receiver:
    """Receiver of the messages of a partition, in one of its sessions.

    Attributes:
        client_id: the client id of the session.
        subscribed: whether the session stands and has its subscription.
        lost_session: set when the broker has lost a session that ingest had subscribed in; for the caller to clear.
        repeats: set by the caller while the session may hold messages that were received in another one.
    """

    def __init__(self, url: str, partition: Partition) -> None:
        """Prepare for the partition's session; the connection is made by the first `poll`."""
        self._address = BrokerUrl.parse(url)
        self._nodes = itertools.cycle(self._address.addresses)
        self._filter = partition.topic_filter
        self._outside_topic = outside_topic(partition)
        self._buffer: deque[Message] = deque()
        self._buffered_bytes = 0
        self._outstanding: dict[int, Message] = {}
        self._backoff = _Backoff()
        self._has_subscribed = self._is_known = False
        self._subscribing: int | None = None
        self._renewed_at = time.monotonic()
        self.client_id = partition.client_id(self._address.password)
        self.subscribed = False
        self.lost_session = False
        self.repeats = False
        self._client = self._new_client()

    def use_session(self, client_id: str, *, is_known: bool) -> None:
        """Choose the session to read from the next `poll` on.

        Args:
            client_id: its client id. The connection of another one ends, and that session stays with the broker.
            is_known: whether ingest has subscribed in it before, so that it must be there.
        """
        self._is_known = is_known
        if client_id != self.client_id:
            self._client.disconnect()
            self._forget_connection()
            self.client_id, self._has_subscribed = client_id, False
            self._client = self._new_client()

    def _new_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            clean_session=False,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.username_pw_set(self._address.username, self._address.password)
        client.tls_set_context(PublishContext(self._address))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        return client

    def poll(self, timeout_s: float) -> bool:
        """Read arrived packets, waiting at most `timeout_s`, and return whether there were any."""
        if self._client.socket() is None and not self._connect(timeout_s):
            return False
        anything = False
        while (connection := self._connection()) is not None and self._readable(connection, timeout_s):
            anything, timeout_s = True, 0
            self._buffer_all(connection.receive())
            while connection.concerns_paho and self._client.socket() is not None:
                self._client.loop_read()
        if self.subscribed and time.monotonic() - self._renewed_at >= _RENEW_EVERY_S:
            self._renew_session()
        # After reading: the answer to a ping may already lie unread in the socket.
        self._client.loop_misc()
        if self._client.want_write():
            self._client.loop_write()
        return anything

    def keep(self, timeout_s: float) -> None:
        """Keep an open connection alive for a while, but open none: another worker may own the session now."""
        if self._client.socket() is None:
            time.sleep(timeout_s)
        else:
            self.poll(timeout_s)

    def take(self) -> Iterator[Message]:
        """Take the oldest buffered messages one by one, at most as many as make a batch."""
        buffer, until_bytes = self._buffer, self._buffered_bytes - _BATCH_BYTES
        for _ in range(min(len(buffer), _BATCH_MESSAGES)):
            if self._buffered_bytes <= until_bytes:
                return
            message = buffer.popleft()
            self._buffered_bytes -= len(message.payload)
            yield message

    @property
    def buffered(self) -> int:
        """The number of buffered messages."""
        return len(self._buffer)

    @property
    def has_a_batch(self) -> bool:
        """Whether the buffer holds a full batch."""
        return len(self._buffer) >= _BATCH_MESSAGES or self._buffered_bytes >= _BATCH_BYTES

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages. The broker redelivers those of a connection that has ended."""
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
        """Disconnect; the session and its unacknowledged messages stay with the broker."""
        self._client.disconnect()

    def _connection(self) -> PublishSocket | None:
        return self._client.socket()  # type: ignore[return-value] # PublishContext wraps every socket of paho

    def _full(self) -> bool:
        return len(self._buffer) >= _BUFFER_MESSAGES or self._buffered_bytes >= _BUFFER_BYTES

    def _readable(self, connection: PublishSocket, timeout_s: float) -> bool:
        """Wait for bytes to read and room for them, and return whether both are there; send queued bytes meanwhile."""
        if connection.pending() and not self._full():
            return True
        to_read = [] if self._full() else [connection]
        to_write = [connection] if connection.has_unsent else []
        readable, writable, _ = select.select(to_read, to_write, [], timeout_s)
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
            self._backoff.grow(time.monotonic())
            log.warning("the broker can't be reached", broker=str(self._address), error=str(error))
            return False
        return True

    def _on_connect(
        self, client: Client, _: object, flags: ConnectFlags, reason: ReasonCode, __: Properties | None
    ) -> None:
        if reason.is_failure:
            self._backoff.grow(time.monotonic())
            log.error("the broker refuses the connection", reason=str(reason), broker=str(self._address))
            return
        self._backoff = _Backoff()
        log.info("connected to the broker", broker=str(self._address), session_present=flags.session_present)
        # A persistent session keeps its subscription, and a new SUBSCRIBE makes the broker send every retained message.
        # But a predecessor may have died between CONNECT and SUBSCRIBE, so each process subscribes once.
        if flags.session_present and self._has_subscribed:
            self.subscribed = True
            return
        if not flags.session_present and (self._has_subscribed or self._is_known):
            log.error("the broker has lost the session of ingest: messages may be missing", broker=str(self._address))
            self.lost_session = True
        self._subscribing = client.subscribe(self._filter, qos=1)[1]

    def _renew_session(self) -> None:
        self._renewed_at = time.monotonic()
        self._client.subscribe(_RENEWAL_TOPIC, qos=0)
        self._client.unsubscribe(_RENEWAL_TOPIC)

    def _on_subscribe(
        self, _: Client, __: object, packet_id: int, reasons: list[ReasonCode], ___: Properties | None
    ) -> None:
        if packet_id != self._subscribing:
            return  # of a renewal
        refusals = [str(reason) for reason in reasons if reason.is_failure]
        if refusals:
            log.error("the broker refuses the subscription", filter=self._filter, reasons=refusals)
            self._client.disconnect()
            self._backoff.grow(time.monotonic())
            return
        self.subscribed = self._has_subscribed = self._is_known = True

    def _on_disconnect(
        self, _: Client, __: object, ___: DisconnectFlags, reason: ReasonCode, ____: Properties | None
    ) -> None:
        """Drop the buffer: the broker redelivers unacknowledged messages, under packet ids of the next connection."""
        self._forget_connection()
        log.warning("the connection to the broker ended", reason=str(reason))

    def _forget_connection(self) -> None:
        self.subscribed = False
        self._outstanding.clear()
        self._buffer.clear()
        self._buffered_bytes = 0

    def _buffer_all(self, published: list[Publish]) -> None:
        """Buffer messages, except redeliveries of messages in hand.

        A packet id is acknowledged once, for its last message. The broker could take a second acknowledgement for that
        of the next message under the same id, which is not stored yet. Each has a time of its own, because the newest
        rejections are told by it.
        """
        received_at, outstanding, repeats = datetime.now(UTC), self._outstanding, self.repeats
        for topic, payload, packet_id, dup, retain in published:
            received_at += _MICROSECOND
            redelivered = dup or repeats
            message = Message(self._outside_topic(_text(topic)), payload, received_at, redelivered, packet_id, retain)
            if packet_id:
                in_hand = outstanding.get(packet_id) if dup else None
                if in_hand and (in_hand.topic, in_hand.payload) == (message.topic, payload):
                    continue
                outstanding[packet_id] = message
            self._buffered_bytes += len(payload)
            self._buffer.append(message)


def _text(topic: bytes) -> str:
    """Decode a topic. One that is not UTF-8 becomes a text that no device can have, and is rejected."""
    try:
        return topic.decode()
    except UnicodeDecodeError:
        return "\N{REPLACEMENT CHARACTER}"
