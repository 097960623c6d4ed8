"""Page of one's own account: password, sessions, sign out everywhere."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from accounts.management import Author, sign_out_everywhere
from console.login_pages import NewPassword, changed_password, renewed_session
from console.rendering import redirect, render
from console.viewer import PageNotFoundError, Serving, Viewer, Viewing
from store.accounts.accounts import read_account
from store.accounts.sessions import list_sessions

router = APIRouter()


@router.get("/me")
def me_page(request: Request, services: Serving, viewer: Viewing) -> Response:
    """Show the account with its sessions."""
    return _show(request, services, viewer)


@router.post("/me/password")
def my_password_page(
    request: Request, services: Serving, viewer: Viewing, form: Annotated[NewPassword, Form()]
) -> Response:
    """Change the password and end all other sessions."""
    if error := changed_password(request, services, viewer, form):
        return _show(request, services, viewer, error=error)
    _, cookie = renewed_session(request, services, viewer)
    response = redirect(request, "/me?changed=1")
    response.headers.append("Set-Cookie", cookie)
    return response


@router.post("/me/sign-out")
def sign_out_page(request: Request, services: Serving, viewer: Viewing) -> Response:
    """End all sessions of the account, this one included."""
    with services.database.connection() as connection:
        account = read_account(connection, viewer.principal.account or 0, lock=True)
        if account is None:
            raise PageNotFoundError
        sign_out_everywhere(connection, Author(viewer.principal.name, viewer.principal.person, viewer.now), account)
    services.forget(viewer.token)
    return redirect(request, "/login")


def _show(request: Request, services: Serving, viewer: Viewer, *, error: str | None = None) -> Response:
    with services.database.connection() as connection:
        account = read_account(connection, viewer.principal.account or 0)
        sessions = list_sessions(connection, account.id, viewer.now) if account else []
    return render(
        request, "me.html", viewer=viewer, status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        account=account, sessions=sessions, error=error, changed="changed" in request.query_params,
    )  # fmt: skip
