"""Routes of the rules in force, and of backtests over stored history."""

import threading
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api import messages_zh
from api.models import ResponseModel
from api.paging import Cursor, Page, PageQuery
from api.parameters import Instant, Now, Store
from api.problems import (
    BusyProblem,
    InvalidProblem,
    Mistake,
    UnavailableProblem,
    UnknownProblem,
    problem_responses,
)
from handling.text import Word
from rules.analysis.backtest import Span, backtest
from rules.analysis.stored_history import stored_arrivals, wanted_history
from rules.analysis.summary import Summary, summarise
from rules.language.loader import RuleFileError
from rules.language.reload import RuleFolder
from rules.model.duration import spell
from rules.model.kind_labels import kind_label
from rules.model.labels_zh import SEVERITY
from rules.model.rule import Rule, RulePack, Severity
from store.database import Database
from store.registry.registry import load_devices
from store.telemetry.history import count_history, limit_statement_time, read_ingest_lags

_log = structlog.get_logger(__name__)

router = APIRouter(prefix="/rules", tags=["rules 规则"])
_cursor = Cursor("rules", str)

MAX_SPAN = timedelta(days=31)
MAX_SAMPLES = 200_000
_RETRY_AFTER_S = 30
_TOO_MANY_SAMPLES = (
    f"gives more than {MAX_SAMPLES:,} readings and events: choose a shorter time, fewer rules or one device, or use "
    "`anju rules backtest`"
)
_AT_ONCE = 2
_PLACES = threading.BoundedSemaphore(_AT_ONCE)
"""Places of backtests. Each keeps a core busy and a connection of the database, for many seconds."""


class UnknownScopeProblem(UnknownProblem):
    """The registry has none of the devices of a backtest."""

    def __init__(self) -> None:
        """Say where they are listed."""
        super().__init__(
            "The registry has no such community or device; GET /api/v1/devices lists them.",
            messages_zh.COMMUNITY_OR_DEVICE_NOT_FOUND,
        )


class TooManyBacktestsProblem(BusyProblem):
    """All places of backtests are taken."""

    def __init__(self) -> None:
        """Name the way without a bound."""
        super().__init__(
            f"{_AT_ONCE} backtests are running; try again later, or use `anju rules backtest`.",
            messages_zh.backtests_running(_AT_ONCE),
            _RETRY_AFTER_S,
        )


def rules_in_force(source: RuleFolder) -> RulePack:
    """Return the rules in force. As in ingest, invalid changed files leave the previous rules in force."""
    try:
        source.reload()
    except (RuleFileError, OSError) as error:
        _log.warning("the changed rules are invalid, the previous rules stay in force", error=str(error))
    return source.pack


def _rules_in_force(request: Request) -> RulePack:
    source = request.app.state.rules
    assert isinstance(source, RuleFolder)  # noqa: S101
    return rules_in_force(source)


Pack = Annotated[RulePack, Depends(_rules_in_force)]


class RuleInForce(ResponseModel):
    """Rule as written in its file."""

    name: str = Field(examples=["water_leak"])
    kind: str
    kind_zh: str = Field(examples=["水表"])
    severity: Severity
    severity_zh: str
    title: str
    message: str
    advice: str
    when: dict[str, Any] = Field(description="Condition that opens an alert, in the notation of the rule file.")
    until: dict[str, Any] | None = Field(description="Condition that ends it; null if it is the negation of `when`.")
    on_delay: str = Field(examples=["30m"])
    off_delay: str
    schedule: str | None = Field(description="The calendar; the rule rests outside of it.")
    version: str = Field(description="Changes with the logic, not with the texts.")
    source: str = Field(description="File and line.", examples=["water_meter.yaml:4"])

    @classmethod
    def of(cls, rule: Rule) -> "RuleInForce":
        """Translate a rule."""
        return cls.model_validate(
            {
                **{name: getattr(rule, name) for name in ("name", "kind", "severity", "title", "message", "advice")},
                "kind_zh": kind_label(rule.kind),
                "severity_zh": SEVERITY[rule.severity],
                "when": rule.limits["when"],
                "until": rule.limits["until"],
                "on_delay": spell(rule.on_delay),
                "off_delay": spell(rule.off_delay),
                "schedule": rule.schedule and rule.schedule.name,
                "version": rule.version,
                "source": rule.source,
            }
        )


class RulesQuery(PageQuery):
    """Filters of the list of rules."""

    kind: Word | None = Field(None, description="A device kind, or `pipeline` for Anju itself.")
    severity: Severity | None = None


@router.get("", summary="List the rules in force")
def list_rules(pack: Pack, query: Annotated[RulesQuery, Query()]) -> Page[RuleInForce]:
    """Rules in force, by name. A changed file takes effect at once, an invalid one leaves the previous rules."""
    matching = (
        rule
        for rule in sorted(pack.rules, key=lambda rule: rule.name)
        if query.kind in {None, rule.kind} and query.severity in {None, rule.severity}
    )
    after = _cursor.decode(query.cursor)
    rules = [rule for rule in matching if after is None or rule.name > after]
    return Page[RuleInForce].of(rules, query.limit, RuleInForce.of, lambda rule: _cursor.encode(rule.name))


class BacktestRequest(BaseModel):
    """Scope of a backtest: one community, at most 31 days."""

    model_config = ConfigDict(extra="forbid")

    community: Word = Field(examples=["jinhe-yuan"])
    device: Word | None = Field(None, description="Only this device of the community.")
    rules: list[Word] | None = Field(None, max_length=100, description="Only these rules.")
    start: Instant = Field(description="Beginning of the period of arrival, inclusive.")
    end: Instant | None = Field(None, description="End of the period of arrival, exclusive; by default now.")
    device_time: bool = Field(
        default=False,
        description="Let each sample arrive at the time of its device: for history that was loaded later.",
    )


class BacktestGoal(ResponseModel):
    """Goal of ISA-18.2 for the alert load of one property manager."""

    name: str
    found: str
    wanted: str
    met: bool | None = Field(description="Null if there are too few alerts to decide.")


class RuleResult(ResponseModel):
    """Alerts that one rule would have raised."""

    rule: str
    kind: str
    title: str
    severity: Severity
    alerts: int
    suppressed: int = Field(description="Alerts explained by another alert and therefore not notified.")
    devices: int
    standing: int = Field(description="Alerts open for over 24 hours.")
    chattering: int = Field(description="Devices with three alerts of the rule within a minute.")
    longest_s: float


class DayResult(ResponseModel):
    """Alerts of one day in local time."""

    day: date
    alerts: int
    severities: dict[Severity, int]
    peak: int = Field(description="Highest number of notices within ten minutes.")


class DeviceResult(ResponseModel):
    """Alerts of one device."""

    community: str
    device: str
    subject: str = Field(description="The device with its place, in words.", examples=["金河苑 3号楼2单元501室 电表"])
    alerts: int
    rules: dict[str, int]


class BacktestResult(ResponseModel):
    """Alerts that the rules would have raised, by rule and device (the busiest first) and by day.

    Rules, days and devices without alerts are left out.
    """

    start: datetime
    end: datetime
    samples: int
    late_samples: int = Field(
        description="Samples that arrived over 25 hours after the time of their device. If they are many, history was "
        "loaded, its alerts gather at the time of the loading, and `device_time` puts them in their place."
    )
    devices: int
    rules: int
    alerts: int
    by_rule: list[RuleResult]
    by_day: list[DayResult]
    by_device: list[DeviceResult]
    goals: list[BacktestGoal]
    met: bool = Field(description="False if a goal is missed.")

    @classmethod
    def of(cls, summary: Summary) -> "BacktestResult":
        """Translate a summary of one community."""
        goals = summary.communities[0].goals if summary.communities else ()
        return cls.model_validate({**{name: getattr(summary, name) for name in Summary.__slots__},
                                   "goals": goals, "met": summary.met})  # fmt: skip


@router.post(
    "/backtest",
    summary="Try rules on the past",
    responses=problem_responses(
        UnknownScopeProblem(),
        InvalidProblem(
            Mistake(["body", "start"], "is too long ago", "too_large", messages_zh.backtest_too_long(MAX_SPAN))
        ),
        UnavailableProblem(),
        TooManyBacktestsProblem(),
    ),
)
def run_backtest(store: Store, now: Now, pack: Pack, scope: BacktestRequest) -> BacktestResult:
    """Alerts that the rules in force would have raised over stored history, starting without any earlier state.

    Nothing is written and no notice is sent. More than 200,000 readings and events are refused; `anju rules backtest`
    takes any number. Two backtests may run at once.
    """
    if not _PLACES.acquire(blocking=False):
        raise TooManyBacktestsProblem
    try:
        return _run_backtest(store, _select_rules(pack, scope), scope, _span(scope, now))
    finally:
        _PLACES.release()


def _run_backtest(store: Database, selected: RulePack, scope: BacktestRequest, span: Span) -> BacktestResult:
    with store.connection() as connection:
        devices = {
            device.id: device
            for device in load_devices(connection, [scope.community])
            if scope.device in {None, device.name}
        }
        if not devices:
            raise UnknownScopeProblem
        limit_statement_time(connection)
        history = wanted_history(selected, span, list(devices), device_time=scope.device_time)
        if count_history(connection, history, MAX_SAMPLES + 1) > MAX_SAMPLES:
            raise InvalidProblem(
                Mistake(["body", "start"], _TOO_MANY_SAMPLES, "too_large", messages_zh.backtest_too_large(MAX_SAMPLES))
            )
        paused = [] if scope.device_time else [Span(*each) for each in read_ingest_lags(connection, *span)]
        results = backtest(selected, stored_arrivals(connection, history), span, devices, paused)
    return BacktestResult.of(summarise(results, selected, devices))


def _select_rules(pack: RulePack, scope: BacktestRequest) -> RulePack:
    if scope.rules is None:
        return pack
    known = {rule.name: rule for rule in pack.rules}
    for number, name in enumerate(scope.rules):
        if name not in known:
            message = f"there is no rule {name!r} in force"
            raise InvalidProblem(
                Mistake(["body", "rules", number], message, "unknown_rule", messages_zh.unknown_rule(name))
            )
    return RulePack(tuple(known[name] for name in dict.fromkeys(scope.rules)))


def _span(scope: BacktestRequest, now: datetime) -> Span:
    span = Span(scope.start, scope.end or now)
    if span.start >= span.end:
        raise InvalidProblem(
            Mistake(["body", "end"], "must be after start", "value_error", messages_zh.END_NOT_AFTER_START)
        )
    if span.end - span.start > MAX_SPAN:
        message = f"must be at most {MAX_SPAN.days} days before end"
        raise InvalidProblem(Mistake(["body", "start"], message, "too_large", messages_zh.backtest_too_long(MAX_SPAN)))
    return span
