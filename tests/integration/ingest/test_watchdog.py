"""The watchdog's alert passes broker, ingest and rules; a missing one raises another alert."""

import json
import threading
import time
from dataclasses import replace

import pytest

from app.watchdog import WatchdogSettings, run_watchdog
from patience import eventually, patient, slowness
from running import query
from simulators.publisher import Publisher
from store.alerts.watchdog import COMMUNITY

OF_THE_WATCHDOG = "SELECT process, simulated FROM alert WHERE community = %s ORDER BY opened_at"
MISSED = "SELECT process, severity FROM alert WHERE rule = 'watchdog_missed' ORDER BY opened_at"


@pytest.fixture
def watch(services, database_url, ingest):
    """Start and end watchdogs over a connected ingest. The third alert within a minute is chattering, and the last."""
    eventually(lambda: "connected to the broker" in ingest.log.read_text(), timeout_s=60)
    settings = WatchdogSettings(
        database_url, services.publish_mqtt_url, round_s=4 * slowness(), patience_s=6 * slowness()
    )
    watching = Watching(settings)
    yield watching
    watching.end()


class Watching:
    def __init__(self, settings):
        self.settings, self._stop, self._thread = settings, threading.Event(), None

    def start(self):
        self._stop.clear()
        self._thread = threading.Thread(target=run_watchdog, args=(self.settings, self._stop))
        self._thread.start()

    def end(self):
        self._stop.set()
        self._thread.join(patient(30))
        assert not self._thread.is_alive()


@pytest.mark.slow
def test_a_missing_alert_of_the_watchdog_is_an_alert_until_it_returns(watch, ingest, database_url):
    watch.start()
    eventually(lambda: len(query(database_url, OF_THE_WATCHDOG, COMMUNITY)), timeout_s=60)
    assert query(database_url, MISSED) == []

    ingest.kill()
    eventually(lambda: query(database_url, MISSED) == [("active", "critical")], timeout_s=60)
    jobs = """
        SELECT count(*) FROM procrastinate_jobs, alert
        WHERE alert.rule = %s AND strpos(procrastinate_jobs.args::text, alert.id::text) > 0
    """
    assert query(database_url, jobs, "watchdog_missed") == [(1,)]

    ingest.start()
    eventually(lambda: query(database_url, MISSED) == [("ended", "critical")], timeout_s=60)


def test_the_watchdog_s_alerts_are_not_notified_and_no_report_counts_its_device(watch, ingest, database_url):
    watch.start()
    eventually(lambda: ("ended", True) in query(database_url, OF_THE_WATCHDOG, COMMUNITY), timeout_s=60)
    causes = query(database_url, "SELECT DISTINCT cause FROM alert_suppression")
    assert causes == [("out_of_service",)]
    unsuppressed = """
        SELECT count(*) FROM alert WHERE community = %s
        AND NOT EXISTS (SELECT FROM alert_suppression WHERE alert_id = alert.id)
    """
    assert query(database_url, unsuppressed, COMMUNITY) == [(0,)]
    assert all(simulated for _, simulated in query(database_url, OF_THE_WATCHDOG, COMMUNITY))


def test_a_watchdog_misses_no_alert_after_a_predecessor_that_ended_during_a_round(watch, ingest, database_url):
    watch.settings = replace(watch.settings, round_s=600)  # each of the two comes to one round
    watch.start()
    eventually(lambda: query(database_url, OF_THE_WATCHDOG, COMMUNITY) == [("ended", True)], timeout_s=60)
    watch.end()
    with Publisher(watch.settings.publish_mqtt_url) as meter:
        reading = {"ts": round(time.time() * 1000), "values": {"battery_v": 2.9}}
        meter.publish(f"anju/v1/{COMMUNITY}/water_meter/watchdog/telemetry", json.dumps(reading).encode())
        meter.flush(patient(5))
    eventually(lambda: ("active", True) in query(database_url, OF_THE_WATCHDOG, COMMUNITY))
    watch.start()
    eventually(lambda: len(query(database_url, OF_THE_WATCHDOG, COMMUNITY)) == 3)
    assert query(database_url, MISSED) == []
