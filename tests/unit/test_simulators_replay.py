"""Replay of the DAIAD recording: every row has an instant, and the counts add up."""

import json
import zipfile
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.device import Device
from devices.payload import Reading, decode
from devices.privacy import Pseudonymiser
from simulators.replay import ReplayCount, ReplayError, Row, messages, plan_of_recording, read_daiad, summarise

HEADER = "user key;datetime;meter reading;diff"
METER = "1F8730A9-5d67-4895-9215-6e247087ea00"
LOCAL = ZoneInfo("Europe/Madrid")


def write_recording(folder, *lines, header=HEADER):
    path = folder / "trial.csv"
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return path


def read(folder, *lines):
    return list(read_daiad(write_recording(folder, *lines)))


def test_a_row_is_a_meter_an_instant_and_litres(tmp_path):
    rows = read(tmp_path, f"{METER};01/03/2016 00:28:55;68321;10", f"{METER};01/07/2016 00:28:55;4e+05;0")
    assert rows == [
        Row(METER.lower(), datetime(2016, 2, 29, 23, 28, 55, tzinfo=UTC), 68321, repeated=False),
        Row(METER.lower(), datetime(2016, 6, 30, 22, 28, 55, tzinfo=UTC), 400_000, repeated=False),
    ]


@pytest.mark.parametrize(
    ("times", "utc"),
    [
        (("01:08:53", "02:08:53", "02:08:53", "03:08:53"), ("23:08:53", "00:08:53", "01:08:53", "02:08:53")),
        (("02:56:14", "02:56:28", "02:56:28", "03:56:28"), ("00:56:14", "00:56:28", "01:56:28", "02:56:28")),
        (("02:52:05", "02:52:07", "02:52:05", "03:52:05"), ("00:52:05", "00:52:07", "01:52:05", "02:52:05")),
        (("01:49:37", "02:49:37", "03:09:00"), ("23:49:37", "00:49:37", "02:09:00")),
        (("02:10:00", "02:05:00", "02:30:00"), ("00:10:00", "01:05:00", "01:30:00")),
    ],
)
def test_the_order_of_the_file_separates_the_passes_of_the_repeated_hour(tmp_path, times, utc):
    rows = read(tmp_path, *(f"{METER};30/10/2016 {time};100;0" for time in times))
    assert [f"{row.at:%H:%M:%S}" for row in rows] == list(utc)


def test_each_meter_has_its_own_order_in_the_repeated_hour(tmp_path):
    rows = read(tmp_path, "a;30/10/2016 02:30:00;1;0", "b;30/10/2016 02:10:00;1;0", "a;30/10/2016 02:30:00;1;0")
    assert [row.repeated for row in rows] == [False, False, True]


def test_a_zip_is_read_like_the_file_in_it(tmp_path):
    plain = write_recording(tmp_path, f"{METER};01/03/2016 00:28:55;68321;10")
    with zipfile.ZipFile(tmp_path / "trial.zip", "w") as archive:
        archive.write(plain, "trial.csv")
    assert list(read_daiad(tmp_path / "trial.zip")) == list(read_daiad(plain))


@pytest.mark.parametrize(
    "line",
    [
        "01/03/2016 00:28:55;68321;10",
        f"{METER};2016-03-01 00:28:55;68321;10",
        f"{METER};01/03/2016 00:28:55;much;10",
        f"{METER};01/03/2016 00:28:55;1.5;10",
        f"{METER};01/03/2016 00:28:55;-5;10",
        f"{METER};01/03/2016 00:28:55;Infinity;10",
        f"{METER};01/03/2016 00:28:55;NaN;10",
        "not a meter;01/03/2016 00:28:55;1;10",
    ],
)
def test_an_error_names_the_invalid_line(tmp_path, line):
    with pytest.raises(ReplayError, match="line 3: expected meter;dd/mm/yyyy"):
        read(tmp_path, f"{METER};01/03/2016 00:28:55;68321;10", line)


def test_an_error_names_a_missing_or_invalid_file(tmp_path):
    with pytest.raises(ReplayError, match=r"none\.zip does not exist: give the path"):
        next(read_daiad(tmp_path / "none.zip"))
    with pytest.raises(ReplayError, match="not a DAIAD recording: its first line must be user key;datetime"):
        next(read_daiad(write_recording(tmp_path, header="a,b,c")))
    (tmp_path / "bad.zip").write_bytes(b"PK nothing")
    with pytest.raises(ReplayError, match=r"bad\.zip is not a zip archive"):
        next(read_daiad(tmp_path / "bad.zip"))


def test_a_community_of_recorded_meters_is_named_by_its_source_and_not_marked_as_simulated(tmp_path):
    plan = plan_of_recording(
        read(tmp_path, "b;01/03/2016 00:00:00;1;0", "a;01/03/2016 00:00:00;1;0", "b;01/03/2016 01:00:00;1;0")
    )
    assert "DAIAD" in plan.community["name"]
    assert "CC BY-SA 4.0" in plan.community["name"]
    assert [(row["device"], row["kind"], row["simulated"]) for row in plan.devices] == [
        ("b", "water_meter", "false"),
        ("a", "water_meter", "false"),
    ]
    assert [device.name for device in plan.numbered_devices()] == ["b", "a"]


rows = st.lists(
    st.builds(
        Row,
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 8).map(lambda hour: datetime(2016, 5, 1, hour, tzinfo=UTC)),
        st.integers(0, 5),
        st.booleans(),
    ),
    max_size=30,
)


@given(rows)
def test_every_row_is_distinct_or_a_duplicate(rows):
    count = summarise(rows)
    assert count.rows == len(rows) == count.distinct + count.duplicates_same + count.duplicates_other
    assert count.distinct == len({(row.device, row.at) for row in rows})
    assert count.devices == len({row.device for row in rows})


@given(rows, st.integers(1, 7))
def test_batches_carry_every_reading_in_the_order_of_its_meter(rows, batch):
    sent = []
    for message in messages(rows, batch):
        content = json.loads(message.payload)
        items = content if isinstance(content, list) else [content]
        assert len(items) <= batch
        sent += [(message.topic.split("/")[4], item["ts"], item["values"]["volume_m3"]) for item in items]
    for meter in ("a", "b", "c"):
        assert [item for item in sent if item[0] == meter] == [
            (row.device, round(row.at.timestamp() * 1000), row.litres / 1000) for row in rows if row.device == meter
        ]


@given(st.integers(0, 99_999_999))
def test_litres_arrive_exactly(litres):
    (message,) = messages([Row("a", datetime(2016, 5, 1, tzinfo=UTC), litres, repeated=False)])
    device = Device(1, "daiad-trial-a", "a", "water_meter")
    (item,) = decode(message.topic, message.payload, message.at, lambda *_: device, Pseudonymiser(b"for tests only!!"))
    assert isinstance(item, Reading)
    assert round(item.values["volume_m3"] * 1000) == litres
    assert f"{item.values['volume_m3']:.3f}" == f"{litres // 1000}.{litres % 1000:03d}"


def test_a_batch_too_large_for_a_payload_is_refused():
    with pytest.raises(ValueError, match="1 to 2000"):
        next(messages([], batch=0))


def test_duplicates_are_counted_by_their_value():
    at = datetime(2016, 5, 1, tzinfo=UTC)
    count = summarise([Row("a", at, litres, repeated=False) for litres in (5, 5, 4, 5)])
    assert count == ReplayCount(4, 1, 1, 2, 1, out_of_order=0, decreases=1, repeated_hour=0)


@pytest.mark.recorded_data
def test_the_whole_recording_has_an_instant_of_its_own_for_every_row(recorded_rows):
    assert summarise(recorded_rows) == ReplayCount(
        rows=674_019,
        devices=92,
        distinct=674_019,
        duplicates_same=0,
        duplicates_other=0,
        out_of_order=0,
        decreases=203,
        repeated_hour=78,
    )
    # By the local times of the file: the duplicates in its description are the repeated hour.
    local = [(row.device, row.at.astimezone(LOCAL).replace(tzinfo=None)) for row in recorded_rows]
    repeated = [time for (_, time), times in Counter(local).items() if times > 1]
    backwards = [after for (one, before), (other, after) in pairwise(local) if one == other and after < before]
    assert (len(repeated), len(backwards)) == (78, 9)
    assert {f"{time:%Y-%m-%d %H}" for time in [*repeated, *backwards]} == {"2016-10-30 02"}
