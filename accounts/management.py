"""Changes of accounts and keys by administrators, each with its consequences for sessions and its audit row."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.passwords import check_password, hash_password
from accounts.principal import Principal, Role, Scope, ScopeError
from accounts.tokens import KEY, hash_token, new_token
from store.accounts.accounts import (
    AccountRow,
    NewAccount,
    add_account,
    find_account,
    list_accounts,
    set_disabled,
    set_password,
    set_rights,
    set_second_factor,
)
from store.accounts.api_keys import NewApiKey, add_key
from store.accounts.sessions import end_sessions
from store.admin.audit import Change, record_change
from store.database import Connection, StoreError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LONGEST_KEY = timedelta(days=366)
"""Longest time until a key expires."""


class AccountError(StoreError):
    """An account can't be changed like this; the message is for the person who tried."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes accounts, for the audit log: an account or `cli`, a person's name if known, and the time."""

    actor: str
    person: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """New API key: its id, and the key itself, which is shown once and stored nowhere."""

    id: int
    key: str


def create_account(
    connection: Connection,
    author: Author,
    *,
    name: str,
    display_name: str,
    role: Role,
    scope: Scope,
    password: str | None,
    oidc_subject: str | None = None,
) -> int:
    """Create an account, whose password is to be changed at its first login; return its id.

    Raises:
        AccountError: the name has other characters than a login name may have, or the scope is empty.
        AccountExistsError: the name or the OIDC subject is taken.
        PasswordError: the password is too easy.
    """
    if not _NAME.fullmatch(name):
        raise AccountError("账号由小写字母、数字、点、下划线和连字符组成，以字母或数字开头，最长 64 位")
    _require_communities(scope)
    if password is not None:
        check_password(password, name, display_name)
    account = NewAccount(
        name=name, display_name=display_name, role=role, scope=scope.entries(),
        password_hash=hash_password(password) if password is not None else None, oidc_subject=oidc_subject,
        change_password=password is not None, created_at=author.at,
    )  # fmt: skip
    account_id = add_account(connection, account)
    after = {"display_name": display_name, "role": role, "scope": scope.entries(), "oidc": oidc_subject is not None}
    _record(connection, author, "create", name, after=after)
    return account_id


def reset_password(connection: Connection, author: Author, account: AccountRow, password: str) -> None:
    """Give an account a password that its next login has to change, and end its sessions.

    Raises:
        PasswordError: the password is too easy.
    """
    check_password(password, account.name, account.display_name)
    set_password(connection, account.id, hash_password(password), change_password=True)
    end_sessions(connection, account.id)
    _record(connection, author, "reset_password", account.name)


def change_rights(connection: Connection, author: Author, account: AccountRow, role: Role, scope: Scope) -> None:
    """Change role and scope of an account, and end its sessions.

    Raises:
        AccountError: the scope is empty, or the last administrator would be one no more.
    """
    _require_communities(scope)
    if role != Role.ADMIN:
        _keep_an_administrator(connection, account)
    set_rights(connection, account.id, role, scope.entries())
    end_sessions(connection, account.id)
    before, after = {"role": account.role, "scope": account.scope}, {"role": role, "scope": scope.entries()}
    _record(connection, author, "change_rights", account.name, before=before, after=after)


def disable_account(connection: Connection, author: Author, account: AccountRow) -> None:
    """Disable an account: its sessions end, its keys open nothing.

    Raises:
        AccountError: it is the last administrator.
    """
    _keep_an_administrator(connection, account)
    set_disabled(connection, account.id, author.at)
    end_sessions(connection, account.id)
    _record(connection, author, "disable", account.name)


def enable_account(connection: Connection, author: Author, account: AccountRow) -> None:
    """Enable a disabled account again."""
    set_disabled(connection, account.id, None)
    _record(connection, author, "enable", account.name)


def remove_second_factor(connection: Connection, author: Author, account: AccountRow) -> None:
    """Remove the second factor of a lost phone, and end the sessions of the account."""
    set_second_factor(connection, account.id, None, [])
    end_sessions(connection, account.id)
    _record(connection, author, "remove_second_factor", account.name)


def sign_out_everywhere(connection: Connection, author: Author, account: AccountRow) -> int:
    """End all sessions of an account; return how many."""
    ended = end_sessions(connection, account.id)
    _record(connection, author, "end_sessions", account.name, after={"sessions": ended})
    return ended


def issue_key(
    connection: Connection,
    owner: Principal,
    now: datetime,
    *,
    name: str,
    scope: Scope | None,
    reads_only: bool,
    expires_at: datetime,
) -> IssuedKey:
    """Issue a key of an account; it opens no more than the account does at each request.

    Raises:
        AccountError: the owner has no account, or the key would last too long.
    """
    if owner.account is None:
        raise AccountError("共享密钥没有账号，不能再签发密钥：请用自己的账号登录")
    if not now < expires_at <= now + LONGEST_KEY:
        raise AccountError(f"密钥的有效期最长 {LONGEST_KEY.days} 天，并且要晚于现在")
    key = new_token(KEY)
    key_id = add_key(
        connection,
        NewApiKey(
            account_id=owner.account, name=name, key_hash=hash_token(key), scope=scope.entries() if scope else [],
            reads_only=reads_only, created_at=now, expires_at=expires_at,
        ),
    )  # fmt: skip
    after = {"key": key_id, "name": name, "reads_only": reads_only, "expires_at": expires_at.isoformat()}
    _record(connection, Author(owner.name, owner.display_name, now), "issue_key", owner.name, after=after)
    return IssuedKey(key_id, key)


def need_account(connection: Connection, name: str) -> AccountRow:
    """Return an account by its login name.

    Raises:
        AccountError: there is none.
    """
    account = find_account(connection, name.strip().casefold())
    if account is None:
        raise AccountError(f"没有账号 {name}")
    return account


def parse_rights(role: str, scope: list[str]) -> tuple[Role, Scope]:
    """Return role and scope of their texts.

    Raises:
        AccountError: one of them is none.
    """
    try:
        return Role(role), Scope.parse(scope)
    except ScopeError as error:
        raise AccountError(str(error)) from None
    except ValueError:
        raise AccountError(f"没有角色 {role}：可用的有 {'、'.join(Role)}") from None


def _require_communities(scope: Scope) -> None:
    if not scope.entries():
        raise AccountError("请至少填写一个范围，例如 community:linyin；看全部小区写 all")


def _keep_an_administrator(connection: Connection, account: AccountRow) -> None:
    """Refuse to take the last administrator away: nobody could give the role back from a browser."""
    others = (each for each in list_accounts(connection) if each.role == Role.ADMIN and each.disabled_at is None)
    if account.role == Role.ADMIN and not any(each.id != account.id for each in others):
        raise AccountError("这是最后一个管理员账号：请先建立另一个管理员")


def _record(
    connection: Connection,
    author: Author,
    action: str,
    name: str,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    change = Change(
        at=author.at, actor=author.actor, person=author.person, action=action, subject="account", subject_id=name,
        before=before or {}, after=after or {},
    )  # fmt: skip
    record_change(connection, change)
