"""Metrics of the API itself, and what the database counts at the moment it is asked."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from store.alerts.alerts import count_open
from store.alerts.suppression import count_suppressed
from store.alerts.watchdog import last_raised
from store.database import Database, DatabaseUnavailableError
from store.notices.statistics import ChannelFigures, NoticeBacklog, channel_figures, notice_backlog
from store.registry.devices import count_by_connection

_log = structlog.get_logger("api.access")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetrics:
    """ASGI middleware that counts and logs every request by the template of its route.

    The path is logged without its query, which may carry what does not belong in a log. The time is that until the
    answer begins, so that a stream counts like any other answer.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, templates: Mapping[str, str]) -> None:
        """Register the metrics; `templates` are the whole paths of the operations, by their names."""
        self._app = app
        self._templates = templates
        labels = ("method", "route", "status")
        self._requests = Counter("anju_http_requests", "Requests answered.", labels, registry=registry)
        self._seconds = Histogram(
            "anju_http_request_seconds", "Time until an answer begins.", ("method", "route"), registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and watch its answer begin."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        answered = False

        async def watch(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                self._record(scope, message["status"], time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            # What nobody foresaw is answered outside of every middleware.
            if not answered:
                self._record(scope, 500, time.perf_counter() - began)
            raise

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = self._template(scope)
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
        _log.info("request", method=method, path=scope["path"], status=status, milliseconds=round(seconds * 1000, 1))

    def _template(self, scope: Scope) -> str:
        """Paths themselves would make a series for each device; a route knows only its part of the template."""
        route = scope.get("route")
        return self._templates.get(route.name, route.path) if route else "unmatched"


class DatabaseCollector:
    """Counts open alerts and devices whenever the metrics are read; without the database only that it is away."""

    def __init__(self, database: Database) -> None:
        """Count in this database."""
        self._database = database

    def collect(self) -> Iterator[Metric]:
        """The gauges of the moment."""
        up = GaugeMetricFamily("anju_database_up", "Whether the database answers.")
        try:
            with self._database.connection() as connection:
                open_alerts, devices = count_open(connection), count_by_connection(connection)
                channels, now = channel_figures(connection), datetime.now(UTC)
                waiting, suppressed = notice_backlog(connection, now), count_suppressed(connection, now)
                watchdog_at = last_raised(connection)
        except DatabaseUnavailableError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield _gauge("anju_open_alerts", "Alerts that have not ended.", "severity", open_alerts)
        yield _gauge("anju_suppressed_alerts", "Open alerts that nobody is told of.", "cause", suppressed)
        yield _gauge("anju_devices", "Registered devices by what they say of themselves.", "connection", devices)
        yield from _notices(channels, waiting, now)
        if watchdog_at:
            age_s = (now - watchdog_at).total_seconds()
            yield GaugeMetricFamily(
                "anju_watchdog_age_seconds", "Since the watchdog last raised an alert.", value=age_s
            )


def _notices(channels: Sequence[ChannelFigures], waiting: NoticeBacklog, now: datetime) -> Iterator[Metric]:
    # Not by channel: its name is that of a person, and these figures need no key.
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    for each in channels:
        for outcome, count in (("sent", each.sent), ("failed", each.failed), ("dead", each.dead)):
            counts[each.channel.rpartition("/")[2], outcome] += count
    notices = CounterMetricFamily("anju_notices", "Notices, and attempts that failed.", labels=["kind", "outcome"])
    for labels, count in counts.items():
        notices.add_metric(labels, count)
    yield notices
    yield GaugeMetricFamily("anju_notices_queued", "Notices that wait to be sent.", value=waiting.queued)
    overdue_s = (now - waiting.overdue_since).total_seconds() if waiting.overdue_since else 0.0
    yield GaugeMetricFamily("anju_notices_overdue_seconds", "How long the sending is behind.", value=overdue_s)


def _gauge(name: str, text: str, label: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
