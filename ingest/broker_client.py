"""Short connections to the broker for checks and repartitioning; ingest itself uses `ingest.receiver`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from devices.broker_tls import BrokerContext
from devices.broker_url import Address, BrokerUrl

_ANSWER_S = 5.0


class BrokerUnavailableError(Exception):
    """The broker can't be reached, or refuses a request."""


@contextmanager
def connected(url: str, client_id: str, *, clean: bool) -> Iterator[Client]:
    """Connect a client that acknowledges nothing to the first node that answers, for the time of the block.

    Raises:
        BrokerUnavailableError: no node answers within five seconds, or the account is refused.
    """
    broker = BrokerUrl.parse(url)
    client, refusal = _log_in(broker, client_id, clean=clean)
    if refusal:
        raise BrokerUnavailableError(f"the broker refuses the account {broker.username}: {refusal}")
    try:
        yield client
    finally:
        client.disconnect()
        client.loop(0.1)


def subscribe(client: Client, topic_filter: str, *, qos: int = 1) -> None:
    """Subscribe and wait until the broker grants it.

    Raises:
        BrokerUnavailableError: the broker refuses, or does not answer.
    """
    answers: list[bool] = []
    client.on_subscribe = lambda _client, _data, _id, reasons, _properties: answers.append(reasons[0].is_failure)
    client.subscribe(topic_filter, qos=qos)
    loop_until(client, lambda: bool(answers))
    if answers[0]:
        raise BrokerUnavailableError(f"the broker refuses the subscription to {topic_filter}")


def loop_until(client: Client, is_done: Callable[[], bool], timeout_s: float = _ANSWER_S) -> None:
    """Run the client's loop until `is_done`.

    Raises:
        BrokerUnavailableError: `is_done` takes longer than `timeout_s`.
    """
    until = time.monotonic() + timeout_s
    while not is_done():
        if time.monotonic() > until:
            raise BrokerUnavailableError(f"the broker has not answered within {timeout_s:g} s")
        client.loop(0.1)


def _log_in(broker: BrokerUrl, client_id: str, *, clean: bool) -> tuple[Client, str]:
    """Return a client that a node answered, and the reason of a refusal; empty if it accepts the account."""
    failures = []
    for address in broker.addresses:
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=clean, manual_ack=True)
        client.username_pw_set(broker.username, broker.password)
        if broker.tls:
            client.tls_set_context(BrokerContext(broker))
        try:
            return client, _answer(client, address)
        except (OSError, BrokerUnavailableError) as error:
            failures.append(f"the broker at {address} can't be reached: {error}")
    raise BrokerUnavailableError("; ".join(failures))


def _answer(client: Client, address: Address) -> str:
    answers: list[str] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.append(
        str(reason) if reason.is_failure else ""
    )
    client.connect(*address)
    loop_until(client, lambda: bool(answers))
    return answers[0]
