"""Errors as problem details (RFC 9457): the failure and the remedy, without internals."""

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi_problem.error import ConflictProblem, NotFoundProblem, StatusProblem, UnauthorisedProblem
from fastapi_problem.handler import ExceptionHandler, add_exception_handler, new_exception_handler
from rfc9457.openapi import problem_response

from store.database import DatabaseFullError, DatabaseUnavailableError, UnusableDataError

_log = structlog.get_logger(__name__)

RETRY_AFTER_S = 5
Responses = dict[int | str, dict[str, Any]]


class KeyRefusedProblem(UnauthorisedProblem):
    """The request carries no API key, or a wrong one."""

    title = "没有 API 密钥，或密钥不对"
    type_ = "key-refused"

    def __init__(self) -> None:
        """Say how to send the key."""
        super().__init__(
            "Send the API key in the header Authorization: Bearer KEY.", headers={"WWW-Authenticate": "Bearer"}
        )


class UnknownProblem(NotFoundProblem):
    """The object named by the path does not exist."""

    title = "没有找到"
    type_ = "not-found"


class RefusedProblem(ConflictProblem):
    """The action does not fit the state of the object."""

    title = "现在不能这样操作"
    type_ = "state-conflict"


class InvalidProblem(StatusProblem):
    """A parameter or the body can't be used."""

    title = "请求的内容有误"
    type_ = "request-invalid"
    status = 422

    def __init__(self, *errors: tuple[Sequence[str | int], str, str]) -> None:
        """Take each error as its location, such as ("query", "limit"), its message, and its type in one word."""
        super().__init__(
            "; ".join(f"{' '.join(map(str, location))}: {message}" for location, message, _ in errors),
            errors=[{"loc": list(location), "msg": message, "type": kind} for location, message, kind in errors],
        )


class UnavailableProblem(StatusProblem):
    """The database does not answer."""

    title = "数据库暂时连不上"
    type_ = "database-unavailable"
    status = 503

    def __init__(self, detail: str = "The database does not answer at the moment; try again later.") -> None:
        """Add the delay before a retry."""
        super().__init__(detail, headers={"Retry-After": str(RETRY_AFTER_S)})


class DatabaseFullProblem(UnavailableProblem):
    """The disk of the database is full: the database reads and can't write."""

    title = "数据库所在磁盘已满"
    type_ = "database-full"

    def __init__(self) -> None:
        """Say who can help."""
        super().__init__("The disk of the database is full; nothing can be stored until its operator makes room.")


class NotReadyProblem(StatusProblem):
    """The service runs but can't do its work yet."""

    title = "服务还没有准备好"
    type_ = "not-ready"
    status = 503


class InternalProblem(StatusProblem):
    """Unexpected error inside Anju."""

    title = "系统内部出错"
    type_ = "internal-error"
    status = 500

    def __init__(self, _hidden: str) -> None:
        """Keep the text of the error out of the response; the log has it."""
        super().__init__("Anju made a mistake; its log says which.")


def install_problems(app: FastAPI) -> None:
    """Answer all errors of the application with problem details, and describe them in its OpenAPI document."""
    handler = new_exception_handler(
        unhandled_wrappers={"default": InternalProblem},
        handlers={
            DatabaseUnavailableError: _unavailable,
            DatabaseFullError: _unavailable,
            UnusableDataError: _unusable,
        },
        request_validation_handler=_invalid,
    )
    add_exception_handler(app, handler, generic_swagger_defaults=False)
    app.add_exception_handler(DatabaseUnavailableError, handler)
    app.add_exception_handler(UnusableDataError, handler)


def problem_responses(*problems: StatusProblem) -> Responses:
    """Return the OpenAPI `responses` entries for the problems of an operation."""
    return {problem.status: problem_response(problem.title, [problem.marshal()]) for problem in problems}


def _unavailable(_handler: ExceptionHandler, _request: Request, error: Exception) -> UnavailableProblem:
    _log.warning("database not available", error=str(error))
    return DatabaseFullProblem() if isinstance(error, DatabaseFullError) else UnavailableProblem()


def _unusable(_handler: ExceptionHandler, _request: Request, _error: Exception) -> InvalidProblem:
    return InvalidProblem((["request"], "holds a value that the database can't take", "value_error"))


def _invalid(_handler: ExceptionHandler, _request: Request, error: RequestValidationError) -> InvalidProblem:
    return InvalidProblem(*((problem["loc"], problem["msg"], problem["type"]) for problem in error.errors()))
