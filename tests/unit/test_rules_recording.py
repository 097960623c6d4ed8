"""Recorded samples from a file, checked as those of a broker are."""

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


def test_a_line_is_a_reading_or_an_event_and_they_come_in_the_order_of_arrival(tmp_path):
    found = read_recording(
        jsonl(
            tmp_path,
            {**METER, "ts": 1795381250000, "values": {"voltage_v": 230}},
            {**METER, "ts": "2026-11-22T08:00:00+08:00", "event": "power_lost"},
            {**METER, "device": "e2", "ts": 1795381240000, "received_at": 1795381260000, "values": {"voltage_v": 231}},
        )
    )
    told = [(found.devices[sample.device_id].name, sample.event, dict(sample.values)) for _, sample in found.arrivals]
    assert told == [("e1", "power_lost", {}), ("e1", None, {"voltage_v": 230.0}), ("e2", None, {"voltage_v": 231.0})]
    assert [kind for kind, _ in found.arrivals] == ["electricity_meter"] * 3


def test_a_table_says_the_same(tmp_path):
    found = read_recording(
        csv(
            tmp_path,
            "community,kind,device,ts,event,voltage_v,relay_closed\n"
            "c1,electricity_meter,e1,1795381250000,,230.5,true\n"
            "c1,electricity_meter,e1,2026-11-27T08:00:00+08:00,power_lost,,\n",
        )
    )
    assert [(sample.event, dict(sample.values)) for _, sample in found.arrivals] == [
        (None, {"voltage_v": 230.5, "relay_closed": True}),
        ("power_lost", {}),
    ]


def test_persons_are_masked_as_everywhere(tmp_path):
    gate = {"community": "c1", "kind": "vehicle_gate", "device": "g1", "ts": 1795381250000, "event": "vehicle_passed"}
    found = read_recording(jsonl(tmp_path, {**gate, "data": {"plate": "蒙K·A1234"}}))
    [(_, sample)] = found.arrivals
    assert "蒙K·A1234" not in str(sample)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"kind": "electricity_meter", "device": "e1", "ts": 1795381250000}, "`community` is missing"),
        ({**METER, "kind": "water_metre", "ts": 1}, "no kind `water_metre`: did you mean `water_meter`?"),
        ({**METER, "values": {"voltage_v": 230}}, "ts must be"),
        ({**METER, "ts": 1795381250000, "values": {"voltage": 230}}, "a field that this kind does not know"),
        ({**METER, "ts": 1795381250000, "values": {"voltage_v": -5}}, "values.voltage_v"),
        ({**METER, "ts": 1795381250000, "event": "power_list"}, "did you mean `power_lost`?"),
        ({**METER, "ts": 1795381250000, "value": {}}, "no key `value`: did you mean `values`?"),
        ([1], "a JSON object"),
    ],
)
def test_a_line_that_makes_no_sense_is_named_with_what_is_expected(tmp_path, line, said):
    good = {**METER, "ts": 1795381250000, "values": {"voltage_v": 230}}
    with pytest.raises(RecordingError, match="line 2: ") as refused:
        read_recording(jsonl(tmp_path, good, line))
    assert said in str(refused.value)


def test_a_table_with_a_cell_too_many_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="line 2: a line must have as many cells"):
        read_recording(csv(tmp_path, "community,kind,device,ts\nc1,electricity_meter,e1,1795381250000,5\n"))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"nowhere\.csv cannot be read"):
        read_recording(tmp_path / "nowhere.csv")
