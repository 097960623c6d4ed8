"""The messages that may be in flight by the sizes of those that wait: laws, and what the broker's settings promise."""

from itertools import accumulate
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from door.backlog import BYTES_IN_FLIGHT, LEAST_IN_FLIGHT, MOST_IN_FLIGHT, Backlog
from ingest import receiver
from local.brokers.nats import CONFIGURATION

KIB: Final = 1024
SIZES = st.sampled_from([100, 1_000, 16 * KIB, 100 * KIB, 1024 * KIB])


class Stream:
    """Stream of messages that are stored at its end and acknowledged from its beginning."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.first = 0
        self.greatest_step = 0

    def store(self, size: int, count: int) -> None:
        self.sizes += [size] * count
        self.greatest_step = max(self.greatest_step, size * count)

    def acknowledge(self, count: int) -> None:
        self.first = min(self.first + count, len(self.sizes))

    def seen_by(self, backlog: Backlog) -> None:
        backlog.note(self.first + 1, len(self.sizes), sum(self.sizes[self.first :]))

    def next_bytes(self, count: int) -> int:
        return sum(self.sizes[self.first : self.first + count])


def test_small_messages_are_bounded_by_number_alone():
    backlog, stream = Backlog(), Stream()
    for _ in range(20):
        stream.store(300, 5_000)
        stream.seen_by(backlog)
    assert backlog.window() == MOST_IN_FLIGHT
    stream.acknowledge(10**6)
    stream.seen_by(backlog)
    assert backlog.window() == MOST_IN_FLIGHT


@given(size=st.integers(1, 1024 * KIB), counts=st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_messages_of_one_size_are_bounded_by_their_bytes(size: int, counts: list[int]):
    backlog, stream = Backlog(), Stream()
    for count in counts:
        stream.store(size, count)
        stream.seen_by(backlog)
    window = backlog.window()
    assert LEAST_IN_FLIGHT <= window <= MOST_IN_FLIGHT
    assert min(window, sum(counts)) * size <= max(BYTES_IN_FLIGHT, LEAST_IN_FLIGHT * size)


@given(steps=st.lists(st.tuples(SIZES, st.integers(1, 60), st.integers(0, 40)), min_size=1, max_size=40))
def test_whatever_waits_the_next_ones_exceed_the_bound_by_one_step_at_most(steps: list[tuple[int, int, int]]):
    """Totals tell the mean of a step only, so that its messages may come in the worst order."""
    backlog, stream = Backlog(), Stream()
    for size, count, _ in steps:
        stream.store(size, count)
        stream.seen_by(backlog)
    for _, _, acknowledged in steps:
        stream.acknowledge(acknowledged)
        stream.seen_by(backlog)
        window = backlog.window()
        # A piece that is merged of steps has less than 4 MiB before the last one is added.
        spare = stream.greatest_step + 4 * KIB * KIB
        assert stream.next_bytes(window) <= max(BYTES_IN_FLIGHT + spare, LEAST_IN_FLIGHT * 1024 * KIB)


def test_large_messages_ahead_narrow_the_window_before_they_are_reached_and_widen_it_when_they_are_gone():
    backlog, stream = Backlog(), Stream()
    for size, count in [*[(200, 1_000)] * 40, *[(1024 * KIB, 8)] * 40, *[(200, 1_000)] * 40]:
        stream.store(size, count)
        stream.seen_by(backlog)
    windows = []
    while stream.first < len(stream.sizes):
        stream.seen_by(backlog)
        windows.append((stream.first, backlog.window()))
        stream.acknowledge(500)
    assert windows[0] == (0, MOST_IN_FLIGHT)
    assert min(window for _, window in windows) == LEAST_IN_FLIGHT
    assert windows[-1][1] == MOST_IN_FLIGHT
    # Of 120 steps the ones that wait long before the large messages, and all behind them, are not concerned.
    assert sum(window == MOST_IN_FLIGHT for _, window in windows) > len(windows) / 2


@pytest.mark.parametrize("count", [1_000, 100_000])
def test_a_stream_that_is_replaced_by_a_shorter_one_is_looked_at_anew(count: int):
    backlog = Backlog()
    backlog.note(1, 200_000, 200_000 * 1024 * KIB)
    assert backlog.window() == LEAST_IN_FLIGHT
    backlog.note(1, count, count * 100)
    assert backlog.window() == MOST_IN_FLIGHT


def test_days_of_steps_are_remembered_in_bounded_memory():
    backlog = Backlog()
    for step, last in enumerate(accumulate([2_000] * 20_000), 1):
        backlog.note(1, last, 2_000 * step * 300)
    assert len(backlog._pieces) <= 2_000  # noqa: SLF001 - the memory is the subject
    assert backlog.window() == MOST_IN_FLIGHT


def test_the_bounds_fit_the_settings_of_the_broker_and_the_buffer_of_ingest():
    assert f"max_ack_pending: {MOST_IN_FLIGHT}," in CONFIGURATION
    assert receiver._BUFFER_BYTES > BYTES_IN_FLIGHT  # noqa: SLF001 - so that it never stops to read
    assert receiver._BUFFER_MESSAGES >= MOST_IN_FLIGHT  # noqa: SLF001
