"""`anju replay` with a year of 92 recorded water meters: every row arrives exactly once."""

import json
from itertools import islice
from zipfile import ZipFile

import pytest

from patience import eventually, steady
from recording import RECORDING, ROWS
from running import query

METERS = "telemetry_water_meter JOIN device ON device.id = device_id WHERE community = 'daiad-trial-a'"


def state(url):
    """Return number and checksum of the stored readings of the recording, and the number of rejections."""
    [(stored, checksum)] = query(
        url,
        f"SELECT count(*), coalesce(sum(hashtextextended(concat_ws('|', name, ts, received_at, volume_m3), 0)), 0) "
        f"FROM {METERS}",
    )
    [(rejected,)] = query(url, "SELECT coalesce(sum(count), 0) FROM rejection_count WHERE community = 'daiad-trial-a'")
    return stored, checksum, rejected


def handled(house):
    """Return the number of items that ingest has handled since its start, including duplicates and redeliveries."""
    lines = [line.rpartition(" ") for line in house.metrics().splitlines()]
    return sum(
        float(value) for name, _, value in lines if name.startswith(("anju_items_total", "anju_rejections_total"))
    )


def replay(house, recording):
    """Replay a recording, wait for ingest, and return the counts that the command prints."""
    before = handled(house)
    done = house.anju("replay", recording, "--batch", "500", "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    eventually(lambda: handled(house) >= before + counts["rows"], timeout_s=300)
    steady(lambda: handled(house), for_s=3)
    return counts


def first_tenth(folder):
    """Write a recording with the first tenth of the rows."""
    with ZipFile(RECORDING) as whole, whole.open(whole.namelist()[0]) as lines:
        (folder / "tenth.csv").write_bytes(b"".join(islice(lines, 1 + ROWS // 10)))
    return folder / "tenth.csv"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.recorded_data
def test_a_recording_is_stored_completely_and_a_second_replay_changes_nothing(house, tmp_path):
    count = replay(house, RECORDING)
    assert count["rows"] == count["distinct"] + count["duplicates_same"] + count["duplicates_other"] == ROWS
    stored, checksum, rejected = state(house.database_url)
    assert stored == count["distinct"]
    assert stored + count["duplicates_same"] + count["duplicates_other"] + rejected == ROWS
    assert replay(house, first_tenth(tmp_path))["rows"] == ROWS // 10
    assert state(house.database_url) == (stored, checksum, rejected)


def test_a_missing_recording_is_named(house, tmp_path):
    done = house.anju("replay", tmp_path / "trial.zip")
    assert done.returncode == 1
    assert "trial.zip does not exist" in done.stderr


def test_a_file_without_a_recording_is_refused(house, tmp_path):
    (tmp_path / "trial.csv").write_text("meter,value\n1,2\n")
    done = house.anju("replay", tmp_path / "trial.csv")
    assert done.returncode == 1
    assert "is not a DAIAD recording" in done.stderr
