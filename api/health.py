"""Liveness, readiness and metrics: routes for machines, without a key."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel

from api import messages_zh
from api.parameters import WholeStore
from api.problems import MalformedProblem, NotReadyProblem, TooManyProblem, problem_responses
from store.admin.readiness import missing_schema
from store.database import DatabaseUnavailableError

router = APIRouter(
    tags=["operation 运行"],
    responses=problem_responses(MalformedProblem("...", messages_zh.OTHER_HOST), TooManyProblem(0)),
)


class Health(BaseModel):
    """Response of a live service."""

    status: str = "ok"
    version: str


def _registry(request: Request) -> CollectorRegistry:
    registry = request.app.state.registry
    assert isinstance(registry, CollectorRegistry)  # noqa: S101
    return registry


@router.get("/healthz", summary="Is the process alive?")
async def healthz(request: Request) -> Health:
    """Answer as long as the process runs, even without a database."""
    return Health(version=request.app.version)


@router.get(
    "/readyz",
    summary="Can it do its work?",
    responses=problem_responses(NotReadyProblem("...", messages_zh.SCHEMA_MISSING, ["table ... is missing"])),
)
def readyz(request: Request, store: WholeStore) -> Health:
    """Ask the database, and compare its schema with the one this version needs."""
    try:
        with store.connection() as connection:
            missing = missing_schema(connection)
    except DatabaseUnavailableError:
        reasons = ["the database does not answer"]
        raise NotReadyProblem("The database does not answer.", messages_zh.DATABASE_UNAVAILABLE, reasons) from None
    if missing:
        raise NotReadyProblem(
            "The database lacks part of the schema; run `anju migrate`.",
            messages_zh.SCHEMA_MISSING,
            [f"{name} is missing" for name in missing],
        )
    return Health(version=request.app.version)


@router.get("/metrics", summary="Metrics in Prometheus' text format", response_class=PlainTextResponse)
def metrics(registry: Annotated[CollectorRegistry, Depends(_registry)]) -> Response:
    """Counts and times only, without data about persons or households."""
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
