"""Timers to the second: nothing is taken before its second, and nothing is lost."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rules.engine.timers import Timers

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds):
    return START + timedelta(seconds=seconds)


waits = st.tuples(st.floats(0, 100), st.sampled_from(["no_data", "lost"]), st.integers(1, 9))


@given(added=st.lists(waits), looks=st.lists(st.floats(0, 120), max_size=6).map(sorted))
def test_each_is_taken_once_at_the_first_look_in_its_second_or_later(added, looks):
    timers = Timers()
    for due, name, number in added:
        timers.add_check(at(due), name, number)
    waiting = sorted(added)
    for look in looks:
        expected = [each for each in waiting if int(at(each[0]).timestamp()) <= int(at(look).timestamp())]
        waiting = [each for each in waiting if each not in expected]
        assert sorted(timers.take_checks(at(look))) == sorted((name, number) for _, name, number in expected)
    assert sorted(timers.take_checks(at(1000))) == sorted((name, number) for _, name, number in waiting)


def test_a_check_added_while_taking_waits_for_the_next_look():
    timers = Timers()
    timers.add_check(at(1.2), "no_data", 7)
    for name, number in timers.take_checks(at(1.5)):
        timers.add_check(at(1.9), name, number)
    assert list(timers.take_checks(at(1.7))) == [("no_data", 7)]
    assert list(timers.take_checks(at(1.9))) == []
