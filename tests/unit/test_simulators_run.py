"""Pace of the messages of a fleet."""

from datetime import UTC, datetime, timedelta

import pytest

from devices.device import Device
from simulators.fleet import Fleet
from simulators.run import run

FLEET = Fleet([Device(1, "east", "camera-1", "camera"), Device(2, "east", "gate-1", "vehicle_gate")], 1)
NOW = datetime(2026, 1, 10, 4, 0, tzinfo=UTC)


class Clock:
    """Clock that advances only during sleeps, with a record of the messages sent."""

    def __init__(self, *, publish_s=0.0):
        self.time = NOW
        self.sent = []
        self.full = 0
        self.publish_time = timedelta(seconds=publish_s)
        self.waits = []

    def now(self):
        return self.time

    def sleep(self, seconds):
        assert 0 < seconds <= 1
        self.time += timedelta(seconds=seconds)

    def publish(self, topic, payload, *, retain=False, timeout_s=None):
        if self.full:
            self.full -= 1
            self.time += timedelta(seconds=timeout_s)
            return False
        self.sent.append((self.time, topic, payload))
        self.time += self.publish_time
        return True

    def wait_for_ingest(self):
        self.time += timedelta(seconds=1)
        self.waits.append(self.time)

    def run(self, start, until, speed, stop=lambda: False):
        return run(
            FLEET,
            self,
            start=start,
            until=until,
            speed=speed,
            now=self.now,
            sleep=self.sleep,
            stop=stop,
            wait_for_ingest=self.wait_for_ingest,
        )


def expected(start, until):
    return [*FLEET.statuses(start), *FLEET.messages(start, until)]


def test_history_is_sent_at_once_and_then_every_message_at_its_instant():
    clock, start, until = Clock(), NOW - timedelta(hours=2), NOW + timedelta(minutes=10)
    messages = expected(start, until)
    assert clock.run(start, until, 1) == len(messages)
    assert [(topic, payload) for _, topic, payload in clock.sent] == [(m.topic, m.payload) for m in messages]
    for message, (at, _, _) in zip(messages, clock.sent, strict=True):
        assert max(NOW, message.at) <= at <= max(NOW, message.at) + timedelta(microseconds=1)


def test_a_faster_pace_sends_history_and_then_continues_in_real_time():
    clock, start, until = Clock(), NOW - timedelta(hours=1), NOW + timedelta(minutes=10)
    messages = expected(start, until)
    clock.run(start, until, 60)
    for message, (at, _, _) in zip(messages, clock.sent, strict=True):
        due = max(message.at, NOW + (message.at - start) / 60)
        assert abs(at - due) <= timedelta(microseconds=1)
    assert clock.sent[-1][0] - NOW > timedelta(minutes=9)


@pytest.mark.parametrize("speed", [None, 0])
def test_without_a_pace_all_messages_up_to_now_are_sent_at_once(speed):
    clock, start = Clock(), NOW - timedelta(hours=1)
    assert clock.run(start, None, speed) == len(expected(start, NOW))
    assert {at for at, _, _ in clock.sent} == {NOW}


def test_without_a_pace_future_messages_are_sent_on_request():
    clock, until = Clock(), NOW + timedelta(hours=1)
    assert clock.run(NOW, until, None) == len(expected(NOW, until))


def test_history_waits_for_ingest_after_each_five_seconds_and_live_messages_never_do():
    clock, start, until = Clock(publish_s=0.5), NOW - timedelta(hours=1), NOW + timedelta(minutes=10)
    messages = expected(start, until)
    assert clock.run(start, until, 1) == len(messages)
    assert [(topic, payload) for _, topic, payload in clock.sent] == [(m.topic, m.payload) for m in messages]
    bursts = [after - before for before, after in zip([NOW, *clock.waits], clock.waits, strict=False)]
    assert len(bursts) > 3
    assert all(timedelta(seconds=5) < burst < timedelta(seconds=7) for burst in bursts)
    history_s = 0.5 * sum(message.at < NOW for message in messages)
    assert clock.waits[-1] < NOW + timedelta(seconds=1.5 * history_s)


def test_without_a_pace_nothing_waits_for_ingest():
    clock = Clock(publish_s=0.5)
    clock.run(NOW - timedelta(hours=1), None, 0)
    assert clock.waits == []


def test_a_live_run_without_an_end_stops_on_request():
    clock = Clock()
    clock.run(NOW, None, 1, stop=lambda: clock.time >= NOW + timedelta(minutes=5))
    assert NOW + timedelta(minutes=4) < clock.sent[-1][0] <= NOW + timedelta(minutes=5)
    assert clock.time < NOW + timedelta(minutes=5, seconds=2)


def test_a_full_sink_receives_the_same_message_again():
    clock, start = Clock(), NOW - timedelta(hours=1)
    clock.full = 7
    clock.run(start, NOW, None)
    assert [payload for _, _, payload in clock.sent] == [message.payload for message in expected(start, NOW)]


def test_a_sink_that_stays_full_does_not_keep_a_run_from_stopping():
    clock = Clock()
    clock.full = 10**9
    assert clock.run(NOW - timedelta(hours=1), None, 1, stop=lambda: clock.time > NOW + timedelta(seconds=3)) == 0


def test_a_negative_speed_and_a_time_without_an_offset_are_refused():
    with pytest.raises(ValueError, match="speed"):
        Clock().run(NOW, None, -1)
    with pytest.raises(ValueError, match="offset"):
        Clock().run(NOW.replace(tzinfo=None), None, 1)
