"""Secrets of the devices for their login to the broker: 256 random bits, stored only as a hash.

SHA-256 without salt or stretching is enough. Slow, salted hashes protect passwords that people choose, because those
can be guessed. One of 2^256 random values cannot, however fast the hash is, and a broker checks thousands a second.
"""

import hashlib
import secrets
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from store.database import Connection, StoreError
from store.registry.version import lock_registry

_SECRET_BYTES = 32


class UnknownUsernameError(StoreError):
    """No device has this username."""


class Login(NamedTuple):
    """The login of a device: its id and its username `{community}/{kind}/{device}`."""

    device_id: int
    username: str


def hash_secret(secret: str) -> str:
    """Return the stored form of a secret: its SHA-256 (FIPS 180-4) as 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def fingerprint(secret_hash: bytes) -> str:
    """Return eight hexadecimal digits that change with the secret of a device.

    Args:
        secret_hash: the 32 bytes of `hash_secret`; empty for a device without a secret.
    """
    return hashlib.sha256(secret_hash).hexdigest()[:8]


def rotate_secret(connection: Connection, username: str) -> str:
    """Give the device `{community}/{kind}/{device}` a new secret and return it; the old one is void at once.

    Raises:
        UnknownUsernameError: no such device is registered.
    """
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    community, _, rest = username.partition("/")
    kind, _, name = rest.partition("/")
    # Without the lock, an import that issues the device's first secret at this moment would silently void one of them.
    lock_registry(connection)
    updated = connection.execute(
        """
        UPDATE device SET secret_hash = %s
        WHERE community = %s AND kind = %s AND name = %s AND withdrawn_at IS NULL
        """,
        (hash_secret(secret), community, kind, name),
    )
    if updated.rowcount == 0:
        raise UnknownUsernameError(
            f"no device logs in as {username!r}: a username is <community>/<kind>/<device> of a registered device"
        )
    return secret


def logins_without_secret(connection: Connection, devices: AbstractSet[tuple[str, str]]) -> list[Login]:
    """Return the logins of the devices, given as (community, device), that have no secret yet."""
    rows = connection.execute(
        """
        SELECT id, community, kind, name FROM device
        WHERE secret_hash IS NULL AND community = ANY (%s)
        ORDER BY id
        """,
        (sorted({community for community, _ in devices}),),
    )
    return [
        Login(device_id, f"{community}/{kind}/{name}")
        for device_id, community, kind, name in rows
        if (community, name) in devices
    ]


def issue_secrets(connection: Connection, logins: Collection[Login]) -> dict[str, str]:
    """Give each device a secret; return the secrets by username, which are stored nowhere."""
    secret_by_username = {login.username: secrets.token_urlsafe(_SECRET_BYTES) for login in logins}
    connection.execute("CREATE TEMP TABLE new_secret (device_id bigint, secret_hash text) ON COMMIT DROP")
    with connection.cursor() as cursor, cursor.copy("COPY new_secret FROM STDIN") as copy:
        for login in logins:
            copy.write_row((login.device_id, hash_secret(secret_by_username[login.username])))
    connection.execute(
        "UPDATE device SET secret_hash = new_secret.secret_hash FROM new_secret WHERE device.id = new_secret.device_id"
    )
    connection.execute("DROP TABLE new_secret")
    return secret_by_username


class Enrolled(NamedTuple):
    """Device that can log in: its place, and the hash of its secret, None without one."""

    username: str
    community_name: str
    kind: str
    name: str
    building: str
    unit: str
    room: str
    location: str
    secret_hash: str | None


def enrolled_devices(connection: Connection, usernames: Collection[str]) -> list[Enrolled]:
    """Return the registered devices among these usernames `{community}/{kind}/{device}`."""
    rows = connection.execute(
        """
        SELECT d.community || '/' || d.kind || '/' || d.name, c.name, d.kind, d.name, coalesce(d.building, ''),
               coalesce(d.unit, ''), coalesce(d.room, ''), coalesce(d.location, ''), d.secret_hash
        FROM device d JOIN community c ON c.id = d.community
        WHERE d.community = ANY (%s) AND d.withdrawn_at IS NULL
          AND d.community || '/' || d.kind || '/' || d.name = ANY (%s)
        """,
        (sorted({username.partition("/")[0] for username in usernames}), list(usernames)),
    )
    return [Enrolled(*row) for row in rows]
