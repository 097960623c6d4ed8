"""A clock step of an hour, in ingest or in a device, loses nothing and raises no false alert."""

import subprocess
import time
from pathlib import Path

import pytest

from logged_publisher import Load, LoggedPublisher
from running import Ingest, epoch_ms, query, reading, register
from stage import staged

pytestmark = pytest.mark.chaos

HOUR_MS = 3_600_000
# The oracle looks for rejections by a wrong clock in the table, which stores a thousand per hour.
SLOW = 40


@pytest.fixture(scope="session")
def faketime(tmp_path_factory):
    """Return the library for a private clock of one process: of the host, or from Debian's package."""
    folder = tmp_path_factory.mktemp("faketime")
    commands = "apt-get download libfaketime && dpkg -x libfaketime_*.deb ."
    if not (path := library(Path("/usr/lib"))):
        subprocess.run(["sh", "-c", commands], cwd=folder, check=False, capture_output=True)  # noqa: S607
        path = library(folder / "usr" / "lib")
    return path or pytest.skip("libfaketime can't be had: apt install libfaketime")


def library(folder):
    return next(folder.glob("*/faketime/libfaketime.so.1"), None)


@pytest.fixture
def clock(tmp_path):
    """Return the file with the offset of the clock of ingest."""
    file = tmp_path / "clock"
    file.write_text("+0")
    return file


@pytest.fixture
def stage(services, faketime, clock, tmp_path, record_property):
    """Run ingest with a clock of its own."""
    wrong = {"LD_PRELOAD": str(faketime), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "1",
             "FAKETIME_DONT_FAKE_MONOTONIC": "1"}  # fmt: skip
    ingest = Ingest(services.database_url, services.mqtt_url, tmp_path / "ingest.log", **wrong)
    with staged(services, ingest, record_property) as stage:
        yield stage


@pytest.fixture
def gates(stage):
    """Ten gates that always send; their rule raises an alert after three minutes without data."""
    register(stage.database_url, "menkou", [(f"gate{n}", "vehicle_gate") for n in range(10)])

    def message(n):
        topic = f"anju/v1/menkou/vehicle_gate/gate{n % 10}/telemetry"
        return topic, reading(epoch_ms(), barrier_state="down")

    publisher = LoggedPublisher(stage.services.publish_mqtt_url, Load(message, rate=20))
    publisher.start()
    yield
    publisher.give_up()


HAS_STEPPED = "SELECT max(received_at) > now() + interval '50 min' FROM telemetry_water_meter"


@pytest.mark.usefixtures("gates")
def test_the_clock_of_ingest_steps_an_hour_ahead_and_back(stage, clock):
    with stage.load(rate=SLOW):
        clock.write_text("+3600")
        time.sleep(15)
        assert query(stage.database_url, HAS_STEPPED) == [(True,)]
        clock.write_text("+0")
        time.sleep(15)
    verdict = stage.must_be_whole("clock of ingest an hour ahead for 15 s")
    assert not verdict.good_but_rejected


@pytest.mark.usefixtures("gates")
def test_the_clock_of_ingest_steps_an_hour_behind_and_back(stage, clock):
    """Until the step back, every device seems to be an hour ahead and is rejected for it."""
    with stage.load(rate=SLOW):
        clock.write_text("-3600")
        time.sleep(15)
        clock.write_text("+0")
        time.sleep(15)
    verdict = stage.must_be_whole("clock of ingest an hour behind for 15 s")
    assert verdict.good_but_rejected


def test_the_clocks_of_devices_are_an_hour_ahead_and_an_hour_behind(stage):
    """Ahead: each reading is rejected with its reason. Behind: each is stored, late."""
    with stage.load(rate=SLOW):
        for wrong_by in (HOUR_MS, -HOUR_MS):
            publisher = stage.publisher(rate=SLOW, ahead_ms=wrong_by)
            time.sleep(8)
            publisher.finish()
    verdict = stage.must_be_whole("clocks of devices an hour ahead, then an hour behind")
    assert len(verdict.good_but_rejected) > 200
    assert query(stage.database_url, REASONS) == [("bad_json",), ("future_timestamp",), ("impossible_value",)]


REASONS = "SELECT DISTINCT reason FROM rejection ORDER BY 1"
