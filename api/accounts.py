"""Routes for administrators about accounts, and the API keys of every account."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from accounts.management import (
    AccountError,
    Author,
    change_rights,
    disable_account,
    enable_account,
    need_account,
    parse_rights,
    remove_second_factor,
    reset_password,
)
from accounts.management import (
    create_account as create,
)
from accounts.management import (
    issue_key as issue,
)
from accounts.passwords import initial_password
from accounts.principal import ROLE_ZH, Principal, Role, Scope
from api import messages_zh
from api.models import ResponseModel
from api.paging import Page
from api.parameters import Caller, Instant, Now, WholeStore
from api.problems import ForbiddenProblem, InvalidProblem, Mistake, RefusedProblem, UnknownProblem, problem_responses
from handling.text import Name, Word
from store.accounts.accounts import AccountExistsError, AccountRow, read_account
from store.accounts.accounts import list_accounts as stored_accounts
from store.accounts.api_keys import ApiKeyRow, read_key
from store.accounts.api_keys import list_keys as stored_keys
from store.accounts.api_keys import revoke_key as revoke
from store.database import Connection

router = APIRouter(tags=["accounts 账号"])

_DEFAULT_KEY_DAYS = 90
AccountName = Annotated[Word, Path(description="The login name of an account.", examples=["wang.manager"])]
ScopeEntries = list[Word]


class UnknownAccountProblem(UnknownProblem):
    """There is no such account."""

    def __init__(self) -> None:
        """Name the remedy."""
        super().__init__("There is no such account.", messages_zh.ACCOUNT_NOT_FOUND)


class UnknownKeyProblem(UnknownProblem):
    """The account has no such key in force."""

    def __init__(self) -> None:
        """Name the remedy."""
        super().__init__("There is no such key in force.", messages_zh.API_KEY_NOT_FOUND)


_UNKNOWN_ACCOUNT = problem_responses(UnknownAccountProblem())


class Account(ResponseModel):
    """Account of a person."""

    name: str = Field(description="Login name.", examples=["wang.manager"])
    display_name: str = Field(examples=["王经理"])
    role: Role
    role_zh: str
    scope: list[str] = Field(examples=[["community:linyin", "street:东胜区/林荫街道"]])
    second_factor: bool
    has_password: bool
    change_password: bool = Field(description="Whether the next login has to choose a new password.")
    created_at: datetime
    disabled_at: datetime | None

    @classmethod
    def of(cls, row: AccountRow) -> "Account":
        """Describe an account."""
        return cls(
            name=row.name, display_name=row.display_name, role=Role(row.role), role_zh=ROLE_ZH[Role(row.role)],
            scope=row.scope, second_factor=row.totp_confirmed, has_password=row.password_hash is not None,
            change_password=row.change_password, created_at=row.created_at, disabled_at=row.disabled_at,
        )  # fmt: skip


class NewAccount(BaseModel):
    """Account to be created."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="Login name: small letters, digits, dot, hyphen.", examples=["wang.manager"])
    display_name: Name = Field(examples=["王经理"])
    role: Role
    scope: ScopeEntries = Field(max_length=500, examples=[["community:linyin"]])


class AccountChange(BaseModel):
    """Change of an account; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    scope: ScopeEntries | None = Field(None, max_length=500)
    disabled: bool | None = None


class InitialPassword(BaseModel):
    """Account with the password of its first login, which is shown this once."""

    account: Account
    initial_password: str


class ApiKey(ResponseModel):
    """Key of a program."""

    id: int
    account: str
    name: str = Field(examples=["能耗看板"])
    scope: list[str] = Field(description="Its communities; empty for all those of its account.")
    reads_only: bool
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: ApiKeyRow) -> "ApiKey":
        """Describe a key."""
        return cls.model_validate(row)


class NewKey(BaseModel):
    """Key to be issued, for the account of the request."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="What the key is for.", examples=["能耗看板"])
    scope: ScopeEntries | None = Field(None, max_length=500, description="Fewer communities than the account's.")
    reads_only: bool = Field(True, description="Whether it may change nothing.")
    expires_at: Instant | None = Field(None, description="90 days from now, unless given; at most a year.")


class IssuedKey(BaseModel):
    """New key, which is shown this once."""

    key: str
    details: ApiKey


@router.get("/accounts", summary="List the accounts (账号)")
def list_accounts(store: WholeStore) -> Page[Account]:
    """All accounts by name."""
    with store.connection() as connection:
        rows = stored_accounts(connection)
    return Page[Account](items=[Account.of(row) for row in rows], next_cursor=None)


@router.post("/accounts", summary="Create an account (新建账号)", status_code=201)
def create_account(store: WholeStore, caller: Caller, now: Now, account: NewAccount) -> InitialPassword:
    """Create an account with a random password, which its first login changes."""
    password = initial_password()
    with store.connection() as connection:
        try:
            role, scope = parse_rights(account.role, account.scope)
            account_id = create(
                connection, _author(caller.principal, now), name=account.name, display_name=account.display_name,
                role=role, scope=scope, password=password,
            )  # fmt: skip
        except AccountExistsError as error:
            raise RefusedProblem(str(error)) from None
        except AccountError as error:
            raise InvalidProblem(Mistake(["body"], str(error), "account_refused")) from None
        row = read_account(connection, account_id)
    assert row is not None  # noqa: S101 - just added
    return InitialPassword(account=Account.of(row), initial_password=password)


@router.patch(
    "/accounts/{name}", summary="Change an account (修改账号)", responses=problem_responses(UnknownAccountProblem())
)
def change_account(store: WholeStore, caller: Caller, now: Now, name: AccountName, change: AccountChange) -> Account:
    """Change role and scope, disable or enable. Any of them ends the sessions of the account."""
    author = _author(caller.principal, now)
    with store.connection() as connection:
        account = _find(connection, name)
        try:
            if change.role is not None or change.scope is not None:
                rights = parse_rights(
                    change.role or account.role, account.scope if change.scope is None else change.scope
                )
                change_rights(connection, author, account, *rights)
            if change.disabled is not None and change.disabled != (account.disabled_at is not None):
                (disable_account if change.disabled else enable_account)(connection, author, account)
        except AccountError as error:
            raise InvalidProblem(Mistake(["body"], str(error), "account_refused")) from None
        return Account.of(_find(connection, name))


@router.post(
    "/accounts/{name}/password",
    summary="Reset a password (重置密码)",
    responses=problem_responses(UnknownAccountProblem()),
)
def reset_account_password(store: WholeStore, caller: Caller, now: Now, name: AccountName) -> InitialPassword:
    """Give a random password, which the next login changes, and end the sessions of the account."""
    password = initial_password()
    with store.connection() as connection:
        reset_password(connection, _author(caller.principal, now), _find(connection, name), password)
        return InitialPassword(account=Account.of(_find(connection, name)), initial_password=password)


@router.delete(
    "/accounts/{name}/second-factor",
    summary="Remove the second factor of a lost phone (解除动态验证码)",
    responses=_UNKNOWN_ACCOUNT,
)
def remove_account_second_factor(store: WholeStore, caller: Caller, now: Now, name: AccountName) -> Account:
    """Remove it and end the sessions of the account; an administrator sets up a new one at the next login."""
    with store.connection() as connection:
        remove_second_factor(connection, _author(caller.principal, now), _find(connection, name))
        return Account.of(_find(connection, name))


@router.get("/keys", summary="List API keys (API 密钥)")
def list_keys(store: WholeStore, caller: Caller) -> Page[ApiKey]:
    """The keys of the account, newest first; an administrator sees those of all."""
    with store.connection() as connection:
        rows = stored_keys(connection, _owner(caller.principal))
    return Page[ApiKey](items=[ApiKey.of(row) for row in rows], next_cursor=None)


@router.post("/keys", summary="Issue an API key (新建密钥)", status_code=201)
def issue_key(store: WholeStore, caller: Caller, now: Now, key: NewKey) -> IssuedKey:
    """Issue a key that opens no more than the account does, at each request. It takes a login: a key issues no keys."""
    if caller.session is None and caller.principal.account is not None:
        raise ForbiddenProblem("A key issues no keys.", messages_zh.NO_ACCOUNT)
    with store.connection() as connection:
        try:
            scope = parse_rights(caller.principal.role, key.scope)[1] if key.scope else None
            issued = issue(
                connection, caller.principal, now, name=key.name, scope=scope, reads_only=key.reads_only,
                expires_at=key.expires_at or now + timedelta(days=_DEFAULT_KEY_DAYS),
            )  # fmt: skip
        except AccountError as error:
            raise InvalidProblem(Mistake(["body"], str(error), "key_refused")) from None
        row = read_key(connection, issued.id)
    assert row is not None  # noqa: S101 - just added
    return IssuedKey(key=issued.key, details=ApiKey.of(row))


@router.delete(
    "/keys/{key_id}",
    summary="Revoke an API key (停用密钥)",
    responses=problem_responses(UnknownKeyProblem()),
    status_code=204,
)
def revoke_key(store: WholeStore, caller: Caller, now: Now, key_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> None:
    """Revoke a key of the account; an administrator may revoke any."""
    with store.connection() as connection:
        if not revoke(connection, key_id, _owner(caller.principal), now):
            raise UnknownKeyProblem


def _owner(principal: Principal) -> int | None:
    """Return the account whose keys are meant; None for those of all."""
    return None if principal.role is Role.ADMIN and principal.scope == Scope(everything=True) else principal.account


def _author(principal: Principal, now: datetime) -> Author:
    return Author(principal.name, principal.person, now)


def _find(connection: Connection, name: str) -> AccountRow:
    try:
        return need_account(connection, name)
    except AccountError:
        raise UnknownAccountProblem from None
