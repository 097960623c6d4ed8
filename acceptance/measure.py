"""Counts of k and n for a measure, from evidence: pure."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from acceptance.coverage import CellState, Matrix
from acceptance.criterion import Coverage, EventDelivery, Measured, OnlineRate, ReadSuccess, WitnessedDelivery
from acceptance.result import DeviceFigure
from devices.catalogue import KIND_BY_NAME
from store.telemetry.evidence import DeliveryQuestion, Evidence, RegisteredDevice
from store.telemetry.slots import Clock, SlotAnswer, SlotQuestion
from store.telemetry.window import Window

_COMMON_GAP_PERIODS = 3
"""Length, in reporting periods, beyond which a common gap is reported: one lost message of each device is none."""


@dataclass(frozen=True, slots=True)
class Count:
    """k and n before the verdict, the number of independent units, and the share of each device."""

    passed: int
    total: int
    units: int
    of_devices: tuple[DeviceFigure, ...] = ()
    common_gap: Window | None = None


def slot_question(measure: Coverage | ReadSuccess | OnlineRate) -> SlotQuestion:
    """Return the question of a measure to the telemetry.

    Registers go by the device's clock, since a late reading still counts. Online means received, by the server's clock.
    """
    period = KIND_BY_NAME[measure.kind].reporting_period
    if isinstance(measure, OnlineRate):
        return SlotQuestion(measure.kind, Clock.ARRIVAL, period)
    return SlotQuestion(measure.kind, Clock.DEVICE, period, measure.register)


def delivery_question(measure: EventDelivery) -> DeliveryQuestion:
    """Return the question of a measure to the events."""
    return DeliveryQuestion(measure.kind, measure.events, measure.limit)


def count(measure: Measured, evidence: Evidence, devices: Collection[RegisteredDevice], matrix: Matrix) -> Count:
    """Count over the admitted devices of the kind of the measure."""
    match measure:
        case Coverage():
            return _count_households(measure, matrix)
        case ReadSuccess() | OnlineRate():
            question = slot_question(measure)
            return _count_slots(question, evidence.window, _by_device(evidence.slots[question]), devices)
        case EventDelivery():
            return _count_events(delivery_question(measure), evidence, devices)
        case WitnessedDelivery():
            return _count_tests(measure, evidence, devices)


def working_meters(measure: Coverage, evidence: Evidence) -> frozenset[int]:
    """Return the ids of the meters with a fresh reading at the end of the window."""
    oldest = evidence.window.end - measure.fresh
    return frozenset(each.device_id for each in evidence.slots[slot_question(measure)] if each.last_at >= oldest)


def _count_households(measure: Coverage, matrix: Matrix) -> Count:
    """Count households; exempt ones leave the denominator, and the report lists them."""
    states = [state for state in matrix.states(measure.medium) if state is not CellState.EXEMPT]
    return Count(sum(state.covered for state in states), len(states), len(states))


def _by_device(answers: Collection[SlotAnswer]) -> dict[int, SlotAnswer]:
    return {answer.device_id: answer for answer in answers}


def _count_slots(
    question: SlotQuestion, window: Window, answers: Mapping[int, SlotAnswer], devices: Collection[RegisteredDevice]
) -> Count:
    slots = window.length // question.period
    figures = tuple(_slots_of(device, answers.get(device.id), window, slots) for device in devices)
    return Count(
        sum(each.passed for each in figures),
        slots * len(devices),
        len(devices),
        figures,
        _common_gap(figures, _COMMON_GAP_PERIODS * question.period),
    )


def _slots_of(device: RegisteredDevice, answer: SlotAnswer | None, window: Window, slots: int) -> DeviceFigure:
    """Return the figure of a device; the gap of one without data is the whole window."""
    if answer is None:
        return DeviceFigure(device, 0, slots, None, window)
    gap = Window(max(answer.gap_start, window.start), min(answer.gap_end, window.end))
    return DeviceFigure(device, min(answer.filled, slots), slots, answer.last_at, gap)


def _common_gap(figures: Collection[DeviceFigure], shortest: timedelta) -> Window | None:
    """Return the overlap of the longest gaps of all devices: its cause is the network or Anju, not a device."""
    gaps = [each.gap for each in figures if each.gap is not None]
    if len(gaps) < 2:
        return None
    start, end = max(gap.start for gap in gaps), min(gap.end for gap in gaps)
    return Window(start, end) if end - start > shortest else None


def _count_events(question: DeliveryQuestion, evidence: Evidence, devices: Collection[RegisteredDevice]) -> Count:
    answers = {answer.device_id: answer for answer in evidence.deliveries[question]}
    figures = tuple(
        DeviceFigure(device, answers[device.id].in_time, answers[device.id].total)
        for device in devices
        if device.id in answers
    )
    total = sum(each.total for each in figures)
    return Count(sum(each.passed for each in figures), total, total, figures)


def _count_tests(measure: WitnessedDelivery, evidence: Evidence, devices: Collection[RegisteredDevice]) -> Count:
    """Count the tests of the devices; a withdrawn test counts for nothing."""
    arrived: dict[int, list[bool]] = defaultdict(list)
    for test in evidence.witnessed:
        if test.event in measure.events and test.withdrawn_at is None:
            arrived[test.device_id].append(test.arrived_at is not None)
    figures = tuple(
        DeviceFigure(device, sum(arrived[device.id]), len(arrived[device.id]))
        for device in devices
        if device.id in arrived
    )
    total = sum(each.total for each in figures)
    return Count(sum(each.passed for each in figures), total, total, figures)
