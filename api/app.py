"""FastAPI application: routes, access control, error handling and metrics."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import APIRouter, Depends, FastAPI
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry

from api import (
    alerts,
    attention,
    audit,
    bad_actors,
    communities,
    devices,
    health,
    notices,
    replacements,
    rules,
    silences,
    stream,
    telemetry,
    witnessed_tests,
)
from api.access import KeyGuard
from api.feed import AlertFeed
from api.metrics import DatabaseCollector, RequestMetrics
from api.problems import KeyRefusedProblem, UnavailableProblem, install_problems, problem_responses
from rules.language.reload import RuleFolder
from store.database import Database

_DESCRIPTION = """
安居: monitoring of renovated residential communities.

* Send the key with every request below `/api/v1`: `Authorization: Bearer KEY`.
* Times are RFC 3339, in UTC in every answer. `ts` is the device's clock, `received_at` the server's.
* Lists are `{"items": [...], "next_cursor": ...}`; hand `next_cursor` back as `cursor` for the next page.
* Errors are problem details (RFC 9457, `application/problem+json`).
* `simulated` marks data from a simulator.
"""


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Settings of the API besides its database."""

    api_key: str = field(repr=False)
    version: str
    rules: RuleFolder


def create_app(database: Database, settings: ApiSettings) -> FastAPI:
    """Make the application over an open database; the caller closes the database.

    Raises:
        ValueError: The API key is empty.
    """
    registry = CollectorRegistry()
    registry.register(DatabaseCollector(database))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AlertFeed(database) as app.state.feed:
            yield

    # The page at /docs includes its scripts: many networks of Anju reach no content delivery network.
    app = FastAPIOffline(
        title="Anju 安居",
        version=settings.version,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.database = database
    app.state.registry = registry
    app.state.rules = settings.rules
    app.include_router(_version_1(settings.api_key))
    app.include_router(health.router)
    install_problems(app)
    app.add_middleware(RequestMetrics, registry=registry, templates=_templates(app))
    return app


def _templates(app: FastAPI) -> dict[str, str]:
    paths = app.openapi()["paths"]
    return {operation["operationId"]: path for path, operations in paths.items() for operation in operations.values()}


def _version_1(api_key: str) -> APIRouter:
    problems = problem_responses(KeyRefusedProblem(), UnavailableProblem())
    router = APIRouter(prefix="/api/v1", dependencies=[Depends(KeyGuard(api_key))], responses=problems)
    # The stream's path would also match that of a single alert.
    parts = (
        communities, devices, telemetry, replacements, stream, alerts, attention, silences, audit, bad_actors, notices,
        rules, witnessed_tests,
    )  # fmt: skip
    for part in parts:
        router.include_router(part.router)
    return router
