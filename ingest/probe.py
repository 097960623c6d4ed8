"""Whether the broker takes the account of ingest, asked without touching the session of ingest."""

import socket
import ssl
import time

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from devices.broker_url import BrokerUrl

_TIMEOUT_S = 5.0


class BrokerUnavailableError(Exception):
    """The broker can't be reached, or refuses the account."""


def probe_broker(url: str) -> None:
    """Log in and out again, under a client id of its own.

    Raises:
        BrokerUnavailableError: nobody answers within five seconds, or the account is refused.
    """
    address = BrokerUrl.parse(url)
    answers: list[str] = []
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"anju-probe-{socket.gethostname()}"[:23].replace(".", "-"))
    client.username_pw_set(address.username, address.password)
    if address.tls:
        client.tls_set_context(ssl.create_default_context())
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.append(
        str(reason) if reason.is_failure else ""
    )
    try:
        client.connect(address.host, address.port)
    except OSError as error:
        raise BrokerUnavailableError(
            f"the broker at {address.host}:{address.port} can't be reached: {error}"
        ) from error
    until = time.monotonic() + _TIMEOUT_S
    while not answers and time.monotonic() < until:
        client.loop(0.1)
    client.disconnect()
    if not answers:
        raise BrokerUnavailableError(f"the broker at {address.host}:{address.port} does not answer")
    if answers[0]:
        raise BrokerUnavailableError(f"the broker refuses the account {address.username}: {answers[0]}")
