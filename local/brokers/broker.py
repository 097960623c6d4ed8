"""What the brokers have in common: three accounts, the URLs to reach them with, and parts to run."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from local.errors import LocalError
from local.ports import Ports
from local.process import Part
from local.secret import kept_secret
from local.users import User, private_directory

PREFERRED_MQTT_PORT = 1883
# What devices publish to, and what NATS maps it to when there are partitions.
TOPICS = ("anju/v1/#", "anju/p/#")


@dataclass(frozen=True)
class Account:
    """A login of the broker: its topic filters to write to and to read from, all others are forbidden."""

    name: str
    password: str
    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()


class Accounts(NamedTuple):
    """Nobody else gets in. `publisher` is for simulators and replay, `reader` for reading along."""

    ingest: Account
    publisher: Account
    reader: Account


@dataclass(frozen=True)
class Place:
    """Where a broker is to run and as whom, and how many partitions it is to map communities to."""

    folder: Path
    ports: Ports
    user: User | None
    partitions: int
    progress: Callable[[str], None]

    def need_one_partition(self, broker: str) -> None:
        """Raise LocalError unless one partition is asked for, which every broker can."""
        if self.partitions > 1:
            raise LocalError(
                f"{broker} cannot map communities to {self.partitions} partitions: "
                "set ANJU_PARTITIONS=1, or run NATS Server."
            )


@dataclass(frozen=True)
class Broker:
    """A broker that is prepared on disk.

    Attributes:
        title: its name for people.
        ports: where its nodes speak MQTT on 127.0.0.1.
        parts: its nodes, to be started together.
        monitoring_urls: the HTTP monitoring of each node of NATS (`/healthz`, `/jsz?consumers=1`); others have none.
    """

    title: str
    accounts: Accounts
    ports: tuple[int, ...]
    parts: tuple[Part, ...]
    monitoring_urls: tuple[str, ...] = ()

    @property
    def ingest_url(self) -> str:
        """For ingest: may subscribe."""
        return self._url(self.accounts.ingest)

    @property
    def publish_url(self) -> str:
        """For simulators and replay: may publish for every device."""
        return self._url(self.accounts.publisher)

    @property
    def read_url(self) -> str:
        """For reading along: may subscribe."""
        return self._url(self.accounts.reader)

    def _url(self, account: Account) -> str:
        addresses = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"mqtt://{account.name}:{account.password}@{addresses}"


def open_accounts(place: Place) -> Accounts:
    """The accounts, with the passwords that are kept in the place's folder (made now when there are none)."""
    private_directory(place.folder, place.user)

    def account(name: str, write: tuple[str, ...] = (), read: tuple[str, ...] = ()) -> Account:
        return Account(name, kept_secret(place.folder / f"{name}.password", place.user), write, read)

    return Accounts(
        ingest=account("ingest", read=TOPICS),
        publisher=account("publisher", write=TOPICS),
        reader=account("reader", read=TOPICS),
    )


def check_login(title: str, port: int, account: Account) -> None:
    """Return when the broker lets the account in; raises LocalError until then.

    A listener that is open says little: a broker may open it before it has read its store.
    """
    texts = b"".join(
        len(text).to_bytes(2, "big") + text.encode() for text in ("anju-ready", account.name, account.password)
    )
    content = b"\x00\x04MQTT\x04\xc2\x00\x00" + texts  # MQTT 3.1.1, clean session, no keep-alive
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(bytes((0x10, len(content))) + content)
            answer = connection.recv(4)
    except OSError as error:
        raise LocalError(f"{title} does not answer on port {port}: {error}") from error
    if answer[3:] != b"\x00":
        raise LocalError(f"{title} on port {port} lets nobody in yet.")
