"""Verdicts of the criteria on evidence: pure, and independent of the order of rows."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from types import MappingProxyType
from uuid import UUID

from acceptance.coverage import CellState, Matrix, Records, coverage_matrix
from acceptance.criteria import CRITERIA, CRITERIA_VERSION, MEASURED, SLOT_TOLERANCE
from acceptance.criterion import (
    Coverage,
    Criterion,
    EventDelivery,
    ManualCriterion,
    MeasuredCriterion,
    Medium,
    OnlineRate,
    ReadSuccess,
    WitnessedDelivery,
)
from acceptance.figure import Figure
from acceptance.measure import Count, count, delivery_question, slot_question, working_meters
from acceptance.order import PlaceOrder, place_order
from acceptance.plan_items import PLAN_ITEMS, PlanItem
from acceptance.result import DeviceFigure, ItemResult, Outcome, Reason, Refused, Report, Result, Verdict
from acceptance.witnessed import EXPECTED_EVENTS
from devices.device import Service
from store.telemetry.evidence import Evidence, Questions, RegisteredDevice
from store.telemetry.witnessed_tests import WitnessedTestRow

NO_RECORDS: Records = MappingProxyType({})

_WORST_FIRST = (Verdict.FAIL, Verdict.INSUFFICIENT_DATA, Verdict.MANUAL, Verdict.PASS, Verdict.NOT_APPLICABLE)

_MEDIUM_OF_KIND = {
    criterion.measure.kind: criterion.measure.medium
    for criterion in MEASURED
    if isinstance(criterion.measure, Coverage)
}


@dataclass(frozen=True, slots=True)
class _Case:
    """Common input of all verdicts."""

    evidence: Evidence
    admitted: tuple[RegisteredDevice, ...]
    matrix: Matrix
    is_over: bool


def questions() -> Questions:
    """Return the questions of all criteria to the telemetry and events of a community."""
    measures = [criterion.measure for criterion in MEASURED]
    return Questions(
        frozenset(slot_question(each) for each in measures if isinstance(each, Coverage | ReadSuccess | OnlineRate)),
        frozenset(delivery_question(each) for each in measures if isinstance(each, EventDelivery)),
        SLOT_TOLERANCE,
        EXPECTED_EVENTS,
    )


def verify(
    evidence: Evidence, *, include_simulated: bool, generated_at: datetime, records: Records = NO_RECORDS
) -> Report:
    """Judge every criterion over the evidence's window. Retired devices are excluded and listed.

    Args:
        evidence: Answers to `questions()`.
        include_simulated: Admit simulated devices, which makes the report a demonstration. Otherwise they are
            excluded and listed.
        generated_at: Time of the report; it only decides whether the window is over.
        records: Records of households by a person besides those of the registry, in place of readings of a meter.
    """
    devices = sorted(evidence.devices, key=_device_order)
    is_admitted = {
        device.id: not _is_retired(device) and (include_simulated or not device.simulated) for device in devices
    }
    admitted = tuple(device for device in devices if is_admitted[device.id])
    excluded = tuple(device for device in devices if not is_admitted[device.id])
    matrix = _matrix(evidence, admitted, records)
    case = _Case(evidence, admitted, matrix, is_over=evidence.window.end <= generated_at)
    results = tuple(_result(criterion, case) for criterion in CRITERIA)
    demo = any(device.simulated for device in admitted)
    return Report(
        evidence.community,
        evidence.window,
        generated_at,
        CRITERIA_VERSION,
        Outcome.DEMO if demo else _outcome(results),
        demo,
        tuple(_item_result(item, results, admitted) for item in PLAN_ITEMS),
        results,
        matrix,
        admitted,
        excluded,
        _witnessed(evidence, admitted),
        _refused(evidence),
        evidence.waiting,
    )


def _is_retired(device: RegisteredDevice) -> bool:
    return device.service == Service.RETIRED


def _witnessed(evidence: Evidence, admitted: Iterable[RegisteredDevice]) -> tuple[WitnessedTestRow, ...]:
    """Return the tests of admitted devices in the order of their times; those of withdrawn devices are left out."""
    numbers = {device.id for device in admitted}
    return tuple(sorted((test for test in evidence.witnessed if test.device_id in numbers), key=_test_order))


def _refused(evidence: Evidence) -> tuple[Refused, ...]:
    """Return the refused data, the most frequent first; those of simulated devices too, for nothing is left out.

    A refusal has no registered device if the device has been withdrawn since, or if it was not counted by device.
    """
    devices = {device.id: device for device in evidence.devices}
    refused = (
        Refused(devices.get(each.device_id) if each.device_id is not None else None, each.reason, each.times)
        for each in evidence.rejections
    )
    return tuple(sorted(refused, key=_refused_order))


def _refused_order(refused: Refused) -> tuple[int, str, PlaceOrder]:
    return -refused.times, refused.reason, place_order(refused.device.name if refused.device else "")


def _device_order(device: RegisteredDevice) -> tuple[str, PlaceOrder]:
    return device.kind, place_order(device.building, device.unit, device.room, device.name)


def _test_order(test: WitnessedTestRow) -> tuple[datetime, UUID]:
    return test.triggered_at, test.id


def _matrix(evidence: Evidence, admitted: Collection[RegisteredDevice], records: Records) -> Matrix:
    measures = [criterion.measure for criterion in MEASURED if isinstance(criterion.measure, Coverage)]
    working = {measure: working_meters(measure, evidence) for measure in measures}
    exempt = {(household, Medium(medium)): CellState.EXEMPT for household, medium in evidence.exempt}
    return coverage_matrix(evidence.households, admitted, working, {**exempt, **records})


def _result(criterion: Criterion, case: _Case) -> Result:
    if isinstance(criterion, ManualCriterion):
        return Result(criterion, Verdict.MANUAL)
    kind = criterion.measure.kind
    if not _applies(criterion, case):
        return Result(criterion, Verdict.NOT_APPLICABLE)
    devices = tuple(device for device in case.admitted if device.kind == kind)
    counted = count(criterion.measure, case.evidence, devices, case.matrix)
    figure = Figure(counted.passed, counted.total, counted.units) if counted.total else None
    reason = _insufficiency(criterion, case, counted, bool(devices))
    return Result(
        criterion,
        _verdict(criterion, figure, reason),
        counted=True,
        reason=reason,
        figure=figure,
        devices=len(devices),
        simulated_devices=sum(device.simulated for device in devices),
        shortfalls=_shortfalls(criterion, counted),
        common_gap=counted.common_gap,
    )


def _applies(criterion: MeasuredCriterion, case: _Case) -> bool:
    """Return whether a criterion concerns the community.

    A device of its kind that is not retired makes it do so, even a simulated one. A required criterion always does,
    except for meters of a medium that no household needs: all of them are exempt, by the record of a person.
    """
    kind = criterion.measure.kind
    if any(device.kind == kind and not _is_retired(device) for device in case.evidence.devices):
        return True
    medium = _MEDIUM_OF_KIND.get(kind)
    states = set(case.matrix.states(medium)) if medium else set()
    return criterion.required and states != {CellState.EXEMPT}


def _verdict(criterion: MeasuredCriterion, figure: Figure | None, reason: Reason | None) -> Verdict:
    if figure is None or reason is not None:
        return Verdict.INSUFFICIENT_DATA
    return Verdict.PASS if figure.reaches(criterion.target.at_least) else Verdict.FAIL


def _insufficiency(criterion: MeasuredCriterion, case: _Case, counted: Count, has_devices: bool) -> Reason | None:
    """Return the reason for insufficient data, or None. Households recorded by a person need no device."""
    if not case.is_over:
        return Reason.WINDOW_OPEN
    if case.evidence.window.length < criterion.target.window:
        return Reason.WINDOW_SHORT
    if not has_devices and counted.passed == 0:
        return Reason.NO_DEVICES
    if isinstance(criterion.measure, Coverage) and counted.total == 0:
        return Reason.NO_HOUSEHOLDS
    if isinstance(criterion.measure, WitnessedDelivery) and counted.total == 0:
        return Reason.NO_TESTS
    return Reason.SAMPLE_SMALL if counted.total < criterion.target.minimum_sample else None


def _shortfalls(criterion: MeasuredCriterion, counted: Count) -> tuple[DeviceFigure, ...]:
    """Return the devices below the target by ascending share; equal shares keep the order of places."""
    below = [
        (Fraction(each.passed, each.total), each)
        for each in counted.of_devices
        if each.total and Fraction(each.passed, each.total) < Fraction(criterion.target.at_least)
    ]
    return tuple(each for _, each in sorted(below, key=lambda pair: pair[0]))


def _outcome(results: Iterable[Result]) -> Outcome:
    verdicts = {result.verdict for result in results if result.counted}
    if Verdict.FAIL in verdicts:
        return Outcome.FAIL
    return Outcome.PASS if verdicts == {Verdict.PASS} else Outcome.INSUFFICIENT_DATA


def _item_result(item: PlanItem, results: Iterable[Result], admitted: Iterable[RegisteredDevice]) -> ItemResult:
    """Return the result of an item.

    Only devices of the item's kinds count, each for its own item or, without one, for every item of its kind.
    """
    verdicts = {result.verdict for result in results if item.id in result.criterion.plan_items}
    devices = Counter(
        device.kind for device in admitted if device.kind in item.kinds and device.plan_item in {None, item.id}
    )
    worst = next((verdict for verdict in _WORST_FIRST if verdict in verdicts), Verdict.INSUFFICIENT_DATA)
    return ItemResult(item, worst, dict(sorted(devices.items())))
