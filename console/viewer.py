"""Account behind a page, and what it may open."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request

from accounts.login import Authenticated, Client, Step
from accounts.principal import Principal
from accounts.rights import PAGES
from console.services import Services
from handling.signature import Signature
from store.database import Database


class LoginNeededError(Exception):
    """The page needs a login, or a further step of one; `path` leads there."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(path)


class PageForbiddenError(Exception):
    """The role of the account may not open the page."""


class PageNotFoundError(Exception):
    """There is nothing at this address, or nothing that the account may see."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Account that looks at a page.

    Attributes:
        caller: the account and its session.
        token: the token of the session.
        store: the database, of which every connection sees the communities of the account and no others.
        now: the time of the request.
    """

    caller: Authenticated
    token: str
    store: Database
    now: datetime

    @property
    def principal(self) -> Principal:
        """The account with its role and scope."""
        return self.caller.principal

    def may(self, page: str) -> bool:
        """Return whether the role may open a page."""
        return self.principal.role in PAGES[page]

    def sign(self) -> Signature:
        """Return who makes the changes of this request."""
        return Signature(self.principal.name, self.principal.person, self.principal.display_name)


def services_of(request: Request) -> Services:
    """Return the services of the pages."""
    services = request.app.state.services
    assert isinstance(services, Services)  # noqa: S101
    return services


def client_of(request: Request) -> Client:
    """Return where a login comes from."""
    return Client(
        address=request.client.host if request.client else "local",
        at=datetime.now(UTC),
        agent=request.headers.get("user-agent", "")[:200],
    )


def session_of(request: Request) -> Viewer | None:
    """Return the account of a request with a session, finished or not; None without one."""
    caller = request.state.caller
    if caller is None:
        return None
    assert isinstance(caller, Authenticated)  # noqa: S101
    scope = caller.principal.scope
    store = services_of(request).database.scoped(scope.entries(), scope.within.entries() if scope.within else None)
    return Viewer(caller, request.state.token, store, datetime.now(UTC))


def viewer_of(request: Request) -> Viewer:
    """Return the account of a request that may open the page.

    Raises:
        LoginNeededError: There is no session, or one whose login has a step to take.
        PageForbiddenError: The role may not open the page.
    """
    viewer = session_of(request)
    if viewer is None:
        query = f"?{request.url.query}" if request.url.query else ""
        back = quote(request.url.path + query, safe="") if request.method == "GET" else ""
        raise LoginNeededError(f"/login?next={back}" if back not in {"", "%2F"} else "/login")
    if viewer.caller.step is not Step.DONE:
        raise LoginNeededError("/login/step")
    if not viewer.may(request.scope["route"].name):
        raise PageForbiddenError
    return viewer


Viewing = Annotated[Viewer, Depends(viewer_of)]
Serving = Annotated[Services, Depends(services_of)]
