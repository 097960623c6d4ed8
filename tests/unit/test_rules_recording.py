"""Recorded samples from a file, with the same checks as for messages of a broker."""

import json

import pytest

from rules.analysis.recording import RecordingError, read_recording

METER = {"community": "c1", "kind": "electricity_meter", "device": "e1"}


def jsonl(path, *lines):
    file = path / "recorded.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def csv(path, text):
    file = path / "recorded.csv"
    file.write_text(text)
    return file


def test_a_line_is_a_reading_or_an_event_in_the_order_of_arrival(tmp_path):
    recording = read_recording(
        jsonl(
            tmp_path,
            {**METER, "ts": 1795381250000, "values": {"voltage_v": 230}},
            {**METER, "ts": "2026-11-22T08:00:00+08:00", "event": "power_lost"},
            {**METER, "device": "e2", "ts": 1795381240000, "received_at": 1795381260000, "values": {"voltage_v": 231}},
        )
    )
    samples = [
        (recording.devices[sample.device_id].name, sample.event, dict(sample.values))
        for _, sample in recording.arrivals
    ]
    assert samples == [("e1", "power_lost", {}), ("e1", None, {"voltage_v": 230.0}), ("e2", None, {"voltage_v": 231.0})]
    assert [kind for kind, _ in recording.arrivals] == ["electricity_meter"] * 3


def test_csv_gives_the_same_samples(tmp_path):
    recording = read_recording(
        csv(
            tmp_path,
            "community,kind,device,ts,event,voltage_v,relay_closed\n"
            "c1,electricity_meter,e1,1795381250000,,230.5,true\n"
            "c1,electricity_meter,e1,2026-11-27T08:00:00+08:00,power_lost,,\n",
        )
    )
    assert [(sample.event, dict(sample.values)) for _, sample in recording.arrivals] == [
        (None, {"voltage_v": 230.5, "relay_closed": True}),
        ("power_lost", {}),
    ]


def test_personal_values_are_masked(tmp_path):
    gate = {"community": "c1", "kind": "vehicle_gate", "device": "g1", "ts": 1795381250000, "event": "vehicle_passed"}
    recording = read_recording(jsonl(tmp_path, {**gate, "data": {"plate": "蒙K·A1234"}}))
    [(_, sample)] = recording.arrivals
    assert "蒙K·A1234" not in str(sample)


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ({"kind": "electricity_meter", "device": "e1", "ts": 1795381250000}, "`community` is missing"),
        ({**METER, "kind": "water_metre", "ts": 1}, "no kind `water_metre`: did you mean `water_meter`?"),
        ({**METER, "values": {"voltage_v": 230}}, "ts must be"),
        (
            {**METER, "ts": 1795381250000, "values": {"voltage": 230}},
            "values.voltage; electricity_meter has the fields",
        ),
        ({**METER, "ts": 1795381250000, "values": {"voltage_v": -5}}, "values.voltage_v"),
        ({**METER, "ts": 1795381250000, "event": "power_list"}, "did you mean `power_lost`?"),
        ({**METER, "ts": 1795381250000, "value": {}}, "no key `value`: did you mean `values`?"),
        ([1], "a JSON object"),
    ],
)
def test_an_invalid_line_is_refused_with_its_number_and_a_remedy(tmp_path, line, remedy):
    good = {**METER, "ts": 1795381250000, "values": {"voltage_v": 230}}
    with pytest.raises(RecordingError, match="line 2: ") as refused:
        read_recording(jsonl(tmp_path, good, line))
    assert remedy in str(refused.value)


def test_csv_with_an_extra_cell_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="line 2: a line must have as many cells"):
        read_recording(csv(tmp_path, "community,kind,device,ts\nc1,electricity_meter,e1,1795381250000,5\n"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"nowhere\.csv cannot be read"):
        read_recording(tmp_path / "nowhere.csv")


HEADER = "community,kind,device,ts,voltage_v\n"
LINE = ("c1", "electricity_meter", "e1", "1795381250000", "230")


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        (0, "#N/A", "`community` must match"), (2, "1.01E+03", "`device` must match"),
        (2, "1-Mar", "`device` must match"), (2, "E1", "`device` must match"),
        (3, "1.79538E+12", "ts must be"), (3, "2026/3/1 8:00", "ts must be"),
        (3, "46082.333", "ts must be"), (4, "#N/A", "voltage_v must be a number, not '#N/A'"),
        (4, "1-Mar", "voltage_v must be a number"), (4, "1,230.5", "voltage_v must be a number"),
    ],
)  # fmt: skip
def test_a_cell_that_a_spreadsheet_damaged_is_refused_with_its_line_and_name(tmp_path, column, cell, expected):
    cells = [f'"{cell}"' if at == column else each for at, each in enumerate(LINE)]
    with pytest.raises(RecordingError) as refused:
        read_recording(csv(tmp_path, HEADER + ",".join(LINE) + "\n" + ",".join(cells) + "\n"))
    assert "line 3: " in str(refused.value)
    assert expected in str(refused.value)


@pytest.mark.parametrize("header", ["小区用电记录\n" + HEADER, HEADER.replace(",", ";"), "", ",".join(LINE) + "\n"])
def test_a_file_without_its_columns_in_the_first_line_is_one_mistake(tmp_path, header):
    with pytest.raises(RecordingError, match="line 1: the first line names the columns"):
        read_recording(csv(tmp_path, header + ",".join(LINE) + "\n"))


def test_blank_lines_at_the_end_are_skipped(tmp_path):
    assert len(read_recording(csv(tmp_path, HEADER + ",".join(LINE) + "\n,,,,\n\n")).arrivals) == 1
