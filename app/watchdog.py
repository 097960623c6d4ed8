"""The watchdog: once a minute a device of Anju's own violates a rule, and the alert must come.

The alert takes the same path as that of a real device: broker, ingest, rules, database. The device is a simulated water
meter in a community of its own, registered as out of service. The rules therefore evaluate it, but no notice is sent
and no report counts it. If the alert does not come within half a minute, another alert is written straight into the
database.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from app.own_alert import OwnAlert, end_own_alert, raise_own_alert
from devices.topic import Channel, Topic
from rules.model.rule import Severity
from simulators.publisher import Publisher, PublisherError
from store.alerts.watchdog import COMMUNITY, MISSED_RULE, find_watchdog, has_raised, register_watchdog
from store.database import Connection, DatabaseUnavailableError, connect, repeat_over_outages, translated_errors

log = structlog.get_logger()

_DEVICE = "watchdog"
_KIND = "water_meter"
_ROUND_S = 60.0  # more than two alerts a minute are chattering, which raises no new alert each time
_PATIENCE_S = 30.0
_POLL_S = 0.5
_PUBLISH_TIMEOUT_S = 5.0
# Values that violate the rule water_battery_low at once, and that end the violation.
_BATTERY_LOW_V, _BATTERY_NEW_V = 2.9, 3.6

_MISSED = OwnAlert(
    rule=MISSED_RULE,
    severity=Severity.CRITICAL,
    title="平台不再发出报警",
    message="自检设备每分钟制造一次异常，最近一次没有按时触发报警：数据接入、消息服务或规则可能已停止工作，"
    "真实的报警也发不出来。",
    advice="请立即联系系统管理员：用 anju doctor 查看接入程序、消息服务和数据库；恢复之前请加强人工巡查。",
)


@dataclass(frozen=True, slots=True)
class WatchdogSettings:
    """Settings of the watchdog: the interval of its rounds, and the longest wait for an alert, in seconds."""

    database_url: str
    publish_mqtt_url: str
    round_s: float = _ROUND_S
    patience_s: float = _PATIENCE_S


def run_watchdog(settings: WatchdogSettings, stop: threading.Event) -> None:
    """Watch until `stop` is set. While the database is away no alert can be written, and the watchdog only waits."""

    def watch() -> bool:
        with _connected(settings) as connection:
            register_watchdog(connection)
            # The previous watchdog may have been ended while its meter violated the rule.
            _publish(settings, datetime.now(UTC), _BATTERY_NEW_V)
            while not stop.is_set():
                next_round = time.monotonic() + settings.round_s
                _run_round(connection, settings, stop)
                stop.wait(max(0.0, next_round - time.monotonic()))
        return True

    def report(error: DatabaseUnavailableError) -> None:
        log.warning("the watchdog waits for the database", error=str(error))

    repeat_over_outages(watch, stop, report=report, pause=lambda: stop.wait(_PUBLISH_TIMEOUT_S))


@contextmanager
def _connected(settings: WatchdogSettings) -> Iterator[Connection]:
    with translated_errors(), closing(connect(settings.database_url, application_name="anju watchdog")) as connection:
        connection.autocommit = True
        yield connection


def _run_round(connection: Connection, settings: WatchdogSettings, stop: threading.Event) -> None:
    """Violate the rule, wait for the alert, and end the violation. Raise or end the alert about a missing alert."""
    device_id = find_watchdog(connection)
    start = datetime.now(UTC)
    violated_at = start.replace(microsecond=start.microsecond // 1000 * 1000)
    until = start + timedelta(seconds=settings.patience_s)
    published = raised = False
    while device_id is not None and not raised and not stop.is_set() and datetime.now(UTC) < until:
        published = published or _publish(settings, violated_at, _BATTERY_LOW_V)
        stop.wait(_POLL_S if published else _PUBLISH_TIMEOUT_S)
        raised = has_raised(connection, device_id, violated_at)
    if stop.is_set() and not raised:
        return
    now = datetime.now(UTC)
    _publish(settings, now, _BATTERY_NEW_V)
    if raised and end_own_alert(connection, MISSED_RULE, now):
        log.info("the watchdog's alerts come again")
    elif not raised and raise_own_alert(connection, _MISSED, now):
        log.error("the watchdog's alert did not come", within_s=settings.patience_s, published=published)


def _publish(settings: WatchdogSettings, at: datetime, battery_v: float) -> bool:
    """Publish a reading; return whether the broker acknowledged it."""
    payload = json.dumps({"ts": round(at.timestamp() * 1000), "values": {"battery_v": battery_v}}).encode()
    try:
        with Publisher(settings.publish_mqtt_url) as out:
            out.publish(str(Topic(COMMUNITY, _KIND, _DEVICE, Channel.TELEMETRY)), payload, timeout_s=_PUBLISH_TIMEOUT_S)
            out.flush(_PUBLISH_TIMEOUT_S)
    except PublisherError as error:
        log.warning("the watchdog can't publish", error=str(error))
        return False
    return True
