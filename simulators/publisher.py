"""Sends messages to a broker so that each is acknowledged, across lost connections and a broker that is killed.

MQTT 3.1.1 with QoS 1 through paho, whose thread sends again after a reconnection what was not acknowledged. So a
message may arrive twice, but none is lost: receivers tell copies by their natural key. Where the URL names several
nodes of the broker, each new connection goes to the next one.
"""

import itertools
import ssl
import threading
import uuid
from types import TracebackType
from typing import Self

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from devices.broker_url import BrokerUrl

log = structlog.get_logger()

_KEEPALIVE_S = 10  # a node that was cut off is given up after at most twice as long
_CONNECT_S = 10.0
_FLUSH_S = 60.0
_LONGEST_BACKOFF_S = 10


class PublisherError(Exception):
    """The broker can't be used, or did not acknowledge in time; the message says what to check."""


class Publisher:
    """Publishes under one account; use it as a context manager.

    On leaving without an error it waits for the outstanding acknowledgements. Thread-safe.
    """

    def __init__(self, url: str, client_id: str | None = None, *, window: int = 200) -> None:
        """Prepare the client without connecting.

        Args:
            url: `mqtt://user:secret@host:port`, or `mqtts://` for TLS; several nodes as `host1:port1,host2:port2`.
            client_id: how the broker knows this client; by default a new one.
            window: how many messages may wait for their acknowledgement; paho walks through all of them for each one
                that is acknowledged, so more is slower.

        Raises:
            BrokerUrlError: the URL can't be used.
        """
        self._address = BrokerUrl.parse(url)
        self._nodes = itertools.cycle(self._address.addresses)
        self._broker = f"the broker at {', '.join(map(str, self._address.addresses))}"
        self._window = window
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id or f"anju-publisher-{uuid.uuid4().hex}")
        self._client.username_pw_set(self._address.username, self._address.password)
        if self._address.tls:
            self._client.tls_set_context(ssl.create_default_context())
        # The window bounds what is outstanding: paho must neither hold back nor refuse any of it.
        self._client.max_inflight_messages = window
        self._client.reconnect_delay_set(1, _LONGEST_BACKOFF_S)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = lambda *_: self._turn_to_next_node()
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._changed = threading.Condition()
        self._connected = False
        self._closed = False
        self._refusal = ""
        self._sent = 0
        self._acknowledged = 0

    def __repr__(self) -> str:
        return f"Publisher({self._broker}, sent={self._sent}, acknowledged={self._acknowledged})"

    @property
    def sent(self) -> int:
        """How many messages were handed over."""
        return self._sent

    @property
    def acknowledged(self) -> int:
        """How many of them the broker has acknowledged."""
        return self._acknowledged

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, timeout_s: float | None = None) -> bool:
        """Send one message, waiting while the window is full or the connection is away.

        Returns:
            True when the message was taken; False when that was not possible within `timeout_s` (None: no limit).

        Raises:
            PublisherError: the publisher is closed, or the broker left a message unacknowledged for too long.
            ValueError: the topic holds a wildcard, or is empty.
        """
        with self._changed:
            if not self._changed.wait_for(self._may_send, timeout_s):
                return False
            if self._closed:
                raise PublisherError("the publisher is closed: publish before closing it")
            self._sent += 1
        taken = False
        try:
            info = self._client.publish(topic, payload, qos=1, retain=retain)
            taken = info.rc != MQTTErrorCode.MQTT_ERR_QUEUE_SIZE
        finally:
            if not taken:
                with self._changed:
                    self._sent -= 1
        if not taken:
            raise PublisherError(
                f"{self._broker} acknowledges later messages but not an earlier one: check its log and permissions"
            )
        return True

    def flush(self, timeout_s: float) -> None:
        """Wait until everything sent is acknowledged.

        Raises:
            PublisherError: it was not within `timeout_s`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._acknowledged >= self._sent, timeout_s):
                missing = self._sent - self._acknowledged
                raise PublisherError(
                    f"{self._broker} did not acknowledge {missing} messages within {timeout_s:g} s: is it running?"
                )

    def close(self) -> None:
        """End the connection at once; whoever waits in `publish` is told. What is outstanding may be lost."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            PublisherError: the broker can't be reached, or refuses the account.
        """
        self._dial()
        self._client.loop_start()
        with self._changed:
            patience_s = _CONNECT_S * len(self._address.addresses)
            answered = self._changed.wait_for(lambda: self._connected or self._refusal, patience_s)
            refusal = self._refusal if answered else f"no answer within {patience_s:g} s"
        if not self._connected:
            self.close()
            raise PublisherError(f"{self._broker} refuses the connection ({refusal}): check user and secret in the URL")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the acknowledgements, unless something went wrong, and end the connection."""
        try:
            if kind is None and not self._closed:
                self.flush(_FLUSH_S)
        finally:
            self.close()

    def _dial(self) -> None:
        """Connect to the first node that can be reached."""
        failures = []
        for host, port in itertools.islice(self._nodes, len(self._address.addresses)):
            try:
                self._client.connect(host, port, _KEEPALIVE_S)
            except OSError as error:
                failures.append(str(error))
            else:
                return
        raise PublisherError(
            f"{self._broker} can't be reached ({'; '.join(failures)}): start the broker or check the URL"
        )

    def _turn_to_next_node(self) -> None:
        """Let paho's next attempt go there; a client that was told to end stays ended."""
        with self._changed:
            if not self._closed:
                self._client.connect_async(*next(self._nodes), _KEEPALIVE_S)

    def _may_send(self) -> bool:
        return self._closed or (self._connected and self._sent - self._acknowledged < self._window)

    def _on_connect(
        self, _: Client, __: object, ___: ConnectFlags, reason: ReasonCode, ____: Properties | None
    ) -> None:
        with self._changed:
            self._connected = not reason.is_failure
            self._refusal = str(reason) if reason.is_failure else ""
            self._changed.notify_all()
        if reason.is_failure:
            log.error("the broker refuses the connection", broker=self._broker, reason=str(reason))

    def _on_disconnect(
        self, _: Client, __: object, ___: DisconnectFlags, reason: ReasonCode, ____: Properties | None
    ) -> None:
        with self._changed:
            was_connected, self._connected = self._connected, False
        if was_connected and not self._closed:
            log.warning("the broker's connection is lost, reconnecting", broker=self._broker, reason=str(reason))
        self._turn_to_next_node()

    def _on_publish(self, _: Client, __: object, ___: int, ____: ReasonCode, _____: Properties | None) -> None:
        with self._changed:
            self._acknowledged += 1
            # Waking the sender for every acknowledgement would make the two threads take turns message by message.
            if self._sent - self._acknowledged in {0, self._window // 2}:
                self._changed.notify_all()
