"""`anju replay` with a year of 92 recorded water meters: every row arrives, and none twice."""

import json
from pathlib import Path

import pytest

from patience import eventually, steady
from running import query

RECORDING = Path(__file__).parents[2] / ".." / "shared" / "data" / "daiad-swm-trial-a.zip"
ROWS = 674_019
METERS = "telemetry_water_meter JOIN device ON device.id = device_id WHERE community = 'daiad-trial-a'"


def state(url):
    """Number and checksum of what is stored of the recording, and how much of it was rejected."""
    [(stored, checksum)] = query(
        url,
        f"SELECT count(*), coalesce(sum(hashtextextended(concat_ws('|', name, ts, received_at, volume_m3), 0)), 0) "
        f"FROM {METERS}",
    )
    [(rejected,)] = query(url, "SELECT coalesce(sum(count), 0) FROM rejection_count WHERE community = 'daiad-trial-a'")
    return stored, checksum, rejected


def handled(house):
    """How many items ingest has stored, found again or rejected since it started, redelivered ones included."""
    lines = [line.rpartition(" ") for line in house.metrics().splitlines()]
    return sum(
        float(value) for name, _, value in lines if name.startswith(("anju_items_total", "anju_rejections_total"))
    )


def replay(house):
    """Send the recording and wait until all of it has been seen to; what the command says of it."""
    before = handled(house)
    done = house.anju("replay", RECORDING.resolve(), "--batch", "500", "--json")
    assert done.returncode == 0, done.stderr
    eventually(lambda: handled(house) >= before + ROWS, timeout_s=300)
    steady(lambda: handled(house), for_s=3)
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.recorded_data
@pytest.mark.skipif(not RECORDING.exists(), reason=f"the recorded meter readings are not at {RECORDING}")
def test_a_recording_is_stored_whole_and_sent_again_changes_nothing(house):
    count = replay(house)
    assert count["rows"] == count["distinct"] + count["duplicates_same"] + count["duplicates_other"] == ROWS
    stored, checksum, rejected = state(house.database_url)
    assert stored == count["distinct"]
    assert stored + count["duplicates_same"] + count["duplicates_other"] + rejected == ROWS
    assert replay(house) == count
    assert state(house.database_url) == (stored, checksum, rejected)


def test_a_recording_that_is_not_there_is_named(house, tmp_path):
    done = house.anju("replay", tmp_path / "trial.zip")
    assert done.returncode == 1
    assert "trial.zip does not exist" in done.stderr


def test_a_file_that_is_no_recording_is_refused(house, tmp_path):
    (tmp_path / "trial.csv").write_text("meter,value\n1,2\n")
    done = house.anju("replay", tmp_path / "trial.csv")
    assert done.returncode == 1
    assert "is not a DAIAD recording" in done.stderr
