"""The address of an MQTT broker with the account to use there: `mqtt://user:secret@host:port` or `mqtts://`."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

_DEFAULT_PORT = {"mqtt": 1883, "mqtts": 8883}


class BrokerUrlError(ValueError):
    """The URL can't be used; the message quotes none of it, because it holds a secret."""


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """Where the broker is and who connects; the secret does not show in its text."""

    host: str
    port: int
    tls: bool
    username: str
    password: str = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take a URL apart.

        Raises:
            BrokerUrlError: the scheme, the host or the account is missing or wrong.
        """
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORT:
            raise BrokerUrlError("the broker's URL must begin with mqtt:// or mqtts://")
        if not parts.hostname or not parts.username or not parts.password:
            raise BrokerUrlError("the broker's URL must be mqtt://user:secret@host:port")
        try:
            port = parts.port or _DEFAULT_PORT[parts.scheme]
        except ValueError:
            raise BrokerUrlError("the port in the broker's URL must be a number up to 65535") from None
        return cls(parts.hostname, port, parts.scheme == "mqtts", unquote(parts.username), unquote(parts.password))
