"""Pages of a login: name and password, then the steps that the account still needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from pydantic import BaseModel, StringConstraints

from accounts.login import (
    LoginRefusedError,
    Step,
    TooManyLoginsError,
    advance,
    change_password,
    give_code,
    log_in,
    log_out,
    login_place,
)
from accounts.page_session import cookie_name, session_cookie
from accounts.passwords import PasswordError
from accounts.second_factor import enrolment_url, new_recovery_codes, new_secret, recovery_hash
from console.enrolment_code import drawn_code
from console.rendering import local_path, redirect, render
from console.services import Services
from console.viewer import LoginNeededError, Serving, Viewer, client_of, session_of
from store.accounts.accounts import read_account, set_second_factor
from store.database import Connection

router = APIRouter()

_STEPS = "/login/step"
_CODE_WRONG = "验证码不对，或者已经用过；请用最新的一个再试。"
Text = Annotated[str, Form(max_length=200)]


class NewPassword(BaseModel):
    """Form of a change of one's own password: the old one, and the new one twice."""

    old: Annotated[str, StringConstraints(max_length=200)]
    new: Annotated[str, StringConstraints(max_length=200)]
    again: Annotated[str, StringConstraints(max_length=200)]
    next: Annotated[str, StringConstraints(max_length=1000)] = "/"


@router.get("/login")
def login_page(request: Request, next: str | None = None) -> Response:  # noqa: A002 - the word in the address
    """Ask for name and password; who has logged in goes on."""
    if session_of(request) is not None:
        return redirect(request, local_path(next))
    return _ask(request, local_path(next))


@router.post("/login")
def log_in_page(
    request: Request,
    services: Serving,
    name: Text,
    password: Text,
    next: Text = "/",  # noqa: A002
) -> Response:
    """Open a session, and go on to the page that was asked for."""
    client = client_of(request)
    try:
        with _checking(services) as connection:
            login = log_in(connection, name, password, client, for_page=True)
    except (LoginRefusedError, TooManyLoginsError) as error:
        return _ask(request, local_path(next), name=name, error=str(error))
    onward = local_path(next)
    if login.step is not Step.DONE:
        onward = f"{_STEPS}?next={quote(onward, safe='')}"
    response = redirect(request, onward)
    response.headers.append("Set-Cookie", _cookie(request, login.token, login.expires_at, client.at))
    return response


@router.get("/login/step")
def step_page(request: Request, next: str | None = None) -> Response:  # noqa: A002
    """Ask for the next step of a login."""
    viewer = _session(request)
    if viewer.caller.step is Step.DONE:
        return redirect(request, local_path(next))
    return _ask_step(request, viewer, local_path(next))


@router.post("/login/code")
def code_page(request: Request, services: Serving, code: Text, next: Text = "/") -> Response:  # noqa: A002
    """Take the code of a second factor, at a login or after its set-up."""
    viewer, client = _session(request), client_of(request)
    if viewer.caller.step not in {Step.SECOND_FACTOR, Step.ENROL_SECOND_FACTOR}:
        return redirect(request, _STEPS)
    try:
        with _checking(services) as connection:
            error = None if give_code(connection, viewer.caller, code, client, services.seal) else _CODE_WRONG
    except (LoginRefusedError, TooManyLoginsError) as refused:
        error = str(refused)
    if error:
        return _ask_step(request, viewer, local_path(next), error=error)
    return _go_on(request, services, viewer, local_path(next))


@router.post("/login/enrol")
def enrol_page(request: Request, services: Serving, next: Text = "/") -> Response:  # noqa: A002
    """Make a new second factor and show it, once."""
    viewer = _session(request)
    if viewer.caller.step is not Step.ENROL_SECOND_FACTOR:
        return redirect(request, _STEPS)
    secret, codes = new_secret(), new_recovery_codes()
    with services.database.connection() as connection:
        account = read_account(connection, viewer.principal.account or 0, lock=True)
        if account is None or account.totp_confirmed:
            return redirect(request, _STEPS)
        sealed = services.seal.seal(account.name, secret)
        set_second_factor(connection, account.id, sealed, [recovery_hash(each) for each in codes])
    url = enrolment_url(secret, viewer.principal.name)
    return render(
        request, "enrol.html", viewer=viewer, next=local_path(next), drawing=drawn_code(url), url=url, codes=codes
    )


@router.post("/login/password")
def first_password_page(request: Request, services: Serving, form: Annotated[NewPassword, Form()]) -> Response:
    """Replace the password of a first login."""
    viewer = _session(request)
    if error := changed_password(request, services, viewer, form):
        return _ask_step(request, viewer, local_path(form.next), error=error)
    return _go_on(request, services, viewer, local_path(form.next))


@router.post("/logout")
def log_out_page(request: Request, services: Serving) -> Response:
    """End the session."""
    if viewer := session_of(request):
        with services.database.connection() as connection:
            log_out(connection, viewer.caller)
        services.forget(viewer.token)
    response = redirect(request, "/login")
    name = cookie_name(secure=request.url.scheme == "https")
    response.headers.append("Set-Cookie", f"{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
    return response


def changed_password(request: Request, services: Serving, viewer: Viewer, form: NewPassword) -> str | None:
    """Change the password of an account; return why not, or None."""
    if form.new != form.again:
        return "两次输入的新密码不一样，请重新输入。"
    try:
        with _checking(services) as connection:
            change_password(connection, viewer.caller, form.old, form.new, client_of(request))
    except (PasswordError, LoginRefusedError, TooManyLoginsError) as error:
        return str(error)
    return None


def renewed_session(request: Request, services: Serving, viewer: Viewer) -> tuple[Step, str]:
    """Give the session a new token after a step; return what it still needs, and the cookie."""
    with services.database.connection() as connection:
        login = advance(connection, viewer.caller, viewer.now)
    services.forget(viewer.token)
    return login.step, _cookie(request, login.token, login.expires_at, viewer.now)


@contextmanager
def _checking(services: Services) -> Iterator[Connection]:
    """Provide a connection for the check of a password or a code; what a refusal counts is committed."""
    with login_place(), services.database.connection() as connection:
        try:
            yield connection
        except LoginRefusedError:
            connection.commit()
            raise


def _go_on(request: Request, services: Serving, viewer: Viewer, onward: str) -> Response:
    step, cookie = renewed_session(request, services, viewer)
    if step is not Step.DONE:
        onward = f"{_STEPS}?next={quote(onward, safe='')}"
    response = redirect(request, onward)
    response.headers.append("Set-Cookie", cookie)
    return response


def _session(request: Request) -> Viewer:
    viewer = session_of(request)
    if viewer is None:
        raise LoginNeededError("/login")
    return viewer


def _ask(request: Request, onward: str, *, name: str = "", error: str | None = None) -> Response:
    status = HTTPStatus.UNAUTHORIZED if error else HTTPStatus.OK
    accounts = request.app.state.services.demo_accounts
    return render(request, "login.html", status=status, next=onward, name=name, error=error, demo_accounts=accounts)


def _ask_step(request: Request, viewer: Viewer, onward: str, *, error: str | None = None) -> Response:
    status = HTTPStatus.UNAUTHORIZED if error else HTTPStatus.OK
    step = viewer.caller.step.value
    return render(request, "step.html", viewer=viewer, status=status, step=step, next=onward, error=error)


def _cookie(request: Request, token: str, expires_at: datetime, now: datetime) -> str:
    return session_cookie(token, expires_at, now, secure=request.url.scheme == "https")
