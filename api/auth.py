"""Routes of a person's own login: token, password, second factor, sessions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from accounts.login import (
    SEAL_PURPOSE,
    Authenticated,
    Client,
    LoginRefusedError,
    Step,
    TooManyLoginsError,
    advance,
    authenticate,
    change_password,
    give_code,
    log_in,
    log_out,
    login_place,
)
from accounts.management import Author, sign_out_everywhere
from accounts.passwords import PasswordError
from accounts.principal import ROLE_ZH, Role
from accounts.second_factor import enrolment_url, new_recovery_codes, new_secret, recovery_hash
from api import messages_zh
from api.access import KeyGuard, client_address
from api.models import ResponseModel
from api.parameters import Caller, Now, WholeStore
from api.problems import (
    ForbiddenProblem,
    InvalidProblem,
    Mistake,
    Problem,
    TooManyProblem,
    problem_responses,
)
from devices.seal import Seal
from devices.text import visible
from handling.text import VISIBLE, Word
from store.accounts.accounts import AccountRow, read_account, set_second_factor
from store.accounts.sessions import SessionRow, list_sessions
from store.database import Connection, Database

open_router = APIRouter(tags=["accounts 账号"])
"""The one route without a key."""

router = APIRouter(tags=["accounts 账号"])


class LoginRefusedProblem(Problem):
    """Name, password or code are wrong."""

    status = 401
    title = "登录没有成功"
    type_ = "login-refused"

    def __init__(self, sentence: str) -> None:
        """Take the sentence for the person who logs in."""
        super().__init__(sentence, sentence)


Secret = Annotated[SecretStr, VISIBLE]
"""Password or code: visible characters."""


class Credentials(BaseModel):
    """Name and password of an account, and the code of its second factor if it has one."""

    model_config = ConfigDict(extra="forbid")

    name: Word = Field(examples=["wang.manager"])
    password: Secret = Field(max_length=200)
    code: Secret | None = Field(None, max_length=40, description="Code of the second factor, or a recovery code.")


class Token(BaseModel):
    """Token for `Authorization: Bearer`."""

    token: str
    expires_at: datetime
    step: Step = Field(description="What the login still needs before the token opens anything else.")


class LoginSession(ResponseModel):
    """Session of an account."""

    id: int
    kind: str = Field(description="`page` for a browser, `token` for a program.")
    address: str
    agent: str
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    current: bool = Field(description="Whether it is the session of this request.")

    @classmethod
    def of(cls, row: SessionRow, caller: Authenticated) -> "LoginSession":
        """Describe a session."""
        return cls(
            id=row.id, kind=row.kind, address=row.address, agent=row.agent, created_at=row.created_at,
            used_at=row.used_at, expires_at=row.expires_at, current=row.id == caller.session,
        )  # fmt: skip


class Me(ResponseModel):
    """Account of the request."""

    name: str
    display_name: str
    role: Role
    role_zh: str
    scope: list[str] = Field(
        description="`all`, `banner:…`, `street:…/…`, `community:…`", examples=[["community:linyin"]]
    )
    step: Step
    second_factor: bool = Field(description="Whether the account has a second factor.")
    sessions: list[LoginSession]


class Password(BaseModel):
    """Change of one's own password."""

    model_config = ConfigDict(extra="forbid")

    old: Secret = Field(max_length=200)
    new: Secret = Field(max_length=200)


class Code(BaseModel):
    """Code of the second factor, or a recovery code."""

    model_config = ConfigDict(extra="forbid")

    code: Secret = Field(max_length=40)


class Enrolment(BaseModel):
    """New second factor. It counts once a code of it was given; both parts are shown this once."""

    url: str = Field(description="`otpauth://` URL, for a QR code.")
    recovery_codes: list[str] = Field(description="Each takes the place of a code once.")


class Ended(BaseModel):
    """Number of ended sessions."""

    sessions: int


def _client(request: Request, now: Now) -> Client:
    client = (request.client.host, request.client.port) if request.client else None
    return Client(address=client_address(client), at=now, agent=visible(request.headers.get("user-agent", "")))


FromClient = Annotated[Client, Depends(_client)]


@dataclass(frozen=True, slots=True)
class Desk:
    """What the steps of a login need: the database, the client, the seal, and the guard that remembers the token."""

    store: Database
    client: Client
    seal: Seal
    guard: KeyGuard
    token: str

    @contextmanager
    def step(self) -> Iterator[Connection]:
        """Provide a connection for a step of a login; what a refusal counts is committed.

        Raises:
            LoginRefusedProblem: Name, password or code are wrong.
            TooManyProblem: There were too many wrong ones.
            InvalidProblem: The new password can't be chosen.
        """
        try:
            with login_place(), self.store.connection() as connection:
                try:
                    yield connection
                except LoginRefusedError as error:
                    connection.commit()
                    raise LoginRefusedProblem(str(error)) from None
        except TooManyLoginsError as error:
            raise TooManyProblem(error.wait.total_seconds()) from None
        except PasswordError as error:
            raise InvalidProblem(Mistake(["body", "new"], str(error), "password_refused")) from None
        self.guard.forget(self.token)


def _desk(request: Request, store: WholeStore, client: FromClient) -> Desk:
    _, _, token = request.headers.get("authorization", "").partition(" ")
    state = request.app.state
    return Desk(store, client, state.seal, state.guard, token.strip())


AtDesk = Annotated[Desk, Depends(_desk)]

_REFUSED = problem_responses(LoginRefusedProblem("账号或密码不正确"), TooManyProblem(60))


@open_router.post("/auth/token", summary="Log in as a program (登录)", responses=_REFUSED)
def create_token(desk: AtDesk, credentials: Credentials) -> Token:
    """Give a token that lasts an hour.

    A token of a first login opens `/me/password` alone. Wrong names and wrong passwords get the same answer, later and
    later.
    """
    client = desk.client
    with desk.step() as connection:
        login = log_in(connection, credentials.name, credentials.password.get_secret_value(), client, for_page=False)
        if login.step is Step.SECOND_FACTOR and credentials.code is not None:
            session = _session_of(connection, login.token, client.at)
            if not give_code(connection, session, credentials.code.get_secret_value(), client, desk.seal):
                log_out(connection, session)
                raise LoginRefusedError(messages_zh.CODE_WRONG)
            login = advance(connection, session, client.at)
    return Token(token=login.token, expires_at=login.expires_at, step=login.step)


@router.delete("/auth/token", summary="Log out (退出登录)", status_code=204)
def end_token(desk: AtDesk, caller: Caller) -> None:
    """End the session of the token that the request carries."""
    with desk.step() as connection:
        log_out(connection, caller)


@router.get("/me", summary="Read one's own account (我的账号)")
def read_me(store: WholeStore, caller: Caller, now: Now) -> Me:
    """The account of the request, with its sessions; the shared key has none."""
    principal = caller.principal
    with store.connection() as connection:
        account = read_account(connection, principal.account) if principal.account is not None else None
        sessions = list_sessions(connection, account.id, now) if account else []
    return Me(
        name=principal.name, display_name=principal.display_name, role=principal.role, role_zh=ROLE_ZH[principal.role],
        scope=principal.scope.entries(), step=caller.step,
        second_factor=bool(account and account.totp_confirmed),
        sessions=[LoginSession.of(row, caller) for row in sessions],
    )  # fmt: skip


@router.post("/me/password", summary="Change one's own password (修改密码)", responses=_REFUSED)
def change_my_password(desk: AtDesk, caller: Caller, password: Password) -> Token:
    """Change the password and end all other sessions; the answer holds the token that goes on."""
    _require_session(caller)
    old, new = password.old.get_secret_value(), password.new.get_secret_value()
    with desk.step() as connection:
        change_password(connection, caller, old, new, desk.client)
        login = advance(connection, caller, desk.client.at)
    return Token(token=login.token, expires_at=login.expires_at, step=login.step)


@router.post("/me/second-factor", summary="Set up a second factor (绑定动态验证码)", responses=_REFUSED)
def enrol_second_factor(desk: AtDesk, caller: Caller) -> Enrolment:
    """Make a new second factor. It takes the place of the present one once a code of it was given."""
    _require_session(caller)
    secret, codes = new_secret(), new_recovery_codes()
    with desk.step() as connection:
        account = _account(connection, caller)
        if account.totp_confirmed:
            raise ForbiddenProblem("It is set up already.", messages_zh.SECOND_FACTOR_STANDS)
        set_second_factor(
            connection, account.id, desk.seal.seal(account.name, secret), [recovery_hash(code) for code in codes]
        )
    return Enrolment(url=enrolment_url(secret, account.name), recovery_codes=codes)


@router.post("/me/second-factor/code", summary="Give a code (输入验证码)", responses=_REFUSED)
def give_second_factor(desk: AtDesk, caller: Caller, code: Code) -> Token:
    """Confirm a new second factor, or finish a login; the answer holds the token that goes on."""
    _require_session(caller)
    with desk.step() as connection:
        if not give_code(connection, caller, code.code.get_secret_value(), desk.client, desk.seal):
            raise LoginRefusedError(messages_zh.CODE_WRONG)
        login = advance(connection, caller, desk.client.at)
    return Token(token=login.token, expires_at=login.expires_at, step=login.step)


@router.delete("/me/sessions", summary="Sign out everywhere (退出所有设备)")
def sign_out(desk: AtDesk, caller: Caller) -> Ended:
    """End all sessions of the account, this one included; API keys stay."""
    with desk.step() as connection:
        account = _account(connection, caller)
        author = Author(caller.principal.name, caller.principal.person, desk.client.at)
        ended = sign_out_everywhere(connection, author, account)
    return Ended(sessions=ended)


def make_seal(secret_key: bytes, *earlier_keys: bytes) -> Seal:
    """Return the seal on secrets of second factors."""
    return Seal(secret_key, *earlier_keys, purpose=SEAL_PURPOSE)


def _session_of(connection: Connection, token: str, now: datetime) -> Authenticated:
    session = authenticate(connection, token, now)
    assert session is not None  # noqa: S101 - opened in this transaction
    return session


def _account(connection: Connection, caller: Authenticated) -> AccountRow:
    account = read_account(connection, caller.principal.account or 0, lock=True)
    if account is None:
        raise ForbiddenProblem("The shared key has no account.", messages_zh.NO_ACCOUNT)
    return account


def _require_session(caller: Authenticated) -> None:
    if caller.session is None:
        raise ForbiddenProblem("Only a login of an account does this, no key.", messages_zh.NO_ACCOUNT)
