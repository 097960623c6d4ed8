"""The watchdog's alert comes through broker, ingest and rules, and where it does not, that is an alert."""

import threading

import pytest

from app.watchdog import WatchdogSettings, run_watchdog
from running import eventually, query
from store.migrate import migrate
from store.watchdog import COMMUNITY

OF_THE_WATCHDOG = "SELECT process, simulated FROM alert WHERE community = %s ORDER BY opened_at"
MISSED = "SELECT process, severity FROM alert WHERE rule = 'watchdog_missed' ORDER BY opened_at"


@pytest.fixture
def watch(services, database_url):
    """A function that lets the watchdog go its rounds, far enough apart not to chatter; it is ended after the test."""
    migrate(database_url)
    stop = threading.Event()
    settings = WatchdogSettings(database_url, services.publish_mqtt_url, round_s=31, patience_s=12)
    watching = threading.Thread(target=run_watchdog, args=(settings, stop))
    yield watching.start
    stop.set()
    watching.join(30)
    assert not watching.is_alive()


@pytest.mark.slow
@pytest.mark.timeout(290)
def test_a_missing_alert_of_the_watchdog_is_an_alert_until_it_comes_again(watch, ingest, database_url):
    eventually(lambda: "connected to the broker" in ingest.log.read_text(), timeout_s=60)
    watch()
    eventually(lambda: len(query(database_url, OF_THE_WATCHDOG, COMMUNITY)), timeout_s=60)
    assert query(database_url, MISSED) == []

    ingest.kill()
    eventually(lambda: query(database_url, MISSED) == [("active", "critical")], timeout_s=100)
    told = """
        SELECT count(*) FROM procrastinate_jobs, alert
        WHERE alert.rule = %s AND strpos(procrastinate_jobs.args::text, alert.id::text) > 0
    """
    assert query(database_url, told, "watchdog_missed") == [(1,)]

    ingest.start()
    eventually(lambda: query(database_url, MISSED) == [("ended", "critical")], timeout_s=120)


@pytest.mark.timeout(200)
def test_nobody_is_notified_of_what_the_watchdog_raises_and_no_report_counts_it(watch, ingest, database_url):
    watch()
    eventually(lambda: ("ended", True) in query(database_url, OF_THE_WATCHDOG, COMMUNITY), timeout_s=60)
    causes = query(database_url, "SELECT DISTINCT cause FROM alert_suppression")
    assert causes == [("out_of_service",)]
    unsuppressed = """
        SELECT count(*) FROM alert WHERE community = %s
        AND NOT EXISTS (SELECT FROM alert_suppression WHERE alert_id = alert.id)
    """
    assert query(database_url, unsuppressed, COMMUNITY) == [(0,)]
    assert all(simulated for _, simulated in query(database_url, OF_THE_WATCHDOG, COMMUNITY))
