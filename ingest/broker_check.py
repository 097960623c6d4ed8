"""Checks of the broker that `anju doctor` makes, without touching a session of ingest."""

import socket
import time
from contextlib import nullcontext, suppress

from paho.mqtt.client import Client, MQTTMessage

from devices.topic import PREFIX
from ingest.broker_client import BrokerUnavailableError, connected, subscribe
from ingest.partition import MAPPED_PREFIX, is_received

_LISTEN_S = 1.5


def probe_broker(url: str) -> None:
    """Log in and out again, under a client id of its own, at the first node that answers.

    Raises:
        BrokerUnavailableError: no node answers within five seconds, or the account is refused.
    """
    with connected(url, _client_id(), clean=True):
        pass


def unreceived_topic(url: str, partitions: int) -> str | None:
    """A topic, as the broker delivers it, on which something has just been published that no worker receives.

    Then the broker maps to another number of partitions. None if all that came in a moment was in its place, if
    anything came.

    Raises:
        BrokerUnavailableError: as above, or the account may not read what ingest has to read.
    """
    stray: list[str] = []

    def look(_client: Client, _data: object, message: MQTTMessage) -> None:
        # What is retained may be from a time with other partitions.
        if not message.retain and not is_received(message.topic, partitions):
            stray.append(message.topic)

    with connected(url, _client_id(), clean=True) as client:
        client.on_message = look
        subscribe(client, f"{PREFIX}/#", qos=0)
        # Where nothing is to be mapped, the account of ingest need not be allowed to read what would be.
        with nullcontext() if partitions > 1 else suppress(BrokerUnavailableError):
            subscribe(client, f"{MAPPED_PREFIX}/#", qos=0)
        until = time.monotonic() + _LISTEN_S
        while not stray and time.monotonic() < until:
            client.loop(0.1)
    return stray[0] if stray else None


def _client_id() -> str:
    return f"anju-probe-{socket.gethostname()}"[:23].replace(".", "-")
