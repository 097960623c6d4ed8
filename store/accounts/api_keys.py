"""API keys of programs, each of an account."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from store.database import Connection

_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """Key to be stored; `scope` are entries as `accounts.principal.Scope` reads them."""

    account_id: int
    name: str
    key_hash: bytes
    scope: list[str]
    reads_only: bool
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRow:
    """Key as a list shows it."""

    id: int
    account: str
    name: str
    scope: list[str]
    reads_only: bool
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsableKey:
    """Key in force, with the account that it belongs to."""

    id: int
    scope: list[str]
    reads_only: bool
    used_at: datetime | None
    account_id: int
    account_name: str
    display_name: str
    role: str
    account_scope: list[str]


_LISTED = """
    SELECT api_key.id, account.name AS account, api_key.name, api_key.scope, reads_only, api_key.created_at, expires_at,
           used_at, revoked_at
    FROM api_key JOIN account ON account.id = account_id
"""


def add_key(connection: Connection, key: NewApiKey) -> int:
    """Store a key and return its id."""
    row = connection.execute(
        """
        INSERT INTO api_key (account_id, name, key_hash, scope, reads_only, created_at, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        RETURNING id
        """,
        (key.account_id, key.name, key.key_hash, key.scope, key.reads_only, key.created_at, key.expires_at),
    ).fetchone()
    assert row is not None  # noqa: S101 - RETURNING
    return int(row[0])


def find_key(connection: Connection, key_hash: bytes, now: datetime) -> UsableKey | None:
    """Return the key that is neither revoked nor expired, and whose account is enabled."""
    with connection.cursor(row_factory=class_row(UsableKey)) as cursor:
        return cursor.execute(
            """
            SELECT api_key.id, api_key.scope, reads_only, used_at, account_id, account.name AS account_name,
                   display_name, role, account.scope AS account_scope
            FROM api_key JOIN account ON account.id = account_id
            WHERE key_hash = %s AND revoked_at IS NULL AND expires_at > %s AND disabled_at IS NULL
            """,
            (key_hash, now),
        ).fetchone()


def note_key_use(connection: Connection, key: UsableKey, now: datetime) -> None:
    """Note the use of a key, at most once a minute."""
    if key.used_at is None or now - key.used_at >= _NOTED_EVERY:
        connection.execute("UPDATE api_key SET used_at = %s WHERE id = %s", (now, key.id))


def list_keys(connection: Connection, account_id: int | None) -> list[ApiKeyRow]:
    """Return the keys of an account, or with None of all accounts, newest first."""
    with connection.cursor(row_factory=class_row(ApiKeyRow)) as cursor:
        return cursor.execute(
            _LISTED + " WHERE %(account)s::bigint IS NULL OR account_id = %(account)s ORDER BY api_key.id DESC",
            {"account": account_id},
        ).fetchall()


def read_key(connection: Connection, key_id: int) -> ApiKeyRow | None:
    """Return one key."""
    with connection.cursor(row_factory=class_row(ApiKeyRow)) as cursor:
        return cursor.execute(_LISTED + " WHERE api_key.id = %s", (key_id,)).fetchone()


def revoke_key(connection: Connection, key_id: int, account_id: int | None, now: datetime) -> bool:
    """Revoke a key, of that account if one is given; False if there is none in force."""
    revoked = connection.execute(
        """
        UPDATE api_key SET revoked_at = %(now)s
        WHERE id = %(id)s AND revoked_at IS NULL AND (%(account)s::bigint IS NULL OR account_id = %(account)s)
        """,
        {"now": now, "id": key_id, "account": account_id},
    )
    return bool(revoked.rowcount)
