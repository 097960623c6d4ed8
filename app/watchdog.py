"""The watchdog: once a minute a device of our own breaks a rule, and its alert must come.

It goes the whole way that a real device's alert goes: broker, ingest, rules, database. The device is a simulated
water meter in a community of its own, registered as out of service: so it is judged, nobody is notified, and no report
counts it. What does not come within half a minute is itself an alert, written straight into the database.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from app.watchdog_alert import end_missed_alert, raise_missed_alert
from devices.topic import Channel, Topic
from imports.importer import import_rows
from simulators.publisher import Publisher, PublisherError
from store.alerts.watchdog import COMMUNITY, find_watchdog, has_raised
from store.database import Connection, DatabaseUnavailableError, connect, translated_errors

log = structlog.get_logger()

_DEVICE = "watchdog"
_KIND = "water_meter"
_ROUND_S = 60.0  # oftener than every half a minute would be chattering, and no new alert each time
_PATIENCE_S = 30.0
_LOOK_S = 0.5
_PUBLISH_S = 5.0
_BATTERY_LOW_V, _BATTERY_NEW_V = 2.9, 3.6  # what breaks the rule water_battery_low at once, and what mends it


@dataclass(frozen=True, slots=True)
class WatchdogSettings:
    """What the watchdog works with; the times are in seconds."""

    database_url: str
    publish_mqtt_url: str
    round_s: float = _ROUND_S
    patience_s: float = _PATIENCE_S


def run_watchdog(settings: WatchdogSettings, stop: threading.Event) -> None:
    """Watch until `stop` is set. While the database is away there is nobody to tell, and it only waits."""
    while not stop.is_set():
        try:
            with _connected(settings) as connection:
                _register(connection)
                # Whoever watched before may have been ended between breaking and mending.
                _say(settings, datetime.now(UTC), _BATTERY_NEW_V)
                while not stop.is_set():
                    next_round = time.monotonic() + settings.round_s
                    _go_round(connection, settings, stop)
                    stop.wait(max(0.0, next_round - time.monotonic()))
        except DatabaseUnavailableError as error:
            log.warning("the watchdog waits for the database", error=str(error))
            stop.wait(_PUBLISH_S)


@contextmanager
def _connected(settings: WatchdogSettings) -> Iterator[Connection]:
    with translated_errors(), closing(connect(settings.database_url, application_name="anju watchdog")) as connection:
        connection.autocommit = True
        yield connection


def _register(connection: Connection) -> None:
    place = {"community": COMMUNITY, "name": "平台自检", "banner": "平台", "street": "平台"}
    device = {
        "community": COMMUNITY,
        "device": _DEVICE,
        "kind": _KIND,
        "simulated": "true",
        "service": "out_of_service",
    }
    import_rows(connection, [place], [], [device])


def _go_round(connection: Connection, settings: WatchdogSettings, stop: threading.Event) -> None:
    """Break the rule, wait for the alert, mend it, and write down what came of it."""
    device_id = find_watchdog(connection)
    began = datetime.now(UTC)
    broken_at = began.replace(microsecond=began.microsecond // 1000 * 1000)
    until = began + timedelta(seconds=settings.patience_s)
    sent = seen = False
    while device_id is not None and not seen and not stop.is_set() and datetime.now(UTC) < until:
        sent = sent or _say(settings, broken_at, _BATTERY_LOW_V)
        stop.wait(_LOOK_S if sent else _PUBLISH_S)
        seen = has_raised(connection, device_id, broken_at)
    if stop.is_set() and not seen:
        return
    now = datetime.now(UTC)
    _say(settings, now, _BATTERY_NEW_V)
    if seen and end_missed_alert(connection, now):
        log.info("the watchdog's alerts come again")
    elif not seen and raise_missed_alert(connection, now):
        log.error("the watchdog's alert did not come", within_s=settings.patience_s, published=sent)


def _say(settings: WatchdogSettings, at: datetime, battery_v: float) -> bool:
    """Publish a reading; whether the broker has acknowledged it."""
    payload = json.dumps({"ts": round(at.timestamp() * 1000), "values": {"battery_v": battery_v}}).encode()
    try:
        with Publisher(settings.publish_mqtt_url) as out:
            out.publish(str(Topic(COMMUNITY, _KIND, _DEVICE, Channel.TELEMETRY)), payload, timeout_s=_PUBLISH_S)
            out.flush(_PUBLISH_S)
    except PublisherError as error:
        log.warning("the watchdog can't publish", error=str(error))
        return False
    return True
