"""Verdicts on evidence."""

from dataclasses import replace
from datetime import timedelta

import pytest

from acceptance.coverage import CellState
from acceptance.criteria import MEASURED
from acceptance.criterion import Coverage, Medium, WitnessedDelivery
from acceptance.document import canonical_text, document
from acceptance.result import Outcome, Reason, Verdict
from acceptance.witnessed import EXPECTED_EVENTS
from judged_community import METERS, OTHERS, START, WINDOW, evidence, judge, measured, verdicts
from store.telemetry.evidence import RegisteredDevice
from store.telemetry.window import Window
from witnessing import witnessed_test

GAS_LEAK = next(each for each in EXPECTED_EVENTS if each.event == "gas_leak")


def test_a_community_in_which_everything_works_passes():
    report = judge(evidence(households=6))
    assert set(verdicts(report).values()) == {Verdict.PASS}
    assert report.outcome is Outcome.PASS
    assert all(each.counted and each.figure.passed == each.figure.total for each in measured(report).values())


def test_expected_readings_are_the_periods_of_the_window_for_every_device():
    report = judge(evidence(households=6))
    assert measured(report)["electricity.read_success"].figure.total == 6 * 7 * 96
    assert measured(report)["water.read_success"].figure.total == 6 * 7 * 24
    assert measured(report)["video.online"].figure.total == 2 * 7 * 1440


def test_no_evidence_at_all_passes_nothing():
    bare = evidence(without=METERS + OTHERS)
    report = judge(bare)
    required = [each for each in measured(report).values() if each.criterion.required]
    optional = [each for each in measured(report).values() if not each.criterion.required]
    assert {(each.verdict, each.reason) for each in required} == {(Verdict.INSUFFICIENT_DATA, Reason.NO_DEVICES)}
    assert {(each.verdict, each.reason) for each in optional} == {(Verdict.NOT_APPLICABLE, None)}
    assert report.outcome is Outcome.INSUFFICIENT_DATA


def test_devices_without_any_data_fail():
    facts = evidence(households=6)
    silent = replace(facts, slots=dict.fromkeys(facts.slots, ()))
    report = judge(silent)
    assert verdicts(report)["water.coverage"] is Verdict.FAIL
    assert verdicts(report)["water.read_success"] is Verdict.FAIL
    assert measured(report)["water.read_success"].figure.passed == 0
    assert len(measured(report)["water.read_success"].shortfalls) == 6
    assert report.outcome is Outcome.FAIL


def test_without_a_recorded_test_nobody_fails():
    facts = evidence(households=6)
    report = judge(replace(facts, witnessed=()))
    assert verdicts(report)["gas.leak_delivery"] is Verdict.INSUFFICIENT_DATA
    assert measured(report)["gas.leak_delivery"].reason is Reason.NO_TESTS
    assert report.outcome is Outcome.INSUFFICIENT_DATA


def test_an_alarm_that_never_arrived_counts_against_what_was_recorded():
    facts = evidence(households=6)
    meter = next(device for device in facts.devices if device.kind == "gas_meter")
    lost = witnessed_test(meter, GAS_LEAK, WINDOW.start + timedelta(hours=12), arrived=False)
    result = measured(judge(replace(facts, witnessed=(*facts.witnessed, lost))))["gas.leak_delivery"]
    assert (result.figure.passed, result.figure.total, result.figure.units) == (6, 7, 7)
    assert result.verdict is Verdict.FAIL
    assert [(each.device.name, each.passed, each.total) for each in result.shortfalls] == [(meter.name, 1, 2)]


def test_a_withdrawn_test_counts_for_nothing_and_is_listed():
    facts = evidence(households=6)
    meter = next(device for device in facts.devices if device.kind == "gas_meter")
    lost = witnessed_test(meter, GAS_LEAK, WINDOW.start + timedelta(hours=12), arrived=False)
    withdrawn = replace(lost, withdrawn_at=WINDOW.end, withdrawn_by="李某", withdrawn_because="记错了设备")
    report = judge(replace(facts, witnessed=(*facts.witnessed, withdrawn)))
    assert measured(report)["gas.leak_delivery"].figure.total == 6
    (listed,) = [each for each in document(report)["witnessed_tests"] if each["result"] == "withdrawn"]
    assert (listed["withdrawn_by"], listed["withdrawn_because"]) == ("李某", "记错了设备")


def test_a_test_of_a_simulated_device_proves_nothing():
    facts = evidence(households=6, simulated=("gas_meter",))
    assert verdicts(judge(facts))["gas.leak_delivery"] is Verdict.INSUFFICIENT_DATA
    assert {each["kind"] for each in document(judge(facts))["witnessed_tests"]} == {"ebike_charger"}
    assert verdicts(judge(facts, include_simulated=True))["gas.leak_delivery"] is Verdict.PASS


@pytest.mark.parametrize("kind", sorted({expected.kind for expected in EXPECTED_EVENTS}))
def test_a_test_does_not_concern_a_community_without_such_a_device(kind):
    report = judge(evidence(households=6, without=(kind,)))
    concerned = [each for each in measured(report).values() if isinstance(each.criterion.measure, WitnessedDelivery)]
    assert {each.verdict for each in concerned if each.criterion.measure.kind == kind} == {Verdict.NOT_APPLICABLE}
    assert {each.verdict for each in concerned if each.criterion.measure.kind != kind} == {Verdict.PASS}


def test_a_community_whose_households_are_all_exempt_from_gas_passes_without_it():
    facts = evidence(households=6, without=("gas_meter",))
    records = {(flat, Medium.GAS): CellState.EXEMPT for flat in facts.households}
    report = judge(facts, records=records)
    gas = [each for name, each in measured(report).items() if name.startswith("gas.")]
    assert {each.verdict for each in gas} == {Verdict.NOT_APPLICABLE}
    assert not any(each.counted for each in gas)
    assert report.outcome is Outcome.PASS


def test_a_window_that_is_not_over_proves_nothing():
    report = judge(evidence(households=6), generated_at=WINDOW.end - timedelta(seconds=1))
    assert {each.reason for each in measured(report).values()} == {Reason.WINDOW_OPEN}


def test_a_window_shorter_than_the_criterion_requires_proves_nothing():
    short = Window(START, START + timedelta(days=2))
    report = judge(evidence(households=40, window=short), generated_at=short.end)
    assert measured(report)["water.read_success"].reason is Reason.WINDOW_SHORT
    assert verdicts(report)["water.coverage"] is Verdict.PASS


def test_a_small_sample_proves_nothing():
    report = judge(evidence(households=2))
    assert measured(report)["water.read_success"].reason is Reason.SAMPLE_SMALL
    assert measured(report)["water.read_success"].figure.total == 2 * 7 * 24


def test_an_optional_criterion_without_devices_does_not_count():
    report = judge(evidence(households=6, without=("ev_charger", "camera")))
    assert not measured(report)["charging_car.online"].counted
    assert verdicts(report)["charging_car.online"] is Verdict.NOT_APPLICABLE
    assert measured(report)["video.online"].counted
    assert report.outcome is Outcome.INSUFFICIENT_DATA
    assert judge(evidence(households=6, without=("ev_charger",))).outcome is Outcome.PASS


def test_simulated_devices_are_excluded_listed_and_prove_nothing():
    report = judge(evidence(households=6, simulated=METERS + OTHERS))
    assert len(report.excluded) == len(evidence(households=6).devices)
    assert report.devices == ()
    assert set(verdicts(report).values()) == {Verdict.INSUFFICIENT_DATA}
    assert not report.demo


def test_a_simulated_optional_device_counts_as_missing_evidence():
    report = judge(evidence(households=6, simulated=("ev_charger",)))
    assert measured(report)["charging_car.online"].counted
    assert report.outcome is Outcome.INSUFFICIENT_DATA


def test_one_simulated_device_makes_a_demonstration_of_the_whole():
    facts = evidence(households=6, simulated=("ev_charger",))
    report = judge(facts, include_simulated=True)
    assert set(verdicts(report).values()) == {Verdict.PASS}
    assert report.outcome is Outcome.DEMO
    assert measured(report)["charging_car.online"].simulated_devices == 2
    rows = document(report)["results"] + document(report)["items"]
    assert all(row["demo"] for row in rows)


def test_a_retired_device_is_excluded_and_listed():
    facts = evidence(households=6)
    retired = tuple(
        replace(device, service="retired") if device.kind == "camera" else device for device in facts.devices
    )
    camera = RegisteredDevice(900, "old", "camera", service="retired")
    one_more = judge(replace(facts, devices=(*facts.devices, camera)))
    assert one_more.outcome is Outcome.PASS
    assert [(each["device"], each["reason"]) for each in document(one_more)["excluded"]] == [("old", "retired")]
    assert measured(judge(replace(facts, devices=retired)))["video.online"].reason is Reason.NO_DEVICES


def test_retired_devices_do_not_make_a_criterion_concern_the_community():
    facts = evidence(households=6)
    retired = tuple(
        replace(device, service="retired") if device.kind == "ev_charger" else device for device in facts.devices
    )
    report = judge(replace(facts, devices=retired))
    assert verdicts(report)["charging_car.online"] is Verdict.NOT_APPLICABLE
    assert report.outcome is Outcome.PASS


def test_including_simulated_devices_where_there_are_none_changes_nothing():
    facts = evidence(households=6)
    assert canonical_text(document(judge(facts, include_simulated=True))) == canonical_text(document(judge(facts)))


def test_a_meter_that_failed_before_the_last_day_covers_no_household():
    facts = evidence(households=6)
    question = next(each for each in facts.slots if each.kind == "water_meter")
    first, *others = facts.slots[question]
    dead = replace(first, last_at=WINDOW.end - timedelta(days=1, seconds=1))
    report = judge(replace(facts, slots={**facts.slots, question: (dead, *others)}))
    assert measured(report)["water.coverage"].figure.passed == 5
    assert report.matrix.states(Medium.WATER).count(CellState.MISSING) == 1


def test_exempt_households_leave_the_denominator_and_recorded_ones_count():
    facts = evidence(households=6, without=("gas_meter",))
    records = {(flat, Medium.GAS): CellState.MOVED_OUT for flat in facts.households[:5]}
    records[facts.households[5], Medium.GAS] = CellState.EXEMPT
    result = measured(judge(facts, records=records))["gas.coverage"]
    assert (result.figure.passed, result.figure.total) == (5, 5)
    assert result.verdict is Verdict.PASS


def test_a_silence_that_all_devices_share_is_shown():
    facts = evidence(households=6)
    question = next(each for each in facts.slots if each.kind == "camera")
    noon, one = WINDOW.start + timedelta(hours=12), timedelta(minutes=1)
    answers = tuple(
        replace(each, gap_start=noon - number * one, gap_end=noon + 30 * one - number * one)
        for number, each in enumerate(facts.slots[question])
    )
    report = judge(replace(facts, slots={**facts.slots, question: answers}))
    assert measured(report)["video.online"].common_gap == Window(noon, noon + 29 * one)
    assert measured(report)["access.online"].common_gap is None


def test_an_item_takes_the_worst_verdict_of_its_criteria():
    facts = evidence(households=6, in_time=20)
    items = {each.item.id: each for each in judge(facts).items}
    assert items["basic.access"].verdict is Verdict.FAIL
    assert items["basic.roads"].verdict is Verdict.MANUAL


def test_an_item_counts_the_devices_of_its_kinds_only():
    facts = evidence(households=6)
    camera = RegisteredDevice(900, "stray", "camera", plan_item="basic.metering.water")
    gateway = RegisteredDevice(901, "gateway", "gateway", plan_item="basic.metering.electricity")
    elsewhere = RegisteredDevice(902, "heat", "heat_meter", plan_item="improved.insulation")
    report = judge(replace(facts, devices=(*facts.devices, camera, gateway, elsewhere)))
    items = {each.item.id: each.devices for each in report.items}
    assert items["basic.metering.water"] == {"water_meter": 6}
    assert items["basic.metering.electricity"] == {"electricity_meter": 6}
    assert items["basic.metering.gas"] == {"gas_meter": 6}
    assert items["basic.heating"] == {"heat_meter": 2}
    assert items["improved.insulation"] == {"heat_meter": 3}
    assert {each["id"]: each["devices"] for each in document(report)["items"]}["basic.metering.electricity"] == 6


@pytest.mark.parametrize("kind", METERS)
def test_the_denominator_of_coverage_is_the_registered_households(kind):
    facts = evidence(households=6)
    fewer = replace(facts, devices=tuple(each for each in facts.devices if each.kind != kind or each.id % 2))
    medium = next(each for each in MEASURED if isinstance(each.measure, Coverage) and each.measure.kind == kind)
    figure = measured(judge(fewer))[medium.id].figure
    assert (figure.passed, figure.total) == (3, 6)
