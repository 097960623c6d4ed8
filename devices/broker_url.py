"""URL of an MQTT broker with an account: `mqtt://user:secret@host:port`, or `mqtts://` for TLS.

The URL of a broker with several nodes lists them, `mqtt://user:secret@host1:port1,host2:port2`. A client may use any.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

MQTT = {"mqtt": 1883, "mqtts": 8883}
"""The schemes of MQTT with their default ports."""

NATS = {"nats": 4222, "tls": 4222}
"""The schemes of NATS's own protocol, which the door speaks, with their default ports."""


class BrokerUrlError(ValueError):
    """The URL can't be used; the message quotes none of it, because it contains a secret."""


class Address(NamedTuple):
    """Node of a broker."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """Nodes and account of a broker; its text does not contain the secret."""

    addresses: tuple[Address, ...]
    tls: bool
    username: str
    password: str = field(repr=False)

    @classmethod
    def parse(cls, url: str, ports: Mapping[str, int] = MQTT) -> Self:
        """Parse a URL of one of these schemes; each has its default port.

        Raises:
            BrokerUrlError: the scheme, a host or the account is missing or wrong.
        """
        scheme, _, rest = url.partition("://")
        if scheme not in ports:
            raise BrokerUrlError(f"the broker's URL must begin with {' or '.join(f'{known}://' for known in ports)}")
        account, _, nodes = rest.removesuffix("/").rpartition("@")
        username, _, password = account.partition(":")
        if not username or not password:
            raise BrokerUrlError(f"the broker's URL must be {scheme}://user:secret@host:port")
        addresses = tuple(_address(node, ports[scheme]) for node in nodes.split(","))
        return cls(addresses, scheme in {"mqtts", "tls"}, unquote(username), unquote(password))

    @property
    def host(self) -> str:
        """Host of the first node."""
        return self.addresses[0].host

    @property
    def port(self) -> int:
        """Port of the first node."""
        return self.addresses[0].port

    def __str__(self) -> str:
        return f"{self.username} at {', '.join(map(str, self.addresses))}"


def _address(text: str, default_port: int) -> Address:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, default_port if parts.port is None else parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise BrokerUrlError("a port in the broker's URL must be a number from 1 to 65535")
    if not host or parts.netloc != text or parts.username:
        raise BrokerUrlError(
            "the broker's URL must be scheme://user:secret@host:port, for several nodes host:port,host:port"
        )
    return Address(host, port)
