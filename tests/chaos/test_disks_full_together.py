"""A database and a broker that are full at the same time: nothing that was acknowledged is lost."""

from contextlib import ExitStack

import pytest

from disk import fill, small_disk
from patience import eventually, steady

pytestmark = pytest.mark.chaos


@pytest.fixture
def disks(tmp_path):
    """Return a disk for the database and one for the broker; request them before `stage`."""
    with ExitStack() as stack:
        yield [stack.enter_context(small_disk(tmp_path / "data" / name)) for name in ("postgres", "broker")]


def test_broker_and_database_whose_disks_are_full_at_once(disks, stage):
    """The database fills up first, so that the broker holds what ingest can't store when it has no room either."""
    postgres, broker = stage.services.postgres, stage.services.broker
    with stage.load() as publisher:
        ballast = [fill(disks[0])]
        eventually(lambda: "No space left on device" in stage.ingest.log.read_text())
        waiting = stage.waiting_at_the_broker()
        eventually(lambda: stage.waiting_at_the_broker() > waiting)
        ballast.append(fill(disks[1]))
        steady(lambda: len(publisher.log), for_s=3)
        for file in ballast:
            file.unlink()
        if not postgres.alive():
            postgres.start()
        broker.stop()
        broker.start()
    stage.must_be_whole("disks of database and broker full at once")
