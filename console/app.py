"""Console: pages for people, served beside the API and behind the same gate.

A page is a function in a module of its area with a route, a template, a line in `accounts.rights.PAGES`, a place in
`navigation.py` where people look for it, and a test that opens it in a browser.
"""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from accounts.rights import PAGES
from console import (
    alert_page,
    devices_page,
    inbox_page,
    live_page,
    login_pages,
    maintenance_page,
    me_page,
    static_files,
    work_order_page,
)
from console.navigation import places
from console.rendering import redirect, render
from console.services import Services
from console.viewer import LoginNeededError, PageForbiddenError, PageNotFoundError, session_of
from store.database import DatabaseFullError, DatabaseUnavailableError, UnusableDataError

PARTS = (inbox_page, live_page, alert_page, work_order_page, devices_page, maintenance_page, me_page)
"""Areas with pages that need a login; the path of the stream would match that of an alert."""

_log = structlog.get_logger(__name__)


def create_console(services: Services) -> FastAPI:
    """Make the application of the pages.

    Raises:
        LookupError: A page has no line in the matrix of rights.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    app.include_router(static_files.router)
    app.include_router(login_pages.router)
    for part in PARTS:
        app.include_router(part.router)
        if missing := sorted(route.name for route in part.router.routes if route.name not in PAGES):
            raise LookupError(f"accounts/rights.py has no line for {', '.join(missing)}")
    app.add_exception_handler(LoginNeededError, _log_in)
    app.add_exception_handler(PageForbiddenError, _forbidden)
    app.add_exception_handler(PageNotFoundError, _not_found)
    app.add_exception_handler(HTTPException, _unroutable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(UnusableDataError, _invalid)
    app.add_exception_handler(DatabaseUnavailableError, _unavailable)
    app.add_exception_handler(DatabaseFullError, _unavailable)
    app.add_exception_handler(Exception, _broken)
    return app


def _log_in(request: Request, error: Exception) -> Response:
    assert isinstance(error, LoginNeededError)  # noqa: S101
    return redirect(request, error.path)


def _forbidden(request: Request, _error: Exception) -> Response:
    viewer = session_of(request)
    if viewer and request.url.path == "/":
        return redirect(request, places(viewer.principal.role)[0].path)
    return _message(
        request, HTTPStatus.FORBIDDEN, "没有权限", "您的账号不能打开这个页面。确实需要的话，请找管理员开通。"
    )


def _not_found(request: Request, _error: Exception) -> Response:
    return _message(
        request,
        HTTPStatus.NOT_FOUND,
        "没有找到",
        "没有这个页面，或者它不在您负责的小区里。请核对链接。",
    )


def _unroutable(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if session_of(request) is None:
        return redirect(request, "/login")
    return _not_found(request, error)


def _invalid(request: Request, error: Exception) -> Response:
    _log.info("a form can't be used", error=str(error)[:500])
    return _message(
        request, HTTPStatus.UNPROCESSABLE_ENTITY, "填写的内容有误", "请返回上一页，检查填写的内容后再提交。"
    )


def _unavailable(request: Request, error: Exception) -> Response:
    _log.warning("database not available", error=str(error))
    if isinstance(error, DatabaseFullError):
        text = "数据库所在磁盘已满，现在存不进任何数据，请马上通知管理员。"
    else:
        text = "数据库暂时连不上，设备的数据不会丢。请过一会儿刷新页面。"
    return _message(request, HTTPStatus.SERVICE_UNAVAILABLE, "暂时打不开", text)


def _broken(request: Request, _error: Exception) -> Response:
    return _message(
        request, HTTPStatus.INTERNAL_SERVER_ERROR, "系统内部出错", "请稍后再试；还是不行，请管理员查看日志。"
    )


def _message(request: Request, status: int, title: str, text: str) -> Response:
    viewer = session_of(request)
    return render(request, "message.html", viewer=viewer, status=status, title=title, text=text)
