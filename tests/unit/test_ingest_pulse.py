"""Silence counts only while ingest sees the present."""

from datetime import UTC, datetime, timedelta

from ingest.catch_up import SETTLING, Pulse

START = datetime(2026, 11, 22, tzinfo=UTC)


def after(seconds):
    return START + timedelta(seconds=seconds)


def connected_pulse():
    pulse = Pulse()
    pulse.subscription(START, stands=True)
    return pulse


def test_nothing_is_live_before_a_session_stands():
    pulse = Pulse()
    pulse.quiet(START)
    assert not pulse.live(START)


def test_a_quiet_moment_proves_the_present_once_the_session_has_settled():
    pulse = connected_pulse()
    pulse.quiet(after(1))
    assert not pulse.live(after(1))
    pulse.quiet(START + SETTLING)
    assert pulse.live(START + SETTLING)


def test_a_backlog_is_not_the_present():
    pulse = connected_pulse()
    for second in range(60):
        pulse.lags(after(second), [3600.0 - second] * 100)
    assert not pulse.live(after(60))


def test_fresh_messages_under_full_load_are_the_present():
    pulse = connected_pulse()
    for second in range(10):
        pulse.lags(after(second), [0.2] * 80 + [7200.0] * 20)
    assert pulse.live(after(10))


def test_one_device_with_a_wrong_clock_does_not_make_a_backlog_the_present():
    pulse = connected_pulse()
    pulse.lags(after(10), [3600.0] * 99 + [0.0])
    assert not pulse.live(after(10))


def test_a_lost_session_is_not_live_and_settles_anew():
    pulse = connected_pulse()
    pulse.quiet(after(10))
    pulse.subscription(after(11), stands=False)
    assert not pulse.live(after(11))
    pulse.subscription(after(12), stands=True)
    pulse.quiet(after(12))
    assert not pulse.live(after(12))


def test_the_present_fades_when_it_is_not_seen_again():
    pulse = connected_pulse()
    pulse.quiet(after(10))
    assert pulse.live(after(14))
    assert not pulse.live(after(16))


def test_the_present_stays_known_over_an_interruption_and_a_backlog_does_not_renew_it():
    pulse = connected_pulse()
    assert pulse.behind_s(after(9)) == 0
    pulse.quiet(after(10))
    pulse.subscription(after(11), stands=False)
    pulse.subscription(after(3600), stands=True)
    pulse.quiet(after(3601))
    pulse.lags(after(3605), [1800.0] * 10)
    assert pulse.behind_s(after(3610)) == 3600
    pulse.quiet(after(3611))
    assert pulse.behind_s(after(3611)) == 0


def test_a_clock_that_is_set_back_leaves_nothing_behind():
    pulse = connected_pulse()
    pulse.quiet(after(10))
    assert pulse.behind_s(after(-3600)) == 0
