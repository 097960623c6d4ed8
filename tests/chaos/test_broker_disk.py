"""A broker with a full or stalled disk acknowledges no message that it can't store."""

import time

import httpx
import pytest

from disk import fill, freezable_disk, frozen, small_disk
from patience import eventually, patient

pytestmark = pytest.mark.chaos


@pytest.fixture
def full_disk(tmp_path):
    """Return a disk for the broker alone; request it before `stage`."""
    with small_disk(tmp_path / "data" / "broker") as folder:
        yield folder


@pytest.fixture
def slow_disk(tmp_path):
    """Return another disk; request it before `stage`."""
    with freezable_disk(tmp_path / "data" / "broker", tmp_path / "disk") as folder:
        yield folder


def test_a_broker_whose_disk_is_full(full_disk, stage):
    """NATS Server stores nothing more until a restart, even with free space."""
    with stage.load() as publisher:
        ballast = fill(full_disk)
        eventually(lambda: stands_still(publisher), timeout_s=90)
        assert "no space left" in httpx.get(f"{stage.services.monitoring_url}/healthz", timeout=patient(20)).text
        ballast.unlink()
        stage.services.broker.stop()
        stage.services.broker.start()
    stage.must_be_whole("broker's disk full")


def stands_still(publisher):
    before = len(publisher.log)
    time.sleep(3)
    return len(publisher.log) == before


def test_a_broker_whose_disk_stands_still(slow_disk, stage):
    with stage.load(), frozen(slow_disk):
        time.sleep(8)
    stage.must_be_whole("broker's disk stands still for 8 s")
    assert "closing the connection" not in stage.services.broker.log_file.read_text()
