"""Logins of the devices for the door, and the changes of them since the last call."""

from collections.abc import Iterator
from typing import NamedTuple

from psycopg.sql import SQL, Identifier

from store.database import FETCH_ROWS, Connection

LOGIN_CHANNEL = "anju_login"
"""The channel that a trigger on the devices notifies at the commit of a change."""


class LoginRow(NamedTuple):
    """Login of a device after its change of number `change`.

    `username` is `{community}/{kind}/{device}`, and `secret_hash` the 32 bytes of `hash_secret`; None without a secret.
    A device that is retired or withdrawn may not log in.
    """

    change: int
    username: str
    secret_hash: bytes | None
    simulated: bool
    may_log_in: bool


def last_login_change(connection: Connection) -> int:
    """Return the number of the last change of a login; it falls only where another database takes the place of this."""
    row = connection.execute("SELECT last_value FROM login_change").fetchone()
    return int(row[0]) if row else 0


def login_changes(connection: Connection, since: int) -> Iterator[list[LoginRow]]:
    """Yield the logins that changed after the change of that number, in order, in lists of up to `FETCH_ROWS`."""
    while rows := _next_changes(connection, since):
        yield rows
        since = rows[-1].change


def listen_for_login_changes(connection: Connection) -> None:
    """Let `wait_for_login_change` end early on this connection, which has to be in autocommit."""
    connection.execute(SQL("LISTEN {}").format(Identifier(LOGIN_CHANNEL)))


def wait_for_login_change(connection: Connection, timeout_s: float) -> None:
    """Wait until a transaction that may have changed a login has committed, or the time is over."""
    for _ in connection.notifies(timeout=timeout_s, stop_after=1):
        return


def _next_changes(connection: Connection, since: int) -> list[LoginRow]:
    return [
        LoginRow(*row)
        for row in connection.execute(
            """
            SELECT login_change, community || '/' || kind || '/' || name,
                   CASE WHEN secret_hash ~ '^[0-9a-f]{64}$' THEN decode(secret_hash, 'hex') END,
                   simulated, withdrawn_at IS NULL AND service <> 'retired'
            FROM device WHERE login_change > %s
            ORDER BY login_change LIMIT %s
            """,
            (since, FETCH_ROWS),
        )
    ]
