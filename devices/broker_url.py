"""URL of an MQTT broker with an account: `mqtt://user:secret@host:port`, or `mqtts://` for TLS.

The URL of a broker with several nodes lists them, `mqtt://user:secret@host1:port1,host2:port2`. A client may use any.
With TLS, `?ca=FILE` names the authorities (PEM) that sign the broker's certificate, in the place of this machine's, and
`&certificate=FILE&key=FILE` a certificate of the client.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

MQTT = {"mqtt": 1883, "mqtts": 8883}
"""The schemes of MQTT with their default ports."""

_FILES = {"ca", "certificate", "key"}

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
    """Nodes and account of a broker; its text does not contain the secret.

    `files` are those of TLS by their names in the URL: `ca`, and `certificate` with `key`.
    """

    addresses: tuple[Address, ...]
    tls: bool
    username: str
    password: str = field(repr=False)
    files: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def parse(cls, url: str, ports: Mapping[str, int] = MQTT) -> Self:
        """Parse a URL of one of these schemes; each has its default port.

        Raises:
            BrokerUrlError: the scheme, a host or the account is missing or wrong.
        """
        scheme, _, rest = url.partition("://")
        if scheme not in ports:
            raise BrokerUrlError(f"the broker's URL must begin with {' or '.join(f'{known}://' for known in ports)}")
        account, _, place = rest.rpartition("@")
        nodes, mark, files = place.partition("?")
        username, _, password = account.partition(":")
        if not username or not password:
            raise BrokerUrlError(f"the broker's URL must be {scheme}://user:secret@host:port")
        addresses = tuple(_address(node, ports[scheme]) for node in nodes.removesuffix("/").split(","))
        tls = scheme in {"mqtts", "tls"}
        return cls(addresses, tls, unquote(username), unquote(password), _files(files, tls=tls) if mark else {})

    @property
    def host(self) -> str:
        """Host of the first node."""
        return self.addresses[0].host

    @property
    def port(self) -> int:
        """Port of the first node."""
        return self.addresses[0].port

    def tls_context(self) -> ssl.SSLContext:
        """Return what a connection by TLS 1.2 or newer checks and shows, by the present contents of the files.

        Raises:
            OSError: a file can't be read, or has other contents; the message names it.
        """
        try:
            context = ssl.create_default_context(cafile=self.files.get("ca"))
            if "certificate" in self.files:
                context.load_cert_chain(self.files["certificate"], self.files["key"])
        except OSError as error:
            names = ", ".join(map(str, self.files.values()))
            raise OSError(f"a file of TLS that the broker's URL names can't be used ({names}): {error}") from error
        return context

    def __str__(self) -> str:
        return f"{self.username} at {', '.join(map(str, self.addresses))}"


def tls_files(**files: Path) -> str:
    """Return the end of a URL that names these files."""
    return "?" + "&".join(f"{name}={quote(str(file))}" for name, file in files.items())


def _files(text: str, *, tls: bool) -> dict[str, Path]:
    pairs = parse_qsl(text, keep_blank_values=True)
    files = {name: Path(file) for name, file in pairs if name in _FILES and file}
    if len(files) != len(pairs) or not pairs or (("certificate" in files) != ("key" in files)):
        raise BrokerUrlError(
            "the broker's URL may end in ?ca=FILE, and in &certificate=FILE&key=FILE for a certificate of the client"
        )
    if files and not tls:
        raise BrokerUrlError("files of TLS go with mqtts:// only")
    return files


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
