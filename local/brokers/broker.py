"""Accounts, URLs and processes of a private broker."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import nkeys  # type: ignore[import-untyped]

from devices.broker_topics import PERSONAL_TOPICS, TOPICS
from local.brokers.tls import BrokerTls
from local.ports import Ports
from local.process import Part
from local.secret import kept_secret, read_secret
from local.users import User, private_directory, write_private

PREFERRED_MQTT_PORT = 1883
PREFERRED_MQTTS_PORT = 8883


@dataclass(frozen=True)
class Account:
    """Login of the broker, with its topic filters for writing and reading; all other topics are forbidden.

    `hidden` are exceptions from `read`. With `has_queue` the broker keeps messages for it while it is away.
    """

    name: str
    password: str
    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    has_queue: bool = False


def ingest_account(password: str) -> Account:
    """Return the account of ingest: it reads everything, in a session with a queue."""
    return Account("ingest", password, read=TOPICS, has_queue=True)


def reader_account(password: str) -> Account:
    """Return the account for observation: without queues, which would have no bound, and without personal data."""
    return Account("reader", password, read=TOPICS, hidden=PERSONAL_TOPICS)


class Accounts(NamedTuple):
    """All accounts of a broker. `publisher` is for simulators and replay, `reader` for observation.

    Where the door decides, it knows these two, and the broker does not.
    """

    ingest: Account
    publisher: Account
    reader: Account


class DoorKeys(NamedTuple):
    """Keys of the door: its password at the broker, and the key that signs its answers.

    `seed` is the secret half of that key, and `issuer` the half that the broker knows.
    """

    password: str
    seed: str
    issuer: str


@dataclass(frozen=True)
class Place:
    """Folder, user and number of partitions of a broker.

    With `guarded` the door decides about simulators and observers too. Without it they are accounts of the broker, and
    simulators may publish for every device: for tests and measurements that have no registry.
    """

    folder: Path
    ports: Ports
    user: User | None
    partitions: int
    progress: Callable[[str], None]
    guarded: bool = False
    tls: BrokerTls | None = None

    def claim_mqtt(self, end: str = "") -> int:
        """Claim the port of MQTT for a node, with this end of its name."""
        if self.tls:
            return self.ports.claim(f"mqtts{end}", PREFERRED_MQTTS_PORT)
        return self.ports.claim(f"mqtt{end}", PREFERRED_MQTT_PORT)


@dataclass(frozen=True)
class Broker:
    """Broker that is prepared on disk.

    Attributes:
        title: its displayed name.
        ports: the MQTT ports of its nodes on 127.0.0.1.
        parts: its nodes, to be started together.
        monitoring_urls: the HTTP monitoring of each node (`/healthz`, `/jsz?consumers=1`).
        door_url: URL at which `anju door` answers for the devices; empty where the broker asks nobody.
        door_seed: the key that signs its answers.
        tls: its certificates; None where MQTT is not encrypted.
    """

    title: str
    accounts: Accounts
    ports: tuple[int, ...]
    parts: tuple[Part, ...]
    monitoring_urls: tuple[str, ...] = ()
    door_url: str = field(default="", repr=False)
    door_seed: str = field(default="", repr=False)
    tls: BrokerTls | None = None

    @property
    def ingest_url(self) -> str:
        """URL for ingest, which may subscribe."""
        return self._url(self.accounts.ingest)

    @property
    def publish_url(self) -> str:
        """URL for simulators and replay, which may publish for every device."""
        return self._url(self.accounts.publisher)

    @property
    def read_url(self) -> str:
        """URL for observers, which may subscribe."""
        return self._url(self.accounts.reader)

    def _url(self, account: Account) -> str:
        scheme, host, end = ("mqtts", self.tls.host, self.tls.url_end) if self.tls else ("mqtt", "127.0.0.1", "")
        addresses = ",".join(f"{host}:{port}" for port in self.ports)
        return f"{scheme}://{account.name}:{account.password}@{addresses}{end}"


def open_accounts(place: Place) -> Accounts:
    """Return the accounts with the passwords stored in the place's folder, which are generated the first time."""
    private_directory(place.folder, place.user)

    def password(name: str) -> str:
        return kept_secret(place.folder / f"{name}.password", place.user)

    return Accounts(
        ingest=ingest_account(password("ingest")),
        publisher=Account("publisher", password("publisher"), write=TOPICS),
        reader=reader_account(password("reader")),
    )


def open_door(place: Place) -> DoorKeys:
    """Return the keys of the door, which are generated the first time."""
    password = kept_secret(place.folder / "door.password", place.user)
    file = place.folder / "door.seed"
    if not file.exists():
        seed = nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_ACCOUNT)
        write_private(file, seed.decode(), place.user)
    seed = read_secret(file, place.user)
    return DoorKeys(password, seed, nkeys.from_seed(bytearray(seed.encode())).public_key.decode())
