"""Publisher with acknowledged delivery, across lost connections and a killed broker.

MQTT 3.1.1 with QoS 1 through paho. Its thread resends unacknowledged messages after a reconnection. A message may
therefore arrive twice, but none is lost; receivers recognise copies by their natural key. Where the URL names several
nodes of the broker, each new connection goes to the next one.
"""

import itertools
import threading
import uuid
from types import TracebackType
from typing import Self

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from devices.broker_tls import BrokerContext
from devices.broker_url import BrokerUrl

log = structlog.get_logger()

_KEEPALIVE_S = 10  # an unreachable node is given up after at most twice as long
_CONNECT_S = 10.0
_FLUSH_S = 60.0
_LONGEST_BACKOFF_S = 10


class PublisherError(Exception):
    """The broker can't be used, or did not acknowledge in time; the message names the remedy."""


class Publisher:
    """Publisher under one account, a context manager.

    Leaving the context without an error waits for the outstanding acknowledgements. Thread-safe.
    """

    def __init__(self, url: str, client_id: str | None = None, *, window: int = 200) -> None:
        """Prepare the client without connecting.

        Args:
            url: `mqtt://user:secret@host:port`, or `mqtts://` for TLS; several nodes as `host1:port1,host2:port2`.
            client_id: the id of this client at the broker; by default a new one.
            window: how many messages may wait for their acknowledgement. For each acknowledgement paho walks through
                all of them, so that a larger window is slower.

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
            self._client.tls_set_context(BrokerContext(self._address))
        # The window alone limits the outstanding messages: paho must neither hold back nor refuse any of them.
        self._client.max_inflight_messages = window
        self._client.reconnect_delay_set(1, _LONGEST_BACKOFF_S)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = lambda *_: self._select_next_node()
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
        """Number of messages published."""
        return self._sent

    @property
    def acknowledged(self) -> int:
        """Number of messages that the broker has acknowledged."""
        return self._acknowledged

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, timeout_s: float | None = None) -> bool:
        """Send one message; wait while the window is full or the connection is lost.

        Returns:
            True if the message was accepted; False if that was not possible within `timeout_s` (None: no limit).

        Raises:
            PublisherError: the publisher is closed, or the broker left a message unacknowledged for too long.
            ValueError: the topic contains a wildcard, or is empty.
        """
        with self._changed:
            if not self._changed.wait_for(self._may_send, timeout_s):
                return False
            if self._closed:
                raise PublisherError("the publisher is closed: publish before closing it")
            self._sent += 1
        accepted = False
        try:
            info = self._client.publish(topic, payload, qos=1, retain=retain)
            accepted = info.rc != MQTTErrorCode.MQTT_ERR_QUEUE_SIZE
        finally:
            if not accepted:
                with self._changed:
                    self._sent -= 1
        if not accepted:
            raise PublisherError(
                f"{self._broker} acknowledges later messages but not an earlier one: check its log and permissions"
            )
        return True

    def flush(self, timeout_s: float) -> None:
        """Wait until all published messages are acknowledged.

        Raises:
            PublisherError: they were not within `timeout_s`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._acknowledged >= self._sent, timeout_s):
                missing = self._sent - self._acknowledged
                raise PublisherError(
                    f"{self._broker} did not acknowledge {missing} messages within {timeout_s:g} s: is it running?"
                )

    def close(self) -> None:
        """End the connection at once; waiting calls of `publish` raise, and outstanding messages may be lost."""
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
        self._connect()
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
        """Wait for the acknowledgements, unless there was an error, and end the connection."""
        try:
            if kind is None and not self._closed:
                self.flush(_FLUSH_S)
        finally:
            self.close()

    def _connect(self) -> None:
        """Connect to the first reachable node."""
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

    def _select_next_node(self) -> None:
        """Direct paho's next attempt to the next node, unless the publisher is closed."""
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
        self._select_next_node()

    def _on_publish(self, _: Client, __: object, ___: int, ____: ReasonCode, _____: Properties | None) -> None:
        with self._changed:
            self._acknowledged += 1
            # Notifying the sender of every acknowledgement would make the two threads alternate message by message.
            if self._sent - self._acknowledged in {0, self._window // 2}:
                self._changed.notify_all()
