"""Delays and log lines of refused logins, as laws over any course of time."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from door.guesses import FIRST_DELAY_S, LONGEST_DELAY_S, Guesses

METER = "east/water_meter/w1"
ADDRESS = "192.0.2.7"


def delays(times, device=METER, address=ADDRESS):
    guesses = Guesses()
    return [guesses.refuse(device, address, at).delay_s for at in times]


def test_each_refusal_takes_longer_than_the_last_up_to_a_bound():
    taken = delays(n * 10.0 for n in range(12))
    assert taken[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert taken[-1] == LONGEST_DELAY_S


@pytest.mark.parametrize("device", [METER, ""])
def test_refusals_that_are_asked_for_at_once_are_answered_one_after_the_other(device):
    taken = delays([1.0] * 20, device)
    assert all(before < after for before, after in pairwise(taken) if after < LONGEST_DELAY_S)
    assert sum(delay == LONGEST_DELAY_S for delay in taken) > 10


def test_a_guesser_with_many_addresses_is_slowed_down_by_the_device():
    guesses = Guesses()
    assert [guesses.refuse(METER, f"192.0.2.{n}", n * 10.0).delay_s for n in range(10)][-1] == LONGEST_DELAY_S


def test_a_guesser_with_many_names_is_slowed_down_by_the_address():
    guesses = Guesses()
    assert [guesses.refuse(f"east/camera/c{n}", ADDRESS, n * 10.0).delay_s for n in range(10)][-1] == LONGEST_DELAY_S


def test_another_device_at_another_address_is_not_slowed_down():
    guesses = Guesses()
    for n in range(20):
        guesses.refuse(METER, ADDRESS, n * 1.0)
    assert guesses.refuse("east/camera/c1", "192.0.2.8", 20.0).delay_s == pytest.approx(FIRST_DELAY_S)


def test_the_addresses_of_one_ipv6_customer_count_as_one():
    guesses = Guesses()
    assert [guesses.refuse("", f"2001:db8::{n:x}", n * 10.0).delay_s for n in range(10)][-1] == LONGEST_DELAY_S
    assert guesses.refuse("", "2001:db8:0:1::1", 100.0).delay_s == pytest.approx(FIRST_DELAY_S)


def test_ten_minutes_without_a_refusal_are_forgiven():
    assert delays([0.0, 1.0, 2.0, 3.0, 700.0])[-1] == pytest.approx(FIRST_DELAY_S)


@given(st.lists(st.tuples(st.sampled_from(["", METER, "x"]), st.sampled_from([ADDRESS, "::1", "?"]), st.floats(0, 99))))
def test_every_refusal_is_answered_in_time_and_counted_in_a_line_or_the_next_one(attempts):
    guesses, now, reported = Guesses(), 0.0, 0
    for device, address, pause in attempts:
        now += pause
        refused = guesses.refuse(device, address, now)
        assert 0 < refused.delay_s <= LONGEST_DELAY_S
        reported += refused.is_reported
    assert reported <= 60 + now


def test_a_flood_of_refusals_is_a_line_a_minute_with_their_number():
    guesses = Guesses()
    lines = [refused for n in range(1201) if (refused := guesses.refuse(METER, ADDRESS, n / 10)).is_reported]
    assert [line.device for line in lines] == [1, 600, 600]
    assert [line.address for line in lines] == [1, 600, 600]


def test_each_device_of_one_address_has_a_line():
    guesses = Guesses()
    lines = [guesses.refuse(device, ADDRESS, 1.0).is_reported for device in ("", METER, "east/camera/c1", METER, "")]
    assert lines == [True, True, True, False, False]


def test_a_flood_from_a_million_addresses_takes_bounded_memory_and_lines():
    guesses = Guesses()
    lines = sum(guesses.refuse("", f"10.{n >> 8 & 255}.{n & 255}.1", n / 10_000).is_reported for n in range(60_000))
    assert len(guesses) <= 20_000
    assert lines <= 70
