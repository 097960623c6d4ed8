"""URL of an MQTT broker with an account: `mqtt://user:secret@host:port`, or `mqtts://` for TLS.

The URL of a broker with several nodes lists them, `mqtt://user:secret@host1:port1,host2:port2`. A client may use any.
"""

from dataclasses import dataclass, field
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

_DEFAULT_PORT = {"mqtt": 1883, "mqtts": 8883}


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
    def parse(cls, url: str) -> Self:
        """Parse a URL.

        Raises:
            BrokerUrlError: the scheme, a host or the account is missing or wrong.
        """
        scheme, _, rest = url.partition("://")
        if scheme not in _DEFAULT_PORT:
            raise BrokerUrlError("the broker's URL must begin with mqtt:// or mqtts://")
        account, _, nodes = rest.removesuffix("/").rpartition("@")
        username, _, password = account.partition(":")
        if not username or not password:
            raise BrokerUrlError("the broker's URL must be mqtt://user:secret@host:port")
        addresses = tuple(_address(node, _DEFAULT_PORT[scheme]) for node in nodes.split(","))
        return cls(addresses, scheme == "mqtts", unquote(username), unquote(password))

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
            "the broker's URL must be mqtt://user:secret@host:port, for several nodes host:port,host:port"
        )
    return Address(host, port)
