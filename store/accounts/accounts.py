"""Accounts: who may log in, with which role and scope."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import errors
from psycopg.rows import class_row

from store.database import Connection, StoreError


class AccountExistsError(StoreError):
    """There is an account of this name, or of this OIDC subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """Account as stored.

    Attributes:
        scope: entries as `accounts.principal.Scope` reads them.
        password_hash: PHC string of Argon2id; None for an account without a password.
        change_password: whether the next login has to choose a new password.
        totp_secret: sealed secret of the second factor; `totp_confirmed` once a code of it was given.
        totp_step: newest step of 30 s whose code was used.
        recovery_hashes: hashes of the recovery codes not yet used.
    """

    id: int
    name: str
    display_name: str
    role: str
    scope: list[str]
    password_hash: str | None
    change_password: bool
    totp_secret: bytes | None
    totp_confirmed: bool
    totp_step: int
    recovery_hashes: list[bytes]
    oidc_subject: str | None
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """Account to be added; see `AccountRow`."""

    name: str
    display_name: str
    role: str
    scope: list[str]
    password_hash: str | None = None
    change_password: bool = True
    oidc_subject: str | None = None
    created_at: datetime


def add_account(connection: Connection, account: NewAccount) -> int:
    """Add an account and return its id.

    Raises:
        AccountExistsError: the name or the OIDC subject is taken.
    """
    try:
        with connection.transaction():
            row = connection.execute(
                """
                INSERT INTO account (name, display_name, role, scope, password_hash, change_password, oidc_subject,
                                     created_at)
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
                RETURNING id
                """,
                (
                    account.name, account.display_name, account.role, account.scope, account.password_hash,
                    account.change_password, account.oidc_subject, account.created_at,
                ),
            ).fetchone()  # fmt: skip
    except errors.UniqueViolation:
        raise AccountExistsError(f"账号 {account.name} 已存在") from None
    assert row is not None  # noqa: S101 - RETURNING
    return int(row[0])


def find_account(connection: Connection, name: str) -> AccountRow | None:
    """Return the account of a login name, disabled or not."""
    with connection.cursor(row_factory=class_row(AccountRow)) as cursor:
        return cursor.execute("SELECT * FROM account WHERE name = %s", (name,)).fetchone()


def read_account(connection: Connection, account_id: int, *, lock: bool = False) -> AccountRow | None:
    """Return an account by its id; with `lock` it stays as it is until the transaction ends."""
    with connection.cursor(row_factory=class_row(AccountRow)) as cursor:
        return cursor.execute(
            "SELECT * FROM account WHERE id = %s FOR UPDATE" if lock else "SELECT * FROM account WHERE id = %s",
            (account_id,),
        ).fetchone()


def find_subject(connection: Connection, subject: str) -> AccountRow | None:
    """Return the account that logs in by OIDC as this subject."""
    with connection.cursor(row_factory=class_row(AccountRow)) as cursor:
        return cursor.execute("SELECT * FROM account WHERE oidc_subject = %s", (subject,)).fetchone()


def list_accounts(connection: Connection) -> list[AccountRow]:
    """Return all accounts by name."""
    with connection.cursor(row_factory=class_row(AccountRow)) as cursor:
        return cursor.execute("SELECT * FROM account ORDER BY name").fetchall()


def set_password(connection: Connection, account_id: int, password_hash: str, *, change_password: bool) -> None:
    """Replace the password of an account."""
    connection.execute(
        "UPDATE account SET password_hash = %s, change_password = %s WHERE id = %s",
        (password_hash, change_password, account_id),
    )


def set_rights(connection: Connection, account_id: int, role: str, scope: list[str]) -> None:
    """Replace the role and the scope of an account."""
    connection.execute("UPDATE account SET role = %s, scope = %s WHERE id = %s", (role, scope, account_id))


def set_disabled(connection: Connection, account_id: int, at: datetime | None) -> None:
    """Disable an account from that time on, or with None enable it again."""
    connection.execute("UPDATE account SET disabled_at = %s WHERE id = %s", (at, account_id))


def set_second_factor(
    connection: Connection, account_id: int, secret: bytes | None, recovery_hashes: list[bytes]
) -> None:
    """Replace the second factor, which counts once it is confirmed; None removes it."""
    connection.execute(
        """
        UPDATE account SET totp_secret = %s, totp_confirmed = false, totp_step = 0, recovery_hashes = %s WHERE id = %s
        """,
        (secret, recovery_hashes, account_id),
    )


def replace_sealed_secret(connection: Connection, account_id: int, before: bytes, after: bytes) -> None:
    """Replace the sealed secret of a second factor by itself, unless it has been changed since it was read."""
    connection.execute(
        "UPDATE account SET totp_secret = %s WHERE id = %s AND totp_secret = %s", (after, account_id, before)
    )


def use_totp_step(connection: Connection, account_id: int, step: int) -> bool:
    """Note the use of a code, which confirms the second factor; False if that code or a later one was used before."""
    return bool(
        connection.execute(
            "UPDATE account SET totp_step = %s, totp_confirmed = true WHERE id = %s AND totp_step < %s",
            (step, account_id, step),
        ).rowcount
    )


def use_recovery_code(connection: Connection, account_id: int, code_hash: bytes) -> bool:
    """Use up a recovery code; False if there is no such one left."""
    return bool(
        connection.execute(
            """
            UPDATE account SET recovery_hashes = array_remove(recovery_hashes, %s)
            WHERE id = %s AND %s = ANY (recovery_hashes)
            """,
            (code_hash, account_id, code_hash),
        ).rowcount
    )
