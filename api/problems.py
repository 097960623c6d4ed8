"""Errors as problem details (RFC 9457): the failure and the remedy, without internals.

`detail` speaks to programmers, `detail_zh` in Chinese to the person who acted.
"""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api import messages_zh
from api.validation_zh import about, explain_zh
from devices.text import visible
from store.database import DatabaseFullError, DatabaseUnavailableError, UnusableDataError

_log = structlog.get_logger(__name__)

RETRY_AFTER_S = 5
Responses = dict[int | str, dict[str, Any]]


class Problem(Exception):  # noqa: N818
    """Answer of a request that was not carried out; a subclass is one `type` of problem."""

    status: ClassVar[int]
    title: ClassVar[str]
    type_: ClassVar[str]

    def __init__(self, detail: str, detail_zh: str, headers: Mapping[str, str] | None = None, **more: object) -> None:
        """Take the sentence in both languages, headers of the response, and further members of its body."""
        self.headers = dict(headers or {})
        self._members = {"detail": detail, "detail_zh": detail_zh, **more}
        super().__init__(detail)

    def marshal(self) -> dict[str, Any]:
        """Return the JSON object of the response."""
        return {"type": self.type_, "title": self.title, "status": self.status, **self._members}

    def response(self) -> JSONResponse:
        """Return the response."""
        return _problem_response(self.status, self.marshal(), self.headers)


class KeyRefusedProblem(Problem):
    """The request carries no API key, or a wrong one."""

    status = 401
    title = "没有 API 密钥，或密钥不对"
    type_ = "key-refused"

    def __init__(self) -> None:
        """Say how to send the key."""
        super().__init__(
            "Send the API key in the header Authorization: Bearer KEY.",
            messages_zh.KEY_REFUSED,
            {"WWW-Authenticate": "Bearer"},
        )


class ForbiddenProblem(Problem):
    """The account may not do this."""

    status = 403
    title = "没有权限"
    type_ = "forbidden"


class UnknownProblem(Problem):
    """The object named by the path does not exist."""

    status = 404
    title = "没有找到"
    type_ = "not-found"


class RefusedProblem(Problem):
    """The action does not fit the state of the object."""

    status = 409
    title = "现在不能这样操作"
    type_ = "state-conflict"

    def __init__(self, sentence: str) -> None:
        """Take a Chinese sentence for the person who acted."""
        super().__init__(sentence, sentence)


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
        return visible(self.message if self.message_zh is None else about(self.location, self.message_zh))

    @property
    def sentence(self) -> str:
        """The message with its location."""
        return visible(f"{' '.join(map(str, self.location))}: {self.message}")

    def content(self) -> dict[str, Any]:
        """Return the mistake as an item of `errors`; a name that the client made up is shown without its traps."""
        return {
            "loc": [visible(part) if isinstance(part, str) else part for part in self.location],
            "msg": visible(self.message),
            "msg_zh": visible(self.message_zh or self.message),
            "type": self.kind,
        }


class InvalidProblem(Problem):
    """A parameter or the body can't be used."""

    status = 422
    title = "请求的内容有误"
    type_ = "request-invalid"

    def __init__(self, *mistakes: Mistake) -> None:
        """List the mistakes."""
        super().__init__(
            "; ".join(each.sentence for each in mistakes),
            "；".join(each.sentence_zh for each in mistakes),
            errors=[each.content() for each in mistakes],
        )


class MalformedProblem(Problem):
    """The request is no HTTP, is for another host, or has a body that can't be read."""

    status = 400
    title = "请求不完整，或者不是发给本系统的"
    type_ = "http-bad-request"


class SlowBodyProblem(Problem):
    """The body took too long to arrive."""

    status = 408
    title = "请求传得太慢"
    type_ = "body-too-slow"

    def __init__(self, limit_s: float) -> None:
        """Name the limit, and end the connection."""
        super().__init__(
            f"Send the whole body within {limit_s:.0f} seconds.",
            messages_zh.body_too_slow(limit_s),
            {"Connection": "close"},
        )


class TooLargeProblem(Problem):
    """The body is longer than the route allows."""

    status = 413
    title = "请求的内容太大"
    type_ = "body-too-large"

    def __init__(self, limit_bytes: int) -> None:
        """Name the limit."""
        limit_kib = limit_bytes // 1024
        super().__init__(f"A body here has at most {limit_kib} KiB.", messages_zh.body_too_large(limit_kib))


class TooManyProblem(Problem):
    """Too many requests from one address, or with one key."""

    status = 429
    title = "请求太多"
    type_ = "too-many-requests"

    def __init__(self, wait_s: float) -> None:
        """Say when the next request may come."""
        seconds = max(1, math.ceil(wait_s))
        super().__init__(
            f"Wait {seconds} s, then send requests more slowly.",
            messages_zh.too_many_requests(seconds),
            {"Retry-After": str(seconds)},
        )


class BusyProblem(Problem):
    """All places for such a request are taken."""

    status = 503
    title = "系统正忙"
    type_ = "busy"

    def __init__(self, detail: str, detail_zh: str, wait_s: int = RETRY_AFTER_S) -> None:
        """Add the delay before a retry."""
        super().__init__(detail, detail_zh, {"Retry-After": str(wait_s)})


class UnavailableProblem(Problem):
    """The database does not answer."""

    status = 503
    title = "数据库暂时连不上"
    type_ = "database-unavailable"

    def __init__(
        self,
        detail: str = "The database does not answer at the moment; try again later.",
        detail_zh: str = messages_zh.DATABASE_UNAVAILABLE,
    ) -> None:
        """Add the delay before a retry."""
        super().__init__(detail, detail_zh, {"Retry-After": str(RETRY_AFTER_S)})


class DatabaseFullProblem(UnavailableProblem):
    """The disk of the database is full: the database reads and can't write."""

    title = "数据库所在磁盘已满"
    type_ = "database-full"

    def __init__(self) -> None:
        """Name the operator as the person who can make room."""
        super().__init__(
            "The disk of the database is full; nothing can be stored until its operator makes room.",
            messages_zh.DATABASE_FULL,
        )


class NotReadyProblem(Problem):
    """The service runs but can't do its work yet."""

    status = 503
    title = "服务还没有准备好"
    type_ = "not-ready"

    def __init__(self, detail: str, detail_zh: str, reasons: Sequence[str]) -> None:
        """Take the missing parts, with a reason for each."""
        super().__init__(detail, detail_zh, reasons=list(reasons))


class InternalProblem(Problem):
    """Unexpected error inside Anju."""

    status = 500
    title = "系统内部出错"
    type_ = "internal-error"

    def __init__(self) -> None:
        """Keep the text of the error out of the response; the log has it."""
        super().__init__("Anju made a mistake; its log says which.", messages_zh.INTERNAL_ERROR)


def install_problems(app: FastAPI) -> None:
    """Answer all errors of the application with problem details."""
    app.add_exception_handler(Problem, _answer)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(DatabaseUnavailableError, _unavailable)
    app.add_exception_handler(DatabaseFullError, _unavailable)
    app.add_exception_handler(UnusableDataError, _unusable)
    app.add_exception_handler(Exception, _internal)


def problem_responses(*problems: Problem) -> Responses:
    """Return the OpenAPI `responses` entries for the problems of an operation."""
    by_status: dict[int, list[Problem]] = {}
    for problem in problems:
        by_status.setdefault(problem.status, []).append(problem)
    return {status: _describe(same) for status, same in by_status.items()}


def _describe(problems: Sequence[Problem]) -> dict[str, Any]:
    schema = "InvalidProblem" if problems[0].status == InvalidProblem.status else "Problem"
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    if len(problems) == 1:
        content["example"] = problems[0].marshal()
    else:
        content["examples"] = {problem.type_: {"value": problem.marshal()} for problem in problems}
    description = "; ".join(dict.fromkeys(problem.title for problem in problems))
    return {"description": description, "content": {"application/problem+json": content}}


def _problem_response(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None) -> JSONResponse:
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def _answer(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101
    return error.response()


def _http_error(_request: Request, error: Exception) -> JSONResponse:
    """Answer an error of the framework: no such route, no such method, a body that is no text."""
    assert isinstance(error, HTTPException)  # noqa: S101
    phrase = HTTPStatus(error.status_code).phrase
    title, detail_zh = messages_zh.unroutable(error.status_code)
    body = {
        "type": f"http-{'-'.join(phrase.lower().split())}",
        "title": title,
        "status": error.status_code,
        "detail": error.detail,
        "detail_zh": detail_zh,
    }
    return _problem_response(error.status_code, body, error.headers)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return InvalidProblem(*(_mistake(each) for each in error.errors())).response()


def _mistake(problem: dict[str, Any]) -> Mistake:
    explanation = explain_zh(problem)
    is_chinese = explanation == problem["msg"]
    return Mistake(problem["loc"], problem["msg"], problem["type"], None if is_chinese else explanation)


def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    _log.warning("database not available", error=str(error))
    problem = DatabaseFullProblem() if isinstance(error, DatabaseFullError) else UnavailableProblem()
    return problem.response()


def _unusable(_request: Request, _error: Exception) -> JSONResponse:
    message = "holds a value that the database can't take"
    return InvalidProblem(Mistake(["request"], message, "value_error", messages_zh.VALUE_NOT_STORABLE)).response()


def _internal(_request: Request, _error: Exception) -> JSONResponse:
    return InternalProblem().response()
