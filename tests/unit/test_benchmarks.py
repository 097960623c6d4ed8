"""Foundations of the figures in docs/performance.md."""

import subprocess
import sys

import pytest

from benchmarks.brokers import MEASUREMENTS, OPERATIONS
from benchmarks.load import last_readings
from benchmarks.processes import cpu_s, resident_bytes
from benchmarks.report import PERFORMANCE, merged, spread, table, write_rows, write_section
from benchmarks.traffic import TIME, comma_separated, epoch_ms, gateways, meters, registry, timestamp
from devices.device import Device
from devices.payload import Reading, decode
from devices.privacy import Pseudonymiser
from devices.timestamp import parse_timestamp

NOW_MS = 1_795_381_246_721


def registered(rows):
    """Return the registry as in ingest."""
    devices = (
        Device(number, row["community"], row["device"], row["kind"], row.get("gateway"))
        for number, row in enumerate(rows, 1)
    )
    return {(device.community, device.name): device for device in devices}


@pytest.mark.parametrize(
    ("sent", "rows", "readings"),
    [(meters(100), registry(100), 100), (gateways(100, 50), registry(100, 50), 100)],
)
def test_every_reading_of_a_round_is_valid_and_from_another_device(sent, rows, readings):
    devices = registered(rows)
    received_at = parse_timestamp(NOW_MS)
    decoded = [
        item
        for topic, payload in sent.messages
        for item in decode(
            topic,
            payload.replace(TIME, sent.write_time(NOW_MS)),
            received_at,
            lambda community, name: devices.get((community, name)),
            Pseudonymiser(b"a key for the tests"),
        )
    ]
    assert all(isinstance(item, Reading) and item.ts == received_at for item in decoded)
    assert len({item.device.id for item in decoded}) == readings


def test_a_line_for_copy_contains_the_devices_number_in_the_registry():
    assert comma_separated(2).messages[1][1].replace(TIME, timestamp(NOW_MS)) == (
        b"2,2026-11-22T21:00:46.721+00:00,1234.5,350,220.5"
    )


@pytest.mark.parametrize("write_time", [epoch_ms, timestamp])
def test_all_times_have_the_same_length_because_packets_begin_with_their_length(write_time):
    assert len(write_time(0)) == len(write_time(NOW_MS))


def test_the_last_reading_of_every_connection_is_known_wherever_the_total_ends():
    readings = last_readings(meters(50), 70, NOW_MS)
    # Of 20 connections, ten send four messages from three devices, and ten send three from two.
    assert len(readings) == 20
    assert readings[0] == ("celiang-0", "d0", NOW_MS + 1)
    assert readings[10] == ("celiang-10", "d10", NOW_MS + 1)


def test_a_spread_names_median_minimum_and_maximum():
    assert spread([3, 1000, 2]) == "3 (2 to 1,000)"
    assert spread([1000]) == "1,000"


def test_a_section_is_replaced_and_the_rest_of_the_document_stays(tmp_path):
    document = tmp_path / "page.md"
    document.write_text("before\n<!-- written by us -->\nold\n<!-- end of us -->\nafter\n")
    write_section(document, "us", table(("a", "b"), [("1", "2")]))
    expected = "before\n<!-- written by us -->\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n<!-- end of us -->\nafter\n"
    assert document.read_text() == expected


def test_rows_measured_in_parts_become_one_table(tmp_path):
    document = tmp_path / "page.md"
    document.write_text("before\n<!-- written by us -->\n<!-- end of us -->\nafter\n")
    write_rows(document, "us", ("", "b"), [("x \\| y", "1"), ("z", "2")], "first")
    write_rows(document, "us", ("", "b"), [("new", "3"), ("x \\| y", "4")], "second")
    written = table(("", "b"), [("x \\| y", "4"), ("z", "2"), ("new", "3")])
    expected = f"before\n<!-- written by us -->\n\nsecond\n\n{written}\n\n<!-- end of us -->\nafter\n"
    assert document.read_text() == expected


def test_a_table_with_other_columns_is_replaced():
    assert merged(table(("a", "b"), [("x", "1")]), ("a", "c"), [("y", "2")]) == table(("a", "c"), [("y", "2")])


def test_a_document_without_markers_is_unchanged_and_the_error_names_them(tmp_path):
    document = tmp_path / "page.md"
    document.write_text("nothing\n")
    with pytest.raises(ValueError, match="<!-- written by us -->"):
        write_section(document, "us", "text")
    assert document.read_text() == "nothing\n"


@pytest.mark.parametrize("name", ["drain", "gateways", "live", "alert_latency", "memory", "growth"])
def test_the_page_on_performance_has_a_place_for_every_measurement_and_names_its_command(name):
    text = PERFORMANCE.read_text()
    assert f"<!-- written by benchmarks.{name} -->\n" in text
    assert f"<!-- end of benchmarks.{name} -->" in text
    assert f"python -m benchmarks.{name}" in text


@pytest.mark.parametrize("name", ["make chaos", *(f"benchmarks.brokers {table}" for table in MEASUREMENTS)])
def test_the_guide_for_operators_has_a_place_for_measurements_of_faults_and_brokers(name):
    text = OPERATIONS.read_text()
    assert f"<!-- written by {name} -->\n" in text
    assert f"<!-- end of {name} -->" in text


def test_the_cost_of_a_process_includes_its_descendants_even_ended_ones():
    child = "import time\nuntil = time.process_time() + 0.3\nwhile time.process_time() < until: pass"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert 0.3 <= cpu_s(process.pid) < 3
        assert 1e6 < resident_bytes(process.pid) < 1e9
        process.communicate(b"\n")
