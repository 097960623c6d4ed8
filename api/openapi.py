"""OpenAPI document: each error is a problem (RFC 9457) under its media type, each answer to a GET has an entity tag."""

from typing import Any

from fastapi import FastAPI

from api.entity_tags import describe_tags
from api.limits import body_limits, takes_files
from api.problems import SlowBodyProblem, TooLargeProblem, problem_responses

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail", "detail_zh"],
    "properties": {
        "type": {"type": "string", "description": "The word for programs.", "examples": ["not-found"]},
        "title": {"type": "string", "description": "The kind of problem in Chinese.", "examples": ["没有找到"]},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and what to do."},
        "detail_zh": {"type": "string", "description": "The same in Chinese, for the person who acted."},
    },
}
_ERRORS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["loc", "msg", "msg_zh", "type"],
        "properties": {
            "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
            "msg": {"type": "string"},
            "msg_zh": {"type": "string"},
            "type": {"type": "string"},
        },
    },
}
_INVALID: dict[str, Any] = {
    **_PROBLEM,
    "title": "InvalidProblem",
    "description": "Problem of a request with parts that can't be used.",
    "required": [*_PROBLEM["required"], "errors"],
    "properties": {**_PROBLEM["properties"], "errors": _ERRORS},
}
_SCHEMAS = {"Problem": _PROBLEM, "InvalidProblem": _INVALID}


def describe_answers(app: FastAPI, prefix: str) -> None:
    """Add what surrounds the routes: problems, answers of the gate to bodies, and entity tags below a prefix."""
    generate = app.openapi

    def generate_all() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            document.setdefault("components", {}).setdefault("schemas", {}).update(_SCHEMAS)
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    if method == "get" and path.startswith(prefix):
                        describe_tags(operation)
                    if "requestBody" in operation:
                        limit_bytes, limit_s = body_limits(with_files=takes_files(operation))
                        of_bodies = problem_responses(SlowBodyProblem(limit_s), TooLargeProblem(limit_bytes))
                        operation["responses"] |= {str(status): answer for status, answer in of_bodies.items()}
        assert app.openapi_schema is not None  # noqa: S101
        return app.openapi_schema

    app.openapi = generate_all  # type: ignore[method-assign]
