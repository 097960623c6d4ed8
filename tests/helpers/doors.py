"""The door in front of a broker, and devices that knock: raw MQTT, so that no client library hides an odd login."""

import queue
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ssl import SSLWantReadError
from typing import Protocol, Self

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from database_roles import as_role
from devices.broker_url import BrokerUrl
from door.accounts import Account
from door.service import Door, DoorSettings
from imports.importer import import_rows
from ingest.broker_log import RefusalReason, refusals
from local.brokers.broker import Broker
from mqtt_packets import CONNACK, answers, connect, disconnect, publish, release, subscribe
from patience import patient
from store.admin.roles import Role
from store.database import connect as connect_to_database
from store.registry.registry import load_devices
from store.registry.secrets import Login, issue_secrets, rotate_secret
from store.registry.version import lock_registry

ACCEPTED, NOT_AUTHORIZED = 0, 5
"""Return codes of CONNACK."""


class DoorPlace(Protocol):
    """Broker that asks a door."""

    @property
    def door_url(self) -> str: ...

    @property
    def door_seed(self) -> str: ...


@contextmanager
def running_door(
    database_url: str, broker: DoorPlace, *, partitions: int = 1, longest_delay_s: float = 0.05
) -> Iterator[Door]:
    """Answer the broker during the block, from the registry of this database; refusals are quick."""
    simulators = observer = None
    if isinstance(broker, Broker):
        simulators, observer = _account(broker.publish_url), _account(broker.read_url)
    settings = DoorSettings(
        as_role(database_url, Role.DOOR),
        broker.door_url,
        broker.door_seed,
        partitions,
        None,
        simulators,
        observer,
        longest_delay_s,
    )
    door = Door(settings)
    with running(door):
        yield door


def _account(url: str) -> Account:
    broker = BrokerUrl.parse(url)
    return Account(broker.username, broker.password)


@contextmanager
def running(door: Door) -> Iterator[None]:
    """Let a door answer during the block."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            door.run(stop)
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    thread = threading.Thread(target=run, name="door")
    thread.start()
    try:
        assert door.ready.wait(patient(20)), failures
        yield
    finally:
        stop.set()
        thread.join(patient(20))
    assert not thread.is_alive(), "the door does not end"
    assert not failures, failures


def register_devices(database_url: str, community: str, *devices: Mapping[str, str]) -> None:
    """Register devices, given as rows of an import without their community."""
    place = {"community": community, "name": "阳光小区", "banner": "东胜区", "street": "公园街道"}
    with closing(connect_to_database(database_url, application_name="test")) as connection:
        connection.autocommit = True
        import_rows(connection, [place], [], [{"community": community, **row} for row in devices])


def new_secrets(database_url: str, usernames: Sequence[str]) -> list[str]:
    """Give registered devices of one community new secrets, and return them in order."""
    community = usernames[0].partition("/")[0]
    with connect_to_database(database_url, application_name="test") as connection:
        lock_registry(connection)
        ids = {f"{each.community}/{each.kind}/{each.name}": each.id for each in load_devices(connection, [community])}
        secrets = issue_secrets(connection, [Login(ids[name], name) for name in usernames])
    return [secrets[name] for name in usernames]


def new_secret(database_url: str, username: str) -> str:
    """Give a device a new secret, and return it."""
    with connect_to_database(database_url, application_name="test") as connection:
        return rotate_secret(connection, username)


@dataclass
class Knock:
    """Connection of a device that has asked to log in."""

    stream: socket.socket
    client_id: str
    _received: bytearray = field(default_factory=bytearray)
    _packet_id: int = 0

    @classmethod
    def at(
        cls,
        url: str,
        username: str,
        secret: str,
        client_id: str | None = None,
        *,
        will: tuple[str, bytes] | None = None,
        clean: bool = True,
    ) -> Self:
        """Connect to the broker of this URL, whose account is ignored, and ask."""
        address = BrokerUrl.parse(url)
        stream = socket.create_connection((address.host, address.port), timeout=patient(20))
        if address.tls:
            stream = address.tls_context().wrap_socket(stream, server_hostname=address.host)
        own_id = username.replace("/", ":") if client_id is None else client_id
        stream.sendall(connect(own_id, username, secret, will=will, clean=clean))
        return cls(stream, own_id)

    def answer(self) -> int | None:
        """Return the code of CONNACK; None if the broker closes the connection without one."""
        answer = self._next()
        assert answer is None or answer[0] == CONNACK, answer
        return answer and answer[1]

    def publish(self, topic: str, payload: bytes = b"{}", *, retain: bool = False, qos: int = 1) -> bool:
        """Publish; return whether the broker acknowledges it, or closes the connection."""
        self._packet_id += 1
        self.stream.sendall(publish(topic, payload, self._packet_id, retain=retain, qos=qos))
        if qos == 2 and self._next() is not None:
            self.stream.sendall(release(self._packet_id))
        return qos == 0 or self._next() is not None

    def subscribe(self, topic_filter: str, *, qos: int = 1) -> bool:
        """Subscribe; return whether the broker grants it."""
        self._packet_id += 1
        self.stream.sendall(subscribe(topic_filter, self._packet_id, qos=qos))
        answer = self._next()
        return answer is not None and answer[1] != 0x80

    def is_open(self) -> bool:
        """Return whether the broker has left the connection open so far."""
        self.stream.setblocking(False)
        try:
            data = self.stream.recv(4096)
            self._received += data
        except (BlockingIOError, SSLWantReadError):
            return True
        except ConnectionError:
            return False
        else:
            return data != b""
        finally:
            self.stream.settimeout(patient(20))

    def leave(self) -> None:
        """Disconnect in good order."""
        self.stream.sendall(disconnect())
        self.stream.close()

    def vanish(self) -> None:
        """Close without a word, so that the broker publishes the last will."""
        self.stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def _next(self) -> tuple[int, int] | None:
        while True:
            for answer in answers(self._received):
                return answer
            try:
                data = self.stream.recv(4096)
            except ConnectionError:
                return None
            if not data:
                return None
            self._received += data


def login(url: str, username: str, secret: str, client_id: str | None = None) -> int | None:
    """Log in and out again; return the code of CONNACK, None if the connection was closed without one."""
    with Knock.at(url, username, secret, client_id) as knock:
        return knock.answer()


def dropped(log: Path, client_id: str) -> set[str]:
    """Return the topics that the broker, by its log, did not let a client publish."""
    found = refusals(log.read_text("utf-8", "replace").splitlines(), datetime.now(UTC) - timedelta(days=1))
    return {each.topic for each in found if each.client == client_id and each.reason is RefusalReason.TOPIC}


class Listener:
    """Reader of a topic filter: of its new messages, in order, or of its retained ones."""

    def __init__(self, url: str, topic_filter: str, *, retained: bool = False) -> None:
        account = BrokerUrl.parse(url)
        self._payloads: queue.Queue[bytes] = queue.Queue()
        self._granted = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(account.username, account.password)
        self._client.on_connect = lambda client, *_: client.subscribe(topic_filter)
        self._client.on_subscribe = lambda *_: self._granted.set()
        self._client.on_message = lambda _client, _data, message: (
            self._payloads.put(bytes(message.payload)) if message.retain == retained else None
        )
        self._client.connect(account.host, account.port)

    def payload(self) -> bytes:
        """Return the payload of the next message."""
        return self._payloads.get(timeout=patient(10))

    def waiting(self) -> list[bytes]:
        """Return the payloads that have arrived and were not taken yet."""
        payloads = []
        with suppress(queue.Empty):
            while True:
                payloads.append(self._payloads.get_nowait())
        return payloads

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._granted.wait(patient(20))
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
