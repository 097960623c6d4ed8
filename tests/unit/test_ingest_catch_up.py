"""No-data checks count only while ingest is caught up."""

from datetime import UTC, datetime, timedelta

from ingest.catch_up import SETTLING, CatchUpMonitor

START = datetime(2026, 11, 22, tzinfo=UTC)


def after(seconds):
    return START + timedelta(seconds=seconds)


def connected_monitor():
    monitor = CatchUpMonitor()
    monitor.note_subscription(START, subscribed=True)
    return monitor


def test_ingest_is_not_caught_up_before_it_is_connected():
    monitor = CatchUpMonitor()
    monitor.note_idle(START)
    assert not monitor.is_caught_up(START)


def test_ingest_is_caught_up_when_idle_after_the_settling_time():
    monitor = connected_monitor()
    monitor.note_idle(after(1))
    assert not monitor.is_caught_up(after(1))
    monitor.note_idle(START + SETTLING)
    assert monitor.is_caught_up(START + SETTLING)


def test_with_a_backlog_ingest_is_not_caught_up():
    monitor = connected_monitor()
    for second in range(60):
        monitor.note_ages(after(second), [3600.0 - second] * 100)
    assert not monitor.is_caught_up(after(60))


def test_with_fresh_messages_ingest_is_caught_up_under_full_load():
    monitor = connected_monitor()
    for second in range(10):
        monitor.note_ages(after(second), [0.2] * 80 + [7200.0] * 20)
    assert monitor.is_caught_up(after(10))


def test_one_device_with_a_wrong_clock_does_not_hide_a_backlog():
    monitor = connected_monitor()
    monitor.note_ages(after(10), [3600.0] * 99 + [0.0])
    assert not monitor.is_caught_up(after(10))


def test_after_a_lost_connection_ingest_settles_again():
    monitor = connected_monitor()
    monitor.note_idle(after(10))
    monitor.note_subscription(after(11), subscribed=False)
    assert not monitor.is_caught_up(after(11))
    monitor.note_subscription(after(12), subscribed=True)
    monitor.note_idle(after(12))
    assert not monitor.is_caught_up(after(12))


def test_caught_up_expires_without_new_evidence():
    monitor = connected_monitor()
    monitor.note_idle(after(10))
    assert monitor.is_caught_up(after(14))
    assert not monitor.is_caught_up(after(16))


def test_the_last_time_caught_up_survives_an_interruption_and_a_backlog_does_not_renew_it():
    monitor = connected_monitor()
    assert monitor.lag_s(after(9)) == 0
    monitor.note_idle(after(10))
    monitor.note_subscription(after(11), subscribed=False)
    monitor.note_subscription(after(3600), subscribed=True)
    monitor.note_idle(after(3601))
    monitor.note_ages(after(3605), [1800.0] * 10)
    assert monitor.lag_s(after(3610)) == 3600
    monitor.note_idle(after(3611))
    assert monitor.lag_s(after(3611)) == 0


def test_a_clock_set_back_causes_no_lag():
    monitor = connected_monitor()
    monitor.note_idle(after(10))
    assert monitor.lag_s(after(-3600)) == 0
