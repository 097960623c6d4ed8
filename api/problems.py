"""Errors as problem details (RFC 9457): the failure and the remedy, without internals.

`detail` speaks to programmers, `detail_zh` in Chinese to the person who acted.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi_problem.error import ConflictProblem, NotFoundProblem, StatusProblem, UnauthorisedProblem
from fastapi_problem.handler import (
    ExceptionHandler,
    add_exception_handler,
    http_exception_handler_,
    new_exception_handler,
)
from rfc9457 import Problem
from rfc9457.openapi import problem_response
from starlette.exceptions import HTTPException

from api import messages_zh
from api.validation_zh import about, explain_zh
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
            "Send the API key in the header Authorization: Bearer KEY.",
            headers={"WWW-Authenticate": "Bearer"},
            detail_zh=messages_zh.KEY_REFUSED,
        )


class UnknownProblem(NotFoundProblem):
    """The object named by the path does not exist."""

    title = "没有找到"
    type_ = "not-found"

    def __init__(self, detail: str, detail_zh: str) -> None:
        """Name the object, and the list to look it up in."""
        super().__init__(detail, detail_zh=detail_zh)


class RefusedProblem(ConflictProblem):
    """The action does not fit the state of the object."""

    title = "现在不能这样操作"
    type_ = "state-conflict"

    def __init__(self, sentence: str) -> None:
        """Take a Chinese sentence for the person who acted."""
        super().__init__(sentence, detail_zh=sentence)


class Mistake(NamedTuple):
    """Mistake in a request: its location, such as ("query", "limit"), its message, and its type in one word.

    `message_zh` is the Chinese message. Without it the message is a Chinese sentence itself, for the person who acted.
    """

    location: Sequence[str | int]
    message: str
    kind: str
    message_zh: str | None = None

    @property
    def sentence_zh(self) -> str:
        """The Chinese message, with the name of the parameter unless it speaks for itself."""
        return self.message if self.message_zh is None else about(self.location, self.message_zh)

    def content(self) -> dict[str, Any]:
        """Return the mistake as an item of `errors`."""
        return {
            "loc": list(self.location),
            "msg": self.message,
            "msg_zh": self.message_zh or self.message,
            "type": self.kind,
        }


class InvalidProblem(StatusProblem):
    """A parameter or the body can't be used."""

    title = "请求的内容有误"
    type_ = "request-invalid"
    status = 422

    def __init__(self, *mistakes: Mistake) -> None:
        """List the mistakes."""
        super().__init__(
            "; ".join(f"{' '.join(map(str, each.location))}: {each.message}" for each in mistakes),
            detail_zh="；".join(each.sentence_zh for each in mistakes),
            errors=[each.content() for each in mistakes],
        )


class UnavailableProblem(StatusProblem):
    """The database does not answer."""

    title = "数据库暂时连不上"
    type_ = "database-unavailable"
    status = 503

    def __init__(
        self,
        detail: str = "The database does not answer at the moment; try again later.",
        detail_zh: str = messages_zh.DATABASE_UNAVAILABLE,
    ) -> None:
        """Add the delay before a retry."""
        super().__init__(detail, headers={"Retry-After": str(RETRY_AFTER_S)}, detail_zh=detail_zh)


class DatabaseFullProblem(UnavailableProblem):
    """The disk of the database is full: the database reads and can't write."""

    title = "数据库所在磁盘已满"
    type_ = "database-full"

    def __init__(self) -> None:
        """Say who can help."""
        super().__init__(
            "The disk of the database is full; nothing can be stored until its operator makes room.",
            messages_zh.DATABASE_FULL,
        )


class NotReadyProblem(StatusProblem):
    """The service runs but can't do its work yet."""

    title = "服务还没有准备好"
    type_ = "not-ready"
    status = 503

    def __init__(self, detail: str, detail_zh: str, reasons: Sequence[str]) -> None:
        """Say what is missing, with a reason for each part."""
        super().__init__(detail, detail_zh=detail_zh, reasons=list(reasons))


class InternalProblem(StatusProblem):
    """Unexpected error inside Anju."""

    title = "系统内部出错"
    type_ = "internal-error"
    status = 500

    def __init__(self, _hidden: str) -> None:
        """Keep the text of the error out of the response; the log has it."""
        super().__init__("Anju made a mistake; its log says which.", detail_zh=messages_zh.INTERNAL_ERROR)


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
        http_exception_handler=_unroutable,
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
    message = "holds a value that the database can't take"
    return InvalidProblem(Mistake(["request"], message, "value_error", messages_zh.VALUE_NOT_STORABLE))


def _invalid(_handler: ExceptionHandler, _request: Request, error: RequestValidationError) -> InvalidProblem:
    return InvalidProblem(*(_mistake(problem) for problem in error.errors()))


def _mistake(problem: dict[str, Any]) -> Mistake:
    explanation = explain_zh(problem)
    is_chinese = explanation == problem["msg"]
    return Mistake(problem["loc"], problem["msg"], problem["type"], None if is_chinese else explanation)


def _unroutable(handler: ExceptionHandler, request: Request, error: HTTPException) -> Problem:
    """Return the problem of an address without a route, or of a method that its route does not have."""
    problem = http_exception_handler_(handler, request, error)
    problem.title, problem.extras["detail_zh"] = messages_zh.unroutable(error.status_code)
    return problem
