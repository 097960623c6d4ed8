"""Silence counts only while ingest sees the present."""

from datetime import UTC, datetime, timedelta

from ingest.catch_up import SETTLING, CatchUpMonitor

START = datetime(2026, 11, 22, tzinfo=UTC)


def after(seconds):
    return START + timedelta(seconds=seconds)


def connected_pulse():
    monitor = CatchUpMonitor()
    monitor.note_subscription(START, subscribed=True)
    return monitor


def test_nothing_is_live_before_a_session_stands():
    monitor = CatchUpMonitor()
    monitor.note_idle(START)
    assert not monitor.is_caught_up(START)


def test_a_quiet_moment_proves_the_present_once_the_session_has_settled():
    monitor = connected_pulse()
    monitor.note_idle(after(1))
    assert not monitor.is_caught_up(after(1))
    monitor.note_idle(START + SETTLING)
    assert monitor.is_caught_up(START + SETTLING)


def test_a_backlog_is_not_the_present():
    monitor = connected_pulse()
    for second in range(60):
        monitor.note_ages(after(second), [3600.0 - second] * 100)
    assert not monitor.is_caught_up(after(60))


def test_fresh_messages_under_full_load_are_the_present():
    monitor = connected_pulse()
    for second in range(10):
        monitor.note_ages(after(second), [0.2] * 80 + [7200.0] * 20)
    assert monitor.is_caught_up(after(10))


def test_one_device_with_a_wrong_clock_does_not_make_a_backlog_the_present():
    monitor = connected_pulse()
    monitor.note_ages(after(10), [3600.0] * 99 + [0.0])
    assert not monitor.is_caught_up(after(10))


def test_a_lost_session_is_not_live_and_settles_anew():
    monitor = connected_pulse()
    monitor.note_idle(after(10))
    monitor.note_subscription(after(11), subscribed=False)
    assert not monitor.is_caught_up(after(11))
    monitor.note_subscription(after(12), subscribed=True)
    monitor.note_idle(after(12))
    assert not monitor.is_caught_up(after(12))


def test_the_present_fades_when_it_is_not_seen_again():
    monitor = connected_pulse()
    monitor.note_idle(after(10))
    assert monitor.is_caught_up(after(14))
    assert not monitor.is_caught_up(after(16))


def test_the_present_stays_known_over_an_interruption_and_a_backlog_does_not_renew_it():
    monitor = connected_pulse()
    assert monitor.lag_s(after(9)) == 0
    monitor.note_idle(after(10))
    monitor.note_subscription(after(11), subscribed=False)
    monitor.note_subscription(after(3600), subscribed=True)
    monitor.note_idle(after(3601))
    monitor.note_ages(after(3605), [1800.0] * 10)
    assert monitor.lag_s(after(3610)) == 3600
    monitor.note_idle(after(3611))
    assert monitor.lag_s(after(3611)) == 0


def test_a_clock_that_is_set_back_leaves_nothing_behind():
    monitor = connected_pulse()
    monitor.note_idle(after(10))
    assert monitor.lag_s(after(-3600)) == 0
