"""Checks of the broker that `anju doctor` makes, without touching a session of ingest."""

import socket
import time
from contextlib import nullcontext, suppress

from paho.mqtt.client import Client, MQTTMessage

from devices.topic import PREFIX
from ingest.broker_client import BrokerUnavailableError, connected, subscribe
from ingest.partition import MAPPED_PREFIX, is_received

_LISTEN_S = 1.5
# Without a mapping one message in its place is proof. A mapping to another number of partitions has at least half of
# the communities misplaced, so that ten in their place by chance are one case in a thousand.
_COMMUNITIES = 10


def probe_broker(url: str) -> None:
    """Log in and out again, under a client id of its own, at the first node that answers.

    Raises:
        BrokerUnavailableError: no node answers within five seconds, or the account is refused.
    """
    with connected(url, _client_id(), clean=True):
        pass


def unreceived_topic(url: str, partitions: int) -> str | None:
    """Return a topic, as the broker delivers it, of a new message that no worker receives.

    Such a topic shows that the broker maps to another number of partitions. The result is None once enough messages
    have arrived in their place, or after a moment without a misplaced one.

    Raises:
        BrokerUnavailableError: as above, or the account may not read the topics of ingest.
    """
    misplaced: list[str] = []
    in_place: set[str] = set()
    enough = 1 if partitions == 1 else _COMMUNITIES

    def look(_client: Client, _data: object, message: MQTTMessage) -> None:
        if message.retain:
            return  # it may be from a time with other partitions
        if is_received(message.topic, partitions):
            in_place.add(message.topic.removeprefix(f"{MAPPED_PREFIX}/").split("/")[1])
        else:
            misplaced.append(message.topic)

    with connected(url, _client_id(), clean=True) as client:
        client.on_message = look
        subscribe(client, f"{PREFIX}/#", qos=0)
        # Where nothing is to be mapped, the account of ingest need not be allowed to read mapped topics.
        with nullcontext() if partitions > 1 else suppress(BrokerUnavailableError):
            subscribe(client, f"{MAPPED_PREFIX}/#", qos=0)
        until = time.monotonic() + _LISTEN_S
        while not misplaced and len(in_place) < enough and time.monotonic() < until:
            client.loop(0.1)
    return misplaced[0] if misplaced else None


def _client_id() -> str:
    return f"anju-probe-{socket.gethostname()}"[:23].replace(".", "-")
