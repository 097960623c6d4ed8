"""Metrics of the API itself, and gauges read from the database at each scrape."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rules.model.labels_zh import DEVICE_STATE
from store.admin.backup import last_backup
from store.admin.disks import disk_reports
from store.alerts.alerts import count_open
from store.alerts.suppression import count_suppressed
from store.alerts.watchdog import last_raised
from store.database import Database, DatabaseUnavailableError
from store.notices.statistics import ChannelFigures, NoticeBacklog, channel_figures, notice_backlog
from store.registry.communities import count_devices

_log = structlog.get_logger("api.access")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetrics:
    """ASGI middleware that counts and logs every request by the template of its route.

    The path is logged without its query, which may hold personal data. The measured time ends when the response begins,
    so that a stream counts like any other response.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, templates: Mapping[str, str]) -> None:
        """Register the metrics; `templates` holds the full path template of each operation, by name."""
        self._app = app
        self._templates = templates
        labels = ("method", "route", "status")
        self._requests = Counter("anju_http_requests", "Answered requests.", labels, registry=registry)
        self._seconds = Histogram(
            "anju_http_request_seconds", "Seconds until the response begins.", ("method", "route"), registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and record the beginning of its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._record(scope, message["status"], time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, watch)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = self._template(scope)
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
        if "refused" in scope:  # the gate logs a few of them
            return
        _log.info("request", method=method, path=scope["path"], status=status, milliseconds=round(seconds * 1000, 1))

    def _template(self, scope: Scope) -> str:
        """Return the full path template; a label with the path itself would make a series for each device."""
        if "refused" in scope:
            return "refused"
        route = scope.get("route")
        return self._templates.get(route.name, route.path) if route else "unmatched"


def count_refusals(registry: CollectorRegistry) -> Counter:
    """Register and return the count of requests that never reached a route, by reason."""
    text = "Requests refused before their route, by reason."
    return Counter("anju_http_refused_requests", text, ("reason",), registry=registry)


def show_streams(registry: CollectorRegistry, count: Callable[[], float]) -> None:
    """Register the gauge of open alert streams."""
    Gauge("anju_http_streams", "Open alert streams.", registry=registry).set_function(count)


def show_connections(registry: CollectorRegistry, count: Callable[[], float]) -> None:
    """Register the gauge of open connections."""
    Gauge("anju_http_connections", "Open connections.", registry=registry).set_function(count)


class DatabaseCollector:
    """Collector of the gauges at each scrape; without the database it yields only `anju_database_up`, 0."""

    def __init__(self, database: Database) -> None:
        """Read from this database."""
        self._database = database

    def collect(self) -> Iterator[Metric]:
        """Yield the present gauges."""
        up = GaugeMetricFamily("anju_database_up", "Whether the database answers.")
        try:
            with self._database.connection() as connection:
                now = datetime.now(UTC)
                open_alerts, counts = count_open(connection), count_devices(connection)
                channels = channel_figures(connection)
                waiting, suppressed = notice_backlog(connection, now), count_suppressed(connection, now)
                watchdog_at, backup = last_raised(connection), last_backup(connection)
                disks = disk_reports(connection)
        except DatabaseUnavailableError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield _gauge("anju_open_alerts", "Open alerts, by severity.", "severity", open_alerts)
        yield _gauge("anju_suppressed_alerts", "Open alerts that are suppressed, by cause.", "cause", suppressed)
        devices = {state: sum(getattr(count, state) for count in counts) for state in DEVICE_STATE}
        yield _gauge(
            "anju_devices", "Registered devices: reporting, silent, never heard, out of service.", "state", devices
        )
        yield from _notices(channels, waiting, now)
        for name, text, attribute in (
            ("anju_disk_free_bytes", "Free space of a disk of the servers, as last reported.", "free_bytes"),
            ("anju_disk_total_bytes", "Size of a disk of the servers.", "total_bytes"),
        ):
            yield _gauge(name, text, "disk", {disk.name: getattr(disk, attribute) for disk in disks})
        if backup:
            age_s = (now - backup.finished_at).total_seconds()
            yield GaugeMetricFamily("anju_backup_age_seconds", "Seconds since the last backup.", value=age_s)
        if watchdog_at:
            age_s = (now - watchdog_at).total_seconds()
            yield GaugeMetricFamily(
                "anju_watchdog_age_seconds", "Seconds since the watchdog last raised an alert.", value=age_s
            )


def _notices(channels: Sequence[ChannelFigures], waiting: NoticeBacklog, now: datetime) -> Iterator[Metric]:
    # By kind and not by channel: a channel bears the name of a person, and this route needs no key.
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    for each in channels:
        for outcome, count in (("sent", each.sent), ("failed", each.failed), ("dead", each.dead)):
            counts[each.channel.rpartition("/")[2], outcome] += count
    notices = CounterMetricFamily(
        "anju_notices", "Notices sent or dead, and failed attempts, by kind of channel.", labels=["kind", "outcome"]
    )
    for labels, count in counts.items():
        notices.add_metric(labels, count)
    yield notices
    yield GaugeMetricFamily("anju_notices_queued", "Notices waiting to be sent.", value=waiting.queued)
    overdue_s = (now - waiting.overdue_since).total_seconds() if waiting.overdue_since else 0.0
    yield GaugeMetricFamily(
        "anju_notices_overdue_seconds", "Seconds since the oldest overdue notice was due.", value=overdue_s
    )


def _gauge(name: str, text: str, label: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
