"""FastAPI application: routes, access control, error handling and metrics."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import APIRouter, Depends, FastAPI
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from api import (
    accounts,
    alerts,
    attachments,
    attention,
    audit,
    auth,
    bad_actors,
    communities,
    contacts,
    devices,
    docs_page,
    duty,
    handover,
    health,
    messages_zh,
    notices,
    replacements,
    rules,
    silences,
    statistics,
    stream,
    telemetry,
    witnessed_tests,
    work_orders,
)
from api.access import BEARER, KeyGuard
from api.authorization import authorize, require_rights
from api.entity_tags import EntityTags
from api.feed import AlertFeed
from api.gate import Gate
from api.headers import SecurityHeaders
from api.limits import BODY_BYTES, FILE_BYTES, HttpLimits, takes_files
from api.metrics import DatabaseCollector, RequestMetrics, show_streams
from api.openapi import describe_answers
from api.problems import (
    ForbiddenProblem,
    InvalidProblem,
    KeyRefusedProblem,
    MalformedProblem,
    Mistake,
    TooManyProblem,
    UnavailableProblem,
    install_problems,
    problem_responses,
)
from api.resealing import reseal
from devices.seal import Seal
from rules.language.reload import RuleFolder
from store.database import Database

_DESCRIPTION = """
安居: monitoring of renovated residential communities.

* Send the key with every request below `/api/v1`: `Authorization: Bearer KEY`.
* Times are RFC 3339, in UTC in every answer. `ts` is the device's clock, `received_at` the server's.
* Lists are `{"items": [...], "next_cursor": ...}`; hand `next_cursor` back as `cursor` for the next page.
* Answers to GET have an `ETag`; send it as `If-None-Match` when polling, and an unchanged answer is 304.
* Errors are problem details (RFC 9457, `application/problem+json`).
* `simulated` marks data from a simulator.
* Text is one line of visible characters. Line breaks, control, bidirectional and zero-width characters are refused.
"""

_PREFIX = "/api/v1"
_PROBLEMS = problem_responses(
    MalformedProblem("There was an error parsing the body", messages_zh.UNREADABLE_BODY),
    KeyRefusedProblem(),
    ForbiddenProblem("The role street may not do this.", messages_zh.ROLE_MAY_NOT),
    InvalidProblem(
        Mistake(["query", "limit"], "Input should be less than or equal to 1000", "less_than_equal", "不能大于 1000")
    ),
    TooManyProblem(0),
    UnavailableProblem(),
)


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Settings of the API besides its database."""

    api_key: str = field(repr=False)
    seal: Seal
    version: str
    rules: RuleFolder
    limits: HttpLimits = field(default_factory=HttpLimits)


def create_app(database: Database, settings: ApiSettings) -> FastAPI:
    """Make the application over an open database; the caller closes the database.

    Its routes trust every request: `guard_app` stands in front of them.

    Raises:
        ValueError: The API key is empty.
    """
    guard = KeyGuard(settings.api_key, database)
    feed = AlertFeed(database, settings.limits.streams)
    registry = CollectorRegistry()
    registry.register(DatabaseCollector(database))
    show_streams(registry, lambda: feed.streams)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with feed:
            resealing = asyncio.create_task(reseal(database, settings.seal))
            yield
            resealing.cancel()

    app = FastAPI(
        title="Anju 安居",
        version=settings.version,
        description=_DESCRIPTION + _describe_limits(settings.limits),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.database = database
    app.state.guard = guard
    app.state.seal = settings.seal
    app.state.feed = feed
    app.state.registry = registry
    app.state.rules = settings.rules
    app.include_router(auth.open_router, prefix=_PREFIX, responses=_PROBLEMS)
    app.include_router(_version_1())
    require_rights(app, _PREFIX)
    app.include_router(health.router)
    app.include_router(docs_page.router)
    install_problems(app)
    describe_answers(app, _PREFIX)
    return app


def _describe_limits(limits: HttpLimits) -> str:
    return (
        f"* A body has at most {BODY_BYTES // 1024} KiB, where files are sent {FILE_BYTES // 1024**2} MiB. A key may "
        f"send {limits.rate} requests a second from one address; beyond it is 429 with `Retry-After`.\n"
    )


def guard_app(app: FastAPI, settings: ApiSettings, pages: ASGIApp | None = None) -> ASGIApp:
    """Return the application and the pages behind their gate, with headers and metrics for every answer."""
    registry: CollectorRegistry = app.state.registry
    paths = app.openapi()["paths"]
    file_paths = [path for path, operations in paths.items() if any(map(takes_files, operations.values()))]
    gate = Gate(app, app.state.guard, settings.limits, file_paths, registry, pages=pages)
    return RequestMetrics(SecurityHeaders(EntityTags(gate, _PREFIX)), registry=registry, templates=_templates(app))


def _templates(app: FastAPI) -> dict[str, str]:
    paths = app.openapi()["paths"]
    return {operation["operationId"]: path for path, operations in paths.items() for operation in operations.values()}


def _version_1() -> APIRouter:
    router = APIRouter(prefix=_PREFIX, dependencies=[Depends(BEARER), Depends(authorize)], responses=_PROBLEMS)
    # The stream's path would also match that of a single alert.
    parts = (
        communities, devices, telemetry, replacements, stream, alerts, attachments, attention, silences, audit,
        bad_actors, contacts, notices, rules, witnessed_tests, auth, accounts,
        statistics, duty, handover, work_orders,
    )  # fmt: skip
    for part in parts:
        router.include_router(part.router)
    return router
