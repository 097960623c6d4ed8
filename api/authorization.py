"""Check of role, key and login in front of every route below `/api/v1`."""

from fastapi import FastAPI, Request
from starlette.routing import Route

from accounts.login import Step
from accounts.rights import CITY_WIDE, RIGHTS, UNFINISHED
from api import messages_zh
from api.parameters import Caller
from api.problems import ForbiddenProblem

_READING = frozenset({"GET", "HEAD"})


def authorize(request: Request, caller: Caller) -> None:
    """Let the account call the route.

    Raises:
        ForbiddenProblem: Its role may not, its key may not, or its login still has a step to take.
    """
    name = request.scope["route"].name
    if caller.step is not Step.DONE and name not in UNFINISHED:
        raise ForbiddenProblem(
            f"The login is not complete: {caller.step}.", messages_zh.LOGIN_UNFINISHED[caller.step], step=caller.step
        )
    if caller.principal.role not in RIGHTS[name]:
        raise ForbiddenProblem(f"The role {caller.principal.role} may not do this.", messages_zh.ROLE_MAY_NOT)
    if caller.reads_only and request.method not in _READING:
        raise ForbiddenProblem("This key may only read.", messages_zh.KEY_ONLY_READS)
    if name in CITY_WIDE and not caller.principal.scope.is_whole:
        raise ForbiddenProblem("This key is for some communities only.", messages_zh.KEY_NOT_CITY_WIDE)


def require_rights(app: FastAPI, prefix: str) -> None:
    """Check that the matrix has a line for each route below a prefix.

    Raises:
        LookupError: A route has none.
    """
    routes = (route for route in app.routes if isinstance(route, Route) and route.path.startswith(prefix))
    if missing := sorted(route.name for route in routes if route.name not in RIGHTS):
        raise LookupError(f"accounts/rights.py has no line for {', '.join(missing)}")
