"""The secrets that devices log in to the broker with: 256 random bits, of which only a hash is stored.

SHA-256 without salt or stretching is enough here. Slow, salted hashes protect what people choose, because that can
be guessed; nobody guesses one of 2^256 random values, however fast the hash is, and a broker checks thousands a second.
"""

import hashlib
import secrets
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from store.database import Connection, StoreError
from store.registry.registry import lock_registry

_SECRET_BYTES = 32


class UnknownUsernameError(StoreError):
    """No device logs in under this name."""


class Login(NamedTuple):
    """A device as the broker knows it: its registry number and its username `{community}/{kind}/{device}`."""

    device_id: int
    username: str


def hash_secret(secret: str) -> str:
    """What is stored of a secret: its SHA-256 (FIPS 180-4) as 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def rotate_secret(connection: Connection, username: str) -> str:
    """Give the device `{community}/{kind}/{device}` a new secret and return it; the old one is void from now on.

    Raises:
        UnknownUsernameError: no such device is registered.
    """
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    community, _, rest = username.partition("/")
    kind, _, name = rest.partition("/")
    # An import that gives the same device its first secret at this moment would make one of the two void unseen.
    lock_registry(connection)
    done = connection.execute(
        "UPDATE device SET secret_hash = %s WHERE community = %s AND kind = %s AND name = %s",
        (hash_secret(secret), community, kind, name),
    )
    if done.rowcount == 0:
        raise UnknownUsernameError(
            f"no device logs in as {username!r}: a username is <community>/<kind>/<device> of a registered device"
        )
    return secret


def logins_without_secret(connection: Connection, devices: AbstractSet[tuple[str, str]]) -> list[Login]:
    """Those of the devices, given as (community, device), that have no secret yet and so can't log in."""
    rows = connection.execute(
        """
        SELECT id, community, kind, name FROM device
        WHERE secret_hash IS NULL AND community = ANY (%s)
        ORDER BY id
        """,
        (sorted({community for community, _ in devices}),),
    )
    return [
        Login(number, f"{community}/{kind}/{name}")
        for number, community, kind, name in rows
        if (community, name) in devices
    ]


def issue_secrets(connection: Connection, logins: Collection[Login]) -> dict[str, str]:
    """Give each device a secret: username to secret. They can be read here and never again."""
    issued = {login.username: secrets.token_urlsafe(_SECRET_BYTES) for login in logins}
    connection.execute("CREATE TEMP TABLE issued (device_id bigint, secret_hash text) ON COMMIT DROP")
    with connection.cursor() as cursor, cursor.copy("COPY issued FROM STDIN") as copy:
        for login in logins:
            copy.write_row((login.device_id, hash_secret(issued[login.username])))
    connection.execute(
        "UPDATE device SET secret_hash = issued.secret_hash FROM issued WHERE device.id = issued.device_id"
    )
    connection.execute("DROP TABLE issued")
    return issued
