"""Pace of a fleet: history first, then live, without a gap or an overlap."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import chain
from typing import Protocol

from simulators.fleet import Fleet
from simulators.message import Message

_MAX_SLEEP_S = 0.5
_BURST = timedelta(seconds=5)
_FRESH = timedelta(seconds=10)  # a younger message is live and not history


class MessageSink(Protocol):
    """Destination of messages, such as `Publisher`."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, timeout_s: float | None = None) -> bool:
        """Accept one message; return False if that was not possible in time."""
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
    wait_for_ingest: Callable[[], object] = lambda: None,
    report: Callable[[datetime, int], None] = lambda _at, _sent: None,
) -> int:
    """Send the connection states, then every message from `start` up to `until`.

    A message is never sent before its own instant, because a clock ahead of time is a fault of its own. A speed above 1
    therefore needs a `start` in the past, and continues in real time once it has caught up.

    At speed 1 history is sent in bursts of 5 s, so that a whole day of it does not make ingest lag behind live devices.

    Args:
        fleet: the source of the messages.
        sink: their destination.
        start: the beginning, aware; messages from before now are history.
        until: the end, aware; None continues until `stop`, or ends now at speed 0 or None.
        speed: 1 sends history as fast as possible and continues in real time; 60 sends an hour of history in a minute;
            None or 0 does not wait at all, not even for the future.
        now: reads the clock.
        sleep: waits for seconds.
        stop: returns whether to end early; called before every message.
        wait_for_ingest: waits until ingest has written a burst of history.
        report: receives the instant of each message that was sent, and the number of messages so far.

    Returns:
        The number of messages sent.

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
        report(message.at, sent)
        if speed == 1 and (moment := now()) > burst_ends and moment > message.at + _FRESH:
            wait_for_ingest()
            burst_ends = now() + _BURST
    return sent


def _wait(due: datetime, now: Callable[[], datetime], sleep: Callable[[float], None], stop: Callable[[], bool]) -> None:
    """Wait until an instant, in short sleeps between which `stop` is checked."""
    while not stop() and (left := (due - now()).total_seconds()) > 0:
        sleep(min(left, _MAX_SLEEP_S))


def _send(sink: MessageSink, message: Message, stop: Callable[[], bool]) -> bool:
    """Send one message; return False if `stop` came first."""
    while not stop():
        if sink.publish(message.topic, message.payload, retain=message.retain, timeout_s=_MAX_SLEEP_S):
            return True
    return False
