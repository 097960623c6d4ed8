"""Routes of the statistics of alerts: as JSON, and as an Excel workbook."""

import re
import threading
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from accounts.rights import RIGHTS
from api import messages_zh
from api.models import ResponseModel
from api.parameters import Caller, Now, Store
from api.problems import BusyProblem, InvalidProblem, Mistake, UnavailableProblem, problem_responses
from api.validation_zh import ParameterError
from handling.statistics import Months, MonthsError, read_people, read_statistics
from handling.statistics_workbook import MEDIA_TYPE, Selection, to_workbook
from handling.text import Word
from rules.model.kind_labels import kind_label
from store.alerts.statistics import AlertCounts, PersonCounts
from store.registry.communities import find_community

_AT_ONCE = 2
_WAIT_S = 5.0
_PLACES = threading.BoundedSemaphore(_AT_ONCE)

_MONTH = re.compile(r"(20\d\d|21\d\d)-(0[1-9]|1[0-2])")


def _check_month(text: str) -> str:
    if not _MONTH.fullmatch(text):
        raise ParameterError("a month is written like 2026-07", messages_zh.MONTH_FORM)
    return text


Month = Annotated[Word, AfterValidator(_check_month)]


class StatisticsQuery(BaseModel):
    """Filters of the statistics."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: Month | None = Field(
        None, description="First month, in local time; by default eleven before the last.", examples=["2026-01"]
    )
    end: Month | None = Field(None, description="Last month; by default the present one.", examples=["2026-12"])
    community: Word | None = Field(None, description="The id of a community.")
    kind: Word | None = Field(None, description="A device kind, or `pipeline` for Anju itself.")


class Times(BaseModel):
    """Times until a step of people, in seconds."""

    median_s: int | None = Field(description="Half of them took no longer; null without any.", examples=[312])
    p90_s: int | None = Field(description="Nine tenths of them took no longer.", examples=[1840])

    @classmethod
    def of(cls, median_s: float | None, p90_s: float | None) -> "Times":
        """Round to seconds."""
        return cls(
            median_s=None if median_s is None else round(median_s), p90_s=None if p90_s is None else round(p90_s)
        )


class Counts(ResponseModel):
    """Numbers of a group of alerts, by the time of their opening."""

    alerts: int = Field(examples=[120])
    critical: int
    major: int
    warning: int
    info: int
    open: int = Field(description="Have not ended.")
    acknowledged: int = Field(description="Somebody has acknowledged it, or gone further.")
    resolved: int = Field(description="Somebody has resolved or closed it.")
    unattended: int = Field(description="Ended before anybody acknowledged it.")
    simulated: int = Field(description="From a simulator; a part of `alerts`.")
    time_to_acknowledge: Times = Field(description="From the raising; without historical alerts.")
    time_to_resolve: Times


class MonthCounts(Counts):
    """Numbers of a month."""

    month: str = Field(examples=["2026-07"])


class CommunityCounts(Counts):
    """Numbers of a community."""

    community: str | None = Field(description="Null for alerts about Anju itself.", examples=["jinhe-yuan"])
    community_name: str | None = Field(examples=["金河苑"])


class KindCounts(Counts):
    """Numbers of a kind of devices."""

    kind: str = Field(examples=["water_meter"])
    kind_zh: str = Field(examples=["水表"])


class StatisticsAnswer(ResponseModel):
    """Statistics of some months; communities and kinds with the most alerts first."""

    total: Counts
    months: list[MonthCounts] = Field(description="Every month asked for, in order.")
    communities: list[CommunityCounts]
    kinds: list[KindCounts]


class Person(ResponseModel):
    """What a person did first among all: alerts acknowledged and resolved, and the times until then."""

    person: str = Field(examples=["王经理"])
    acknowledged: int
    resolved: int
    simulated: int = Field(description="Alerts from a simulator among them.")
    time_to_acknowledge: Times
    time_to_resolve: Times


class People(ResponseModel):
    """Statistics by person, by name."""

    items: list[Person]


Filters = Annotated[StatisticsQuery, Query()]


class TooManyStatisticsProblem(BusyProblem):
    """All places of statistics are taken."""

    def __init__(self) -> None:
        """Ask for patience."""
        super().__init__(f"{_AT_ONCE} statistics are being counted; try again later.", messages_zh.STATISTICS_BUSY)


def _take_place() -> Iterator[None]:
    """Hold one of the places: a year of a city is seconds of work for the database."""
    if not _PLACES.acquire(timeout=_WAIT_S):
        raise TooManyStatisticsProblem
    try:
        yield
    finally:
        _PLACES.release()


router = APIRouter(
    prefix="/statistics",
    tags=["statistics 统计"],
    dependencies=[Depends(_take_place)],
    responses=problem_responses(UnavailableProblem(), TooManyStatisticsProblem()),
)


@router.get("", summary="Statistics of alerts (统计)")
def read_alert_statistics(store: Store, now: Now, query: Filters) -> StatisticsAnswer:
    """Numbers of alerts and times of people, in all and by month, community and kind; at most 36 months."""
    months = _months(query, now)
    with store.connection() as connection:
        found = read_statistics(connection, months, query.community, query.kind)
    return StatisticsAnswer.model_validate(
        {
            "total": _counts(found.total),
            "months": [{**_counts(row), "month": row.key} for row in found.months],
            "communities": [
                {**_counts(row), "community": row.key or None, "community_name": row.community_name}
                for row in found.communities
            ],
            "kinds": [{**_counts(row), "kind": row.key, "kind_zh": kind_label(row.key)} for row in found.kinds],
        }
    )


@router.get("/people", summary="Statistics by person")
def read_people_statistics(store: Store, now: Now, query: Filters) -> People:
    """Persons who were the first to acknowledge or to resolve alerts, for the property company alone."""
    months = _months(query, now)
    with store.connection() as connection:
        found = read_people(connection, months, query.community, query.kind)
    return People.model_validate({"items": [{**asdict(row), **_times(row)} for row in found]})


@router.get(
    ".xlsx",
    summary="Statistics as an Excel workbook",
    response_class=Response,
    responses={
        200: {
            "description": "Workbook with sheets by month, community and kind; by person where the role may read it.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def export_statistics(store: Store, now: Now, caller: Caller, query: Filters) -> Response:
    """The same figures as a workbook in Chinese, with an explanation of each."""
    months = _months(query, now)
    with_people = caller.principal.role in RIGHTS[read_people_statistics.__name__]
    with store.connection() as connection:
        community = find_community(connection, query.community) if query.community else None
        statistics = read_statistics(connection, months, query.community, query.kind)
        people = read_people(connection, months, query.community, query.kind) if with_people else None
    selection = Selection(
        community=community.name if community else query.community or "全部",
        kind=kind_label(query.kind) if query.kind else "全部",
        made_at=now,
    )
    keys = months.keys()
    return Response(
        to_workbook(statistics, people, selection),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="anju-statistics-{keys[0]}-{keys[-1]}.xlsx"'},
    )


def _months(query: StatisticsQuery, now: Now) -> Months:
    first, last = (month and date.fromisoformat(f"{month}-01") for month in (query.start, query.end))
    try:
        return Months.of(first or None, last or None, now)
    except MonthsError as error:
        raise InvalidProblem(Mistake(["query", "start"], str(error), "months_out_of_range")) from None


def _counts(row: AlertCounts) -> dict[str, object]:
    return {**asdict(row), **_times(row)}


def _times(row: AlertCounts | PersonCounts) -> dict[str, Times]:
    return {
        "time_to_acknowledge": Times.of(row.acknowledge_median_s, row.acknowledge_p90_s),
        "time_to_resolve": Times.of(row.resolve_median_s, row.resolve_p90_s),
    }
