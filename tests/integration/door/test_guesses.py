"""Guessers at a real door: their delays, their lines in the log, and the device that they can't lock out."""

import threading
import time

import pytest
from structlog.testing import capture_logs

from door import metrics
from doors import ACCEPTED, NOT_AUTHORIZED, login, new_secret, register_devices, running_door
from local.home import Home
from patience import Stopwatch
from running import running_broker

METER = "east/water_meter/w1"


@pytest.fixture
def secret(database_url):
    register_devices(database_url, "east", {"device": "w1", "kind": "water_meter"})
    return new_secret(database_url, METER)


@pytest.fixture
def broker(tmp_path):
    with Home(tmp_path) as home, running_broker(home) as (broker, _):
        yield broker


def refusal_s(broker, username=METER):
    """Return the seconds until a wrong login is refused."""
    began = time.monotonic()
    assert login(broker.ingest_url, username, "guessed") == NOT_AUTHORIZED
    return time.monotonic() - began


def test_a_guesser_waits_longer_and_longer_and_the_device_does_not(database_url, broker, secret):
    with running_door(database_url, broker, longest_delay_s=1.0), capture_logs() as lines:
        assert [refusal_s(broker) for _ in range(5)][-1] >= 1.0
        assert refusal_s(broker, "east/water_meter/unknown") >= 1.0
        guessers = [threading.Thread(target=refusal_s, args=(broker,)) for _ in range(10)]
        for guesser in guessers:
            guesser.start()
        watch = Stopwatch()
        assert login(broker.ingest_url, METER, secret) == ACCEPTED
        assert watch.quiet_s() < 1.0
        for guesser in guessers:
            guesser.join()
    refused = [line for line in lines if line["event"] == "refused a login"]
    assert [(line["user"], line["address"], line["times_of_user"]) for line in refused] == [(METER, "127.0.0.1", 1)]
    assert "guessed" not in str(lines)


def test_every_refusal_is_counted_and_what_is_no_username_is_not_written_down(database_url, broker, secret):
    counter = metrics.LOGINS.labels("unknown_device")
    before = counter._value.get()  # noqa: SLF001
    with running_door(database_url, broker), capture_logs() as lines:
        for username in ("蒙K·A1234", secret, "east/water_meter/w9"):
            refusal_s(broker, username)
    assert counter._value.get() == before + 3  # noqa: SLF001
    [line] = [line for line in lines if line["event"] == "refused a login"]
    assert line["user"] is None
    assert secret not in str(lines)
