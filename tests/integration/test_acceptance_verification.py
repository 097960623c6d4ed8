"""Verifications against a real database: counts of the queries, and saved results."""

from collections.abc import Iterator
from dataclasses import astuple
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from acceptance.document import canonical_text, digest, document
from acceptance.report import to_html
from acceptance.result import Outcome, Reason, Verdict
from acceptance.run import run_verification, stored_form
from acceptance.summary import summary
from brute_force import most_filled_slots
from laws import examples
from store.database import Connection
from store.telemetry.evidence import UnknownCommunityError
from store.telemetry.rejections import CountKey, count_rejections
from store.telemetry.slots import Clock, SlotQuestion, read_slots
from store.telemetry.spool import SpoolRow, insert_spooled
from store.telemetry.verifications import save_verification
from store.telemetry.window import Window, WindowError
from verified_community import (
    END,
    HOUR,
    MINUTE,
    SECOND,
    START,
    add_device,
    add_event,
    add_readings,
    add_water_meter,
    community_of_four_flats,
    every,
    k_of_n,
    verify_community,
)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """Migrated database with one community of four flats."""
    with community_of_four_flats(database_url) as opened:
        yield opened


def test_the_evidence_keeps_the_serials_of_replaced_meters(connection):
    meter = add_device(connection, "water-101", "water_meter", "101", serial="second")
    for day, serial in enumerate(("first", None, "before")):
        connection.execute(
            "INSERT INTO meter_replacement (device_id, field, at, old_register, new_register, old_serial, actor,"
            " recorded_at) VALUES (%s, 'volume_m3', %s, 1, 0, %s, '王师傅', now())",
            (meter, START + day * timedelta(days=1), serial),
        )
    connection.execute(
        "UPDATE meter_replacement SET withdrawn_at = now(), withdrawn_by = '' WHERE old_serial = 'before'"
    )
    report, _ = verify_community(connection)
    (device,) = (each for each in document(report)["devices"] if each["device"] == "water-101")
    assert (device["serial"], device["earlier_serials"]) == ("second", ["first"])


def test_every_expected_reading_is_counted_once(connection):
    for room in ("101", "102", "201"):
        add_water_meter(connection, room)
    add_water_meter(connection, "202", without=range(40, 50))
    _, results = verify_community(connection)
    assert k_of_n(results["water.read_success"]) == (4 * 168 - 10, 4 * 168)
    assert results["water.read_success"].verdict is Verdict.PASS
    (shortfall,) = results["water.read_success"].shortfalls
    assert (shortfall.device.name, shortfall.passed, shortfall.total) == ("water-202", 158, 168)
    assert shortfall.gap == Window(START + 39 * HOUR, START + 50 * HOUR)
    assert shortfall.last_at == START + 167 * HOUR


def test_a_clock_that_jitters_around_the_full_hour_loses_no_reading(connection):
    meter = add_device(connection, "water-101", "water_meter", "101")
    times = [at + (-2 * SECOND if number % 2 else SECOND) for number, at in enumerate(every(HOUR, count=168))]
    add_readings(connection, meter, "water_meter", "volume_m3", times)
    _, results = verify_community(connection)
    assert k_of_n(results["water.read_success"]) == (168, 168)


def test_many_readings_in_one_period_make_up_for_no_other(connection):
    meter = add_device(connection, "water-101", "water_meter", "101")
    add_readings(connection, meter, "water_meter", "volume_m3", every(MINUTE, count=600, first=5 * MINUTE))
    _, results = verify_community(connection)
    assert k_of_n(results["water.read_success"]) == (11, 168)


def test_one_reading_on_the_edge_of_two_periods_counts_once(connection):
    meter = add_device(connection, "water-101", "water_meter", "101")
    add_readings(connection, meter, "water_meter", "volume_m3", [START + 10 * HOUR])
    _, results = verify_community(connection)
    assert k_of_n(results["water.read_success"]) == (1, 168)


def test_two_readings_at_an_edge_are_not_two_hours(connection):
    for number in range(20):
        meter = add_device(connection, f"water-{number}", "water_meter", str(number))
        for offset in (-15 * SECOND, 15 * SECOND):
            times = every(2 * HOUR, count=84, first=HOUR + offset)
            add_readings(connection, meter, "water_meter", "volume_m3", times)
    _, results = verify_community(connection)
    assert k_of_n(results["water.read_success"]) == (1680, 3360)
    assert results["water.read_success"].verdict is Verdict.FAIL


def test_two_messages_at_an_edge_are_not_two_minutes_online(connection):
    camera = add_device(connection, "camera-1", "camera")
    for offset in (-2 * SECOND, 2 * SECOND):
        times = every(2 * MINUTE, count=84, first=MINUTE + offset)
        add_readings(connection, camera, "camera", "image_quality", times, delay=timedelta(0))
    _, results = verify_community(connection)
    assert k_of_n(results["video.online"]) == (84, 7 * 1440)


@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    all_minutes=st.lists(st.lists(st.integers(-30, 390), max_size=12), min_size=1, max_size=4),
    periods=st.integers(1, 6),
    clock=st.sampled_from(Clock),
)
def test_no_assignment_of_messages_to_periods_fills_more(connection, all_minutes, periods, clock):
    connection.execute("TRUNCATE telemetry_water_meter")
    devices = range(1, len(all_minutes) + 1)
    for device, minutes in zip(devices, all_minutes, strict=True):
        times = [START + minute * MINUTE for minute in minutes]
        add_readings(connection, device, "water_meter", "volume_m3", times, delay=timedelta(0))
    question = SlotQuestion("water_meter", clock, HOUR, "volume_m3")
    answers = read_slots(connection, devices, Window(START, START + periods * HOUR), question, Decimal("0.1"))
    connection.rollback()
    filled = {answer.device_id: answer.filled for answer in answers}
    assert [filled.get(device, 0) for device in devices] == [
        most_filled_slots(minutes, period=60, tolerance=6, slots=periods) for minutes in all_minutes
    ]


def test_a_message_without_the_register_is_no_reading(connection):
    meter = add_device(connection, "water-101", "water_meter", "101")
    add_readings(connection, meter, "water_meter", "battery_v", every(HOUR, count=168))
    _, results = verify_community(connection)
    assert k_of_n(results["water.read_success"]) == (0, 168)
    assert k_of_n(results["water.coverage"]) == (0, 4)


def test_readings_outside_the_window_and_of_other_communities_do_not_count(connection):
    meter = add_device(connection, "water-101", "water_meter", "101")
    stranger = add_device(connection, "water-101", "water_meter", "101", community="other")
    add_readings(connection, meter, "water_meter", "volume_m3", [START - HOUR, END + HOUR])
    add_readings(connection, stranger, "water_meter", "volume_m3", every(HOUR, count=168))
    _, results = verify_community(connection)
    assert k_of_n(results["water.read_success"]) == (0, 168)


def test_a_late_reading_is_a_reading_but_a_late_heartbeat_is_not_being_online(connection):
    meter = add_device(connection, "water-101", "water_meter", "101")
    camera = add_device(connection, "camera-1", "camera")
    add_readings(connection, meter, "water_meter", "volume_m3", every(HOUR, count=168), delay=5 * HOUR)
    add_readings(connection, camera, "camera", "image_quality", every(MINUTE, count=600), delay=SECOND)
    batch = every(MINUTE, count=600, first=600 * MINUTE)
    for at in batch:
        add_readings(connection, camera, "camera", "image_quality", [at], delay=START + 1200 * MINUTE - at)
    _, results = verify_community(connection)
    assert k_of_n(results["water.read_success"]) == (168, 168)
    assert k_of_n(results["video.online"]) == (601, 7 * 1440)


def test_coverage_counts_registered_households_and_names_the_meters_without_data(connection):
    add_water_meter(connection, "101")
    add_water_meter(connection, "102", without=range(140, 168))
    add_device(connection, "water-201", "water_meter", "201")
    report, results = verify_community(connection)
    assert k_of_n(results["water.coverage"]) == (1, 4)
    assert results["water.coverage"].verdict is Verdict.FAIL
    assert document(report)["coverage"]["media"]["water"] == {
        "smart": 1, "moved_out": 0, "missing": 3, "exempt": 0, "shared": 0, "silent": 2,
    }  # fmt: skip
    assert results["gas.coverage"].reason is Reason.NO_DEVICES


def test_a_community_whose_households_do_without_gas_is_not_concerned_by_it(connection):
    connection.execute("UPDATE household SET exempt = 'gas' WHERE community = 'c'")
    connection.execute("UPDATE household SET exempt = 'water,gas' WHERE community = 'c' AND room = '202'")
    for room in ("101", "102", "201"):
        add_water_meter(connection, room)
    report, results = verify_community(connection)
    gas = ("gas.coverage", "gas.read_success", "gas.leak_delivery")
    assert {results[name].verdict for name in gas} == {Verdict.NOT_APPLICABLE}
    assert k_of_n(results["water.coverage"]) == (3, 3)
    assert document(report)["coverage"]["media"]["gas"]["exempt"] == 4


def test_one_meter_registered_for_two_flats_covers_neither(connection):
    for room in ("101", "102"):
        meter = add_device(connection, f"water-{room}", "water_meter", room, serial="SN-1")
        add_readings(connection, meter, "water_meter", "volume_m3", every(HOUR, count=168))
    report, results = verify_community(connection)
    assert k_of_n(results["water.coverage"]) == (0, 4)
    assert document(report)["coverage"]["shared_meters"] == [
        {"medium": "water", "serial": "SN-1", "meters": ["water-101", "water-102"]}
    ]


def test_an_event_counts_as_delivered_within_the_limit_only(connection):
    door = add_device(connection, "door-1", "access_control")
    for number in range(40):
        delay = {0: 5 * SECOND, 1: 5.001 * SECOND, 2: -6 * SECOND}.get(number, SECOND)
        add_event(connection, door, "unlocked", START + number * MINUTE, delay)
    add_event(connection, door, "tamper_cleared", START, HOUR)
    _, results = verify_community(connection)
    assert k_of_n(results["access.event_delivery"]) == (38, 40)
    assert results["access.event_delivery"].verdict is Verdict.FAIL


def test_two_events_of_one_instant_are_two(connection):
    door = add_device(connection, "door-1", "access_control")
    for number in range(20):
        for identifier in ("a", "b"):
            add_event(connection, door, "unlocked", START + number * MINUTE, SECOND, identifier=identifier)
    _, results = verify_community(connection)
    assert k_of_n(results["access.event_delivery"]) == (40, 40)


def test_simulated_devices_are_left_out_unless_a_demonstration_is_asked_for(connection):
    meter = add_device(connection, "water-101", "water_meter", "101", simulated=True)
    add_readings(connection, meter, "water_meter", "volume_m3", every(HOUR, count=168))
    report, results = verify_community(connection)
    assert results["water.read_success"].reason is Reason.NO_DEVICES
    assert [device.name for device in report.excluded] == ["water-101"]
    demonstration, results = verify_community(connection, include_simulated=True)
    assert k_of_n(results["water.read_success"]) == (168, 168)
    assert demonstration.outcome is Outcome.DEMO


def test_a_retired_device_is_in_no_denominator(connection):
    add_water_meter(connection, "101")
    old = add_device(connection, "water-old", "water_meter", "102")
    connection.execute("UPDATE device SET service = 'retired' WHERE id = %s", (old,))
    report, results = verify_community(connection)
    assert k_of_n(results["water.read_success"]) == (168, 168)
    assert [device.name for device in report.excluded] == ["water-old"]


def test_refused_data_of_the_window_is_said_by_reason_and_device(connection):
    meter, camera = add_device(connection, "water-101", "water_meter", "101"), add_device(connection, "cam", "camera")
    stranger = add_device(connection, "water-101", "water_meter", community="other")
    counts = {
        (START - HOUR, "c", "water_meter", "rate_limited", meter): 1000,
        (START, "c", "water_meter", "rate_limited", meter): 3,
        (START + HOUR, "c", "water_meter", "rate_limited", meter): 4,
        (END - HOUR, "c", "camera", "future_timestamp", camera): 5,
        (END, "c", "camera", "future_timestamp", camera): 1000,
        (START, "other", "water_meter", "rate_limited", stranger): 1000,
        (START, "c", "camera", "future_timestamp", None): 2,  # counted before devices were
        (START, "", "", "bad_topic", None): 1000,
    }
    count_rejections(connection, {CountKey(*key): times for key, times in counts.items()})
    report, _ = verify_community(connection)
    refused = document(report)["refused"]
    assert refused["total"] == 14
    assert [(each["reason"], each["times"]) for each in refused["reasons"]] == [
        ("future_timestamp", 7), ("rate_limited", 7),
    ]  # fmt: skip
    assert [(each["device"], each["place"], each["reason"], each["times"]) for each in refused["devices"]] == [
        ("water-101", "1号楼1单元101室", "rate_limited", 7), ("cam", "1号楼", "future_timestamp", 5),
    ]  # fmt: skip


def test_data_of_the_window_that_still_waits_in_the_spool_is_said(connection):
    meter = add_device(connection, "water-101", "water_meter", "101")
    stranger = add_device(connection, "water-101", "water_meter", community="other")
    times = ((meter, START - HOUR), (meter, END - SECOND), (meter, END), (stranger, START))
    insert_spooled(connection, [SpoolRow(device, at, False, False, "t", b"sealed", 6) for device, at in times])
    report, _ = verify_community(connection)
    assert document(report)["waiting"] == 2
    assert "还有2条收到的数据在排队处理" in summary(report)
    assert "还有2条收到的数据在排队处理" in to_html(document(report), END)


def test_later_refusals_do_not_change_the_report_of_a_window_that_is_over(connection):
    meter = add_device(connection, "water-101", "water_meter", "101")
    count_rejections(connection, {CountKey(START, "c", "water_meter", "rate_limited", meter): 3})
    first, _ = verify_community(connection)
    count_rejections(connection, {CountKey(END, "c", "water_meter", "rate_limited", meter): 3})
    second, _ = verify_community(connection)
    assert canonical_text(document(first)) == canonical_text(document(second))


def test_the_same_data_give_the_same_bytes(connection):
    for room in ("101", "102"):
        add_water_meter(connection, room)
    first, _ = verify_community(connection)
    second, _ = verify_community(connection, generated_at=END + HOUR)
    assert canonical_text(document(first)) == canonical_text(document(second))


def read_columns(connection, verification):
    """Return the stored columns of a verification and of its results, or None."""
    row = connection.execute(
        "SELECT community, outcome, sha256, report FROM verification WHERE id = %s", (verification.id,)
    ).fetchone()
    results = connection.execute(
        "SELECT criterion, verdict, passed, total FROM verification_result "
        'WHERE verification_id = %s ORDER BY criterion COLLATE "C"',
        (verification.id,),
    ).fetchall()
    return row and (*row, results)


def columns_of(verification):
    """Return the columns of a verification as `read_columns` must find them."""
    results = [astuple(each) for each in verification.results]
    return verification.community, verification.outcome, verification.sha256, verification.report, results


def test_a_verification_is_saved_once_and_unchanged(connection):
    add_water_meter(connection, "101")
    report, _ = verify_community(connection)
    expected = stored_form(report)
    save_verification(connection, expected)
    connection.commit()
    assert read_columns(connection, expected) == columns_of(expected)
    assert digest(read_columns(connection, expected)[3]) == expected.sha256
    assert connection.execute("SELECT count(*) FROM verification").fetchone() == (1,)


def test_a_verification_outlives_its_raw_data(connection):
    add_water_meter(connection, "101")
    report, _ = verify_community(connection)
    connection.execute("TRUNCATE telemetry_water_meter")
    connection.commit()
    assert read_columns(connection, stored_form(report)) == columns_of(stored_form(report))


def test_an_unknown_community_is_refused_by_name(connection):
    with pytest.raises(UnknownCommunityError, match="no-such-place"):
        run_verification(connection, "no-such-place", START, END, include_simulated=False, generated_at=END)


@pytest.mark.parametrize(
    ("start", "end"), [(END, START), (START, START), (START.replace(tzinfo=None), END.replace(tzinfo=None))]
)
def test_an_invalid_window_is_refused(connection, start, end):
    with pytest.raises(WindowError, match="a window"):
        run_verification(connection, "c", start, end, include_simulated=False, generated_at=END)
