"""Sends what a fleet says at the pace of a clock: history first, then live, without a gap or an overlap."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import chain
from typing import Protocol

from simulators.fleet import Fleet
from simulators.message import Message

_MAX_SLEEP_S = 0.5
_BURST = timedelta(seconds=5)
_FRESH = timedelta(seconds=10)


class MessageSink(Protocol):
    """Where messages go; `Publisher` is one."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, timeout_s: float | None = None) -> bool:
        """Take one message; False when that was not possible in time."""
        ...


def run(
    fleet: Fleet,
    sink: MessageSink,
    *,
    start: datetime,
    until: datetime | None,
    speed: float | None,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    stop: Callable[[], bool],
    wait_for_ingest: Callable[[], None] = lambda: None,
) -> int:
    """Send the connection states, then every message from `start` up to `until`.

    A message never leaves before its own instant, because a clock that runs ahead is a fault of its own; so a speed
    above 1 needs a `start` in the past, and ends in real time when it has caught up.

    At speed 1 history is sent in bursts of 5 s, so that a whole day of it does not make ingest lag behind live devices.

    Args:
        fleet: whose messages.
        sink: where they go.
        start: the beginning, aware; what is before now is history.
        until: the end, aware; None goes on until `stop`, or until now where there is no pace.
        speed: 1 sends history as fast as possible and goes on in real time; 60 sends an hour of history in a minute;
            None or 0 waits for nothing at all, not even for the future.
        now: reads the clock.
        sleep: waits for seconds.
        stop: whether to end early; asked before every message.
        wait_for_ingest: waits until ingest has worked off a burst of history.

    Returns:
        How many messages were sent.

    Raises:
        ValueError: the speed is negative, or a time has no offset from UTC.
    """
    if speed is not None and speed < 0:
        raise ValueError("the speed must be 0 or more: 1 is real time")
    if start.tzinfo is None or (until is not None and until.tzinfo is None):
        raise ValueError("start and until need an offset from UTC, such as +08:00")
    started_at = now()
    end = started_at if until is None and not speed else until
    sent, burst_ends = 0, started_at + _BURST
    for message in chain(fleet.statuses(start), fleet.messages(start, end)):
        if speed:
            lag = timedelta(0) if speed == 1 else (message.at - start) / speed
            _wait(max(message.at, started_at + lag), now, sleep, stop)
        if not _send(sink, message, stop):
            break
        sent += 1
        if speed == 1 and message.at + _FRESH < now() > burst_ends:
            wait_for_ingest()
            burst_ends = now() + _BURST
    return sent


def _wait(due: datetime, now: Callable[[], datetime], sleep: Callable[[float], None], stop: Callable[[], bool]) -> None:
    """Wait until an instant, in naps short enough to notice that somebody wants an end."""
    while not stop() and (left := (due - now()).total_seconds()) > 0:
        sleep(min(left, _MAX_SLEEP_S))


def _send(sink: MessageSink, message: Message, stop: Callable[[], bool]) -> bool:
    """Whether the sink took the message before somebody wanted an end."""
    while not stop():
        if sink.publish(message.topic, message.payload, retain=message.retain, timeout_s=_MAX_SLEEP_S):
            return True
    return False
