"""Sessions of accounts: logins of pages, and short-lived tokens of programs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from store.database import Connection

_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """Session to be opened; `token_hash` has 32 bytes."""

    account_id: int
    token_hash: bytes
    kind: str
    step: str
    address: str
    agent: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """Session as a list shows it."""

    id: int
    kind: str
    step: str
    address: str
    agent: str
    created_at: datetime
    used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """Session with the account that it belongs to, which is enabled."""

    id: int
    kind: str
    step: str
    account_id: int
    name: str
    display_name: str
    role: str
    scope: list[str]
    used_at: datetime


def open_session(connection: Connection, session: NewSession) -> int:
    """Store a session and return its id. Sessions of the account that are over are deleted."""
    connection.execute(
        "DELETE FROM account_session WHERE account_id = %s AND expires_at <= %s",
        (session.account_id, session.created_at),
    )
    row = connection.execute(
        """
        INSERT INTO account_session (account_id, token_hash, kind, step, address, agent, created_at, used_at,
                                     expires_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        RETURNING id
        """,
        (
            session.account_id, session.token_hash, session.kind, session.step, session.address, session.agent,
            session.created_at, session.created_at, session.expires_at,
        ),
    ).fetchone()  # fmt: skip
    assert row is not None  # noqa: S101 - RETURNING
    return int(row[0])


def find_session(connection: Connection, token_hash: bytes, now: datetime) -> OpenSession | None:
    """Return the session of a token that is neither over nor of a disabled account."""
    with connection.cursor(row_factory=class_row(OpenSession)) as cursor:
        return cursor.execute(
            """
            SELECT session.id, kind, step, account_id, name, display_name, role, scope, used_at
            FROM account_session AS session JOIN account ON account.id = account_id
            WHERE token_hash = %s AND expires_at > %s AND disabled_at IS NULL
            """,
            (token_hash, now),
        ).fetchone()


def note_use(connection: Connection, session: OpenSession, now: datetime) -> None:
    """Note the use of a session, at most once a minute."""
    if now - session.used_at >= _NOTED_EVERY:
        connection.execute("UPDATE account_session SET used_at = %s WHERE id = %s", (now, session.id))


def set_step(connection: Connection, session_id: int, step: str, token_hash: bytes, expires_at: datetime) -> None:
    """Let a session take the next step of a login, under a new token."""
    connection.execute(
        "UPDATE account_session SET step = %s, token_hash = %s, expires_at = %s WHERE id = %s",
        (step, token_hash, expires_at, session_id),
    )


def list_sessions(connection: Connection, account_id: int, now: datetime) -> list[SessionRow]:
    """Return the sessions of an account that are not over, newest use first."""
    with connection.cursor(row_factory=class_row(SessionRow)) as cursor:
        return cursor.execute(
            """
            SELECT id, kind, step, address, agent, created_at, used_at, expires_at
            FROM account_session WHERE account_id = %s AND expires_at > %s ORDER BY used_at DESC, id DESC
            """,
            (account_id, now),
        ).fetchall()


def end_session(connection: Connection, account_id: int, session_id: int) -> bool:
    """End a session of an account; False if it has no such one."""
    ended = connection.execute(
        "DELETE FROM account_session WHERE id = %s AND account_id = %s", (session_id, account_id)
    )
    return bool(ended.rowcount)


def end_sessions(connection: Connection, account_id: int, *, but: int | None = None) -> int:
    """End all sessions of an account, but for one if given; return how many."""
    return connection.execute(
        "DELETE FROM account_session WHERE account_id = %s AND id IS DISTINCT FROM %s", (account_id, but)
    ).rowcount
