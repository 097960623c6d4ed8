"""Whether the broker takes the account of ingest, asked without touching the session of ingest."""

import socket
import ssl
import time

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from devices.broker_url import Address, BrokerUrl

_TIMEOUT_S = 5.0


class BrokerUnavailableError(Exception):
    """The broker can't be reached, or refuses the account."""


def probe_broker(url: str) -> None:
    """Log in and out again, under a client id of its own, at the first node that answers.

    Raises:
        BrokerUnavailableError: no node answers within five seconds, or the account is refused.
    """
    broker = BrokerUrl.parse(url)
    silent = []
    for address in broker.addresses:
        try:
            answer = _log_in(broker, address)
        except OSError as error:
            silent.append(f"the broker at {address} can't be reached: {error}")
        else:
            if answer:
                raise BrokerUnavailableError(f"the broker refuses the account {broker.username}: {answer}")
            return
    raise BrokerUnavailableError("; ".join(silent))


def _log_in(broker: BrokerUrl, address: Address) -> str:
    """Why a node refuses the account; empty when it takes it. Raises OSError when it does not answer."""
    answers: list[str] = []
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"anju-probe-{socket.gethostname()}"[:23].replace(".", "-"))
    client.username_pw_set(broker.username, broker.password)
    if broker.tls:
        client.tls_set_context(ssl.create_default_context())
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.append(
        str(reason) if reason.is_failure else ""
    )
    client.connect(*address)
    until = time.monotonic() + _TIMEOUT_S
    while not answers and time.monotonic() < until:
        client.loop(0.1)
    client.disconnect()
    if not answers:
        raise TimeoutError(f"no answer within {_TIMEOUT_S:g} s")
    return answers[0]
