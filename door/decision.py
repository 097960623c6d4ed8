"""Whether a login is accepted, and which subjects it may publish to. Pure.

A device logs in as `{community}/{kind}/{device}` with its secret or with a client certificate of that name. Its
client id is that name with ":" for "/", or begins with it and ":". No other client can therefore take over its session.
"""

from enum import StrEnum
from typing import NamedTuple

from devices.topic import IDENTIFIER
from door.directory import Directory


class Login(NamedTuple):
    """Login that a client asks for; absent texts are empty.

    `certificate` is the username in its client certificate, which the broker has verified, `issued_for` the fingerprint
    of the secret that the device had at its issue, and `address` its host.
    """

    username: str
    secret: str
    client_id: str
    certificate: str = ""
    address: str = ""
    issued_for: str = ""


class Refusal(StrEnum):
    """Reason of a refusal, in words for an operator; the device is told of none of them."""

    UNKNOWN_DEVICE = "no such device is registered, or it is retired or withdrawn"
    NO_SECRET = "the device has no secret yet: give it one with `anju secrets rotate`"  # noqa: S105 - a reason
    WRONG_SECRET = "the secret is wrong, or was replaced by a newer one"  # noqa: S105 - a reason
    OTHER_CERTIFICATE = "the client certificate is that of another device"
    OLD_CERTIFICATE = "the client certificate was issued before the secret of the device was replaced: issue a new one"
    WRONG_CLIENT_ID = "the client id must be the username with : for /, or begin with that and :"
    FOREIGN_CLIENT_ID = "the client id is that of a device or of ingest"
    NOT_MQTT = "it came by NATS's own protocol: log in by MQTT"
    TOO_MANY_REAL_DEVICES = "too many real devices are in communities with simulated ones: let each have its own"

    @property
    def is_guess(self) -> bool:
        """Whether the login may be an attempt to guess a name or a secret."""
        return self in {Refusal.UNKNOWN_DEVICE, Refusal.NO_SECRET, Refusal.WRONG_SECRET, Refusal.OTHER_CERTIFICATE}


class Admission(NamedTuple):
    """Accepted login: the name of its connection, and the subjects of NATS that it may publish to.

    `deny` are exceptions from `publish`, and `unreadable` from `subscribe`. `by_mqtt` is False for the door alone.
    """

    name: str
    publish: tuple[str, ...]
    deny: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    by_mqtt: bool = True


def decide(login: Login, directory: Directory, *, partitions: int) -> Admission | Refusal:
    """Return the answer to a login, by the devices that may log in.

    Args:
        login: the login.
        directory: the devices that may log in.
        partitions: the number of partitions to which the broker maps the topics.
    """
    username = login.certificate or login.username
    if username not in directory:
        return Refusal.UNKNOWN_DEVICE
    if refusal := _refuse_certificate(login, directory) if login.certificate else _refuse_secret(login, directory):
        return refusal
    if not _belongs_to(login.client_id, username):
        return Refusal.WRONG_CLIENT_ID
    name = directory.connection_name(username, by_certificate=bool(login.certificate), issued_for=login.issued_for)
    return Admission(name, (own_subjects(username, partitions),))


def _refuse_certificate(login: Login, directory: Directory) -> Refusal | None:
    if login.username not in {"", login.certificate}:
        return Refusal.OTHER_CERTIFICATE
    is_current = login.issued_for in {"", directory.fingerprint(login.certificate)}
    return None if is_current else Refusal.OLD_CERTIFICATE


def _refuse_secret(login: Login, directory: Directory) -> Refusal | None:
    if not directory.has_secret(login.username):
        return Refusal.NO_SECRET
    return None if directory.is_secret(login.username, login.secret) else Refusal.WRONG_SECRET


def is_username(text: str) -> bool:
    """Return whether a text has the form of a username."""
    parts = text.split("/")
    return len(parts) == 3 and all(map(IDENTIFIER.fullmatch, parts))


def own_subjects(username: str, partitions: int) -> str:
    """Return the subjects below the topic of a device, or of a community given by its id.

    With several partitions they are those to which the broker maps the topics.

    A valid username has no wildcard and no dot, so that it can't name the subjects of another device.
    """
    return f"{_root(partitions)}.{username.replace('/', '.')}.>"


def _root(partitions: int) -> str:
    return "anju.v1" if partitions == 1 else "anju.p.*"


def _belongs_to(client_id: str, username: str) -> bool:
    name = username.replace("/", ":")
    return client_id == name or client_id.startswith(f"{name}:")
