"""Login by name and password, its further steps, and the account behind a token of any kind.

Every refusal of a name and password takes the work of a hash and has the same words, whether there is such an account
or not, so that nobody learns which names exist.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address

from accounts.lockout import wait_after
from accounts.passwords import check_password, hash_password, needs_rehash, verify_password
from accounts.principal import Principal, Role, Scope
from accounts.second_factor import matching_step, recovery_hash
from accounts.tokens import KEY, PAGE, TOKEN, hash_token, new_token
from devices.seal import Seal
from store.accounts.accounts import (
    AccountRow,
    find_account,
    read_account,
    set_password,
    use_recovery_code,
    use_totp_step,
)
from store.accounts.api_keys import find_key, note_key_use
from store.accounts.login_failures import forget_failures, read_failures, record_failure
from store.accounts.sessions import (
    NewSession,
    OpenSession,
    end_session,
    end_sessions,
    find_session,
    note_use,
    open_session,
    set_step,
)
from store.database import Connection

SEAL_PURPOSE = "second factor"

# Half of the connections of a process: a crowd of guessers waits for hashes, and everybody else goes on reading.
_AT_ONCE = 4
_PLACES = threading.BoundedSemaphore(_AT_ONCE)


class Step(StrEnum):
    """What a login still needs."""

    SECOND_FACTOR = "second_factor"
    ENROL_SECOND_FACTOR = "enrol_second_factor"
    CHANGE_PASSWORD = "change_password"  # noqa: S105 - no password
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Longest time between two uses of a session, and from its login to its end."""

    idle: timedelta
    whole: timedelta


# A phone in a stairwell stays logged in; whoever may change accounts does not.
_PAGE = Lifetime(timedelta(days=7), timedelta(days=30))
_ADMIN = Lifetime(timedelta(hours=2), timedelta(hours=12))
_UNFINISHED = timedelta(minutes=15)
_TOKEN = timedelta(hours=1)


class LoginRefusedError(Exception):
    """Name, password or code are wrong; the message is for the person who logs in."""


class TooManyLoginsError(Exception):
    """Too many failed logins of late; the next may be tried after `wait`."""

    def __init__(self, wait: timedelta, why: str = "尝试次数过多") -> None:
        self.wait = wait
        super().__init__(f"{why}，请在 {_seconds(wait)} 秒后再试")


@contextmanager
def login_place() -> Iterator[None]:
    """Hold one of the places for checks of passwords and codes; take it before the connection.

    Raises:
        TooManyLoginsError: all are taken now.
    """
    if not _PLACES.acquire(blocking=False):
        raise TooManyLoginsError(timedelta(seconds=1), "现在登录的人太多")
    try:
        yield
    finally:
        _PLACES.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Where a login comes from: an address, and the name that the browser or program gives itself; and its time."""

    address: str
    at: datetime
    agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Answer to a login: its token, and what it still needs."""

    token: str
    step: Step
    account: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """Account behind a token; `session` is None for an API key, which may be one that only reads.

    `for_page` tells the session of a browser from a short-lived token.
    """

    principal: Principal
    session: int | None
    for_page: bool = False
    step: Step = Step.DONE
    reads_only: bool = False


def log_in(connection: Connection, name: str, password: str, client: Client, *, for_page: bool) -> Login:
    """Open a session of an account, for pages or as a short-lived token.

    The caller commits, also when this raises: the failure is counted in the same transaction.

    Raises:
        LoginRefusedError: there is no such account with this password, or it is disabled.
        TooManyLoginsError: too many logins with this name failed.
    """
    name, now = name.strip().casefold(), client.at
    name_hash, network = _name_hash(name), _network(client.address)
    if wait := wait_after(read_failures(connection, name_hash, network, now), now):
        raise TooManyLoginsError(wait)
    account = find_account(connection, name)
    if not verify_password(password, account.password_hash if account else None) or account is None:
        record_failure(connection, name_hash, network, now)
        raise LoginRefusedError("账号或密码不正确")
    if account.disabled_at is not None:
        raise LoginRefusedError("账号或密码不正确")
    forget_failures(connection, name_hash, network)
    if account.password_hash and needs_rehash(account.password_hash):
        set_password(connection, account.id, hash_password(password), change_password=account.change_password)
    return open_for(connection, account, client, for_page=for_page)


def open_for(connection: Connection, account: AccountRow, client: Client, *, for_page: bool) -> Login:
    """Open a session of an account whose first factor was checked."""
    step, now = _first_step(account), client.at
    whole = _whole(account.role, step, for_page=for_page)
    token = new_token(PAGE if for_page else TOKEN)
    open_session(
        connection,
        NewSession(
            account_id=account.id, token_hash=hash_token(token), kind="page" if for_page else "token", step=step,
            address=client.address, agent=client.agent[:200], created_at=now, expires_at=now + whole,
        ),
    )  # fmt: skip
    return Login(token=token, step=step, account=account.id, expires_at=now + whole)


def give_code(connection: Connection, session: Authenticated, code: str, client: Client, seal: Seal) -> bool:
    """Return whether the code of the second factor, or a recovery code, is right; each counts once.

    Raises:
        TooManyLoginsError: too many codes were wrong.
    """
    account = _account_of(connection, session, lock=True)
    name_hash, network = _name_hash("code " + account.name), _network(client.address)
    now = client.at
    if wait := wait_after(read_failures(connection, name_hash, network, now), now):
        raise TooManyLoginsError(wait)
    secret = seal.open(account.name, account.totp_secret) if account.totp_secret else b""
    step = matching_step(secret, code, now) if secret else None
    if (step is not None and use_totp_step(connection, account.id, step)) or (
        account.totp_confirmed and use_recovery_code(connection, account.id, recovery_hash(code))
    ):
        forget_failures(connection, name_hash, network)
        return True
    record_failure(connection, name_hash, network, now)
    return False


def advance(connection: Connection, session: Authenticated, now: datetime) -> Login:
    """Let a login take its next step, under a new token (OWASP: a login renews the session's id)."""
    account = _account_of(connection, session)
    step = Step.CHANGE_PASSWORD if account.change_password else Step.DONE
    if session.session is None:
        raise LoginRefusedError("API 密钥不需要这一步")
    token = new_token(PAGE if session.for_page else TOKEN)
    expires_at = now + _whole(account.role, step, for_page=session.for_page)
    set_step(connection, session.session, step, hash_token(token), expires_at)
    return Login(token=token, step=step, account=account.id, expires_at=expires_at)


def change_password(connection: Connection, session: Authenticated, old: str, new: str, client: Client) -> None:
    """Replace the password of the account of a session, and end its other sessions.

    Raises:
        LoginRefusedError: the old password is wrong, or the second factor is still missing.
        PasswordError: the new one can't be chosen.
        TooManyLoginsError: too many old passwords were wrong.
    """
    if session.step not in {Step.CHANGE_PASSWORD, Step.DONE}:
        raise LoginRefusedError("请先完成动态验证码这一步，再修改密码")
    account = _account_of(connection, session, lock=True)
    name_hash, network, now = _name_hash(account.name), _network(client.address), client.at
    if wait := wait_after(read_failures(connection, name_hash, network, now), now):
        raise TooManyLoginsError(wait)
    if not verify_password(old, account.password_hash):
        record_failure(connection, name_hash, network, now)
        raise LoginRefusedError("原密码不正确")
    if old == new:
        raise LoginRefusedError("新密码不能与原密码相同")
    check_password(new, account.name, account.display_name)
    set_password(connection, account.id, hash_password(new), change_password=False)
    end_sessions(connection, account.id, but=session.session)


def log_out(connection: Connection, session: Authenticated) -> None:
    """End the session of a token."""
    if session.session is not None and session.principal.account is not None:
        end_session(connection, session.principal.account, session.session)


def authenticate(connection: Connection, token: str, now: datetime) -> Authenticated | None:
    """Return the account behind a token or an API key; None if that is unknown, over or of a disabled account."""
    if token.startswith(KEY):
        return _key_account(connection, token, now)
    if not token.startswith((PAGE, TOKEN)):
        return None
    session = find_session(connection, hash_token(token), now)
    if session is None or _is_idle(session, now):
        return None
    note_use(connection, session, now)
    principal = Principal(
        session.account_id, session.name, session.display_name, Role(session.role), Scope.parse(session.scope)
    )
    return Authenticated(
        principal=principal, session=session.id, for_page=session.kind == "page", step=Step(session.step)
    )


def _key_account(connection: Connection, token: str, now: datetime) -> Authenticated | None:
    key = find_key(connection, hash_token(token), now)
    if key is None:
        return None
    note_key_use(connection, key, now)
    scope = Scope.parse(key.account_scope)
    if key.scope:
        scope = replace(Scope.parse(key.scope), within=scope)
    principal = Principal(key.account_id, key.account_name, key.display_name, Role(key.role), scope)
    return Authenticated(principal=principal, session=None, reads_only=key.reads_only)


def _account_of(connection: Connection, session: Authenticated, *, lock: bool = False) -> AccountRow:
    account = read_account(connection, session.principal.account or 0, lock=lock)
    if account is None:
        raise LoginRefusedError("这个登录没有对应的账号")
    return account


def _first_step(account: AccountRow) -> Step:
    if account.totp_confirmed:
        return Step.SECOND_FACTOR
    if account.role == Role.ADMIN:
        return Step.ENROL_SECOND_FACTOR
    return Step.CHANGE_PASSWORD if account.change_password else Step.DONE


def _whole(role: str, step: Step, *, for_page: bool) -> timedelta:
    if step is not Step.DONE:
        return _UNFINISHED
    return _lifetime(role).whole if for_page else _TOKEN


def _lifetime(role: str) -> Lifetime:
    return _ADMIN if role == Role.ADMIN else _PAGE


def _is_idle(session: OpenSession, now: datetime) -> bool:
    return now - session.used_at > _lifetime(session.role).idle


def _name_hash(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


def _network(address: str) -> str:
    """Return the address, or of IPv6 the network of one customer (/64, RFC 6177)."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))


def _seconds(wait: timedelta) -> int:
    return max(1, -(-int(wait.total_seconds() * 1000) // 1000))
