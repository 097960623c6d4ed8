"""A community in which everything works, and the verdicts on it."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from acceptance.criteria import MEASURED
from acceptance.result import Report, Result, Verdict
from acceptance.verify import questions, verify
from store.telemetry.evidence import Community, DeliveryAnswer, Evidence, Household, RegisteredDevice
from store.telemetry.slots import SlotAnswer, SlotQuestion
from store.telemetry.window import Window
from witnessing import delivered_tests

START = datetime(2026, 11, 14, 16, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=7))
METERS = ("water_meter", "electricity_meter", "gas_meter")
OTHERS = tuple(sorted({each.measure.kind for each in MEASURED} - set(METERS)))


def slots_of(question: SlotQuestion, window: Window = WINDOW) -> int:
    """Return the number of reporting periods of a window."""
    return window.length // question.period


def evidence(
    *,
    households: int = 2,
    without: Collection[str] = (),
    simulated: Collection[str] = (),
    window: Window = WINDOW,
    filled: int | None = None,
    in_time: int = 40,
) -> Evidence:
    """Return a community without faults: a meter for each household and medium, two devices of every other kind."""
    flats = [Household("1", "1", str(101 + number)) for number in range(households)]
    places = [(kind, flat) for kind in METERS for flat in flats]
    places += [(kind, Household("", "", "")) for kind in OTHERS for _ in range(2)]
    devices = [
        RegisteredDevice(number, f"d{number}", kind, flat.building, flat.unit, flat.room, simulated=kind in simulated)
        for number, (kind, flat) in enumerate(places, 1)
        if kind not in without
    ]
    asked = questions()
    slots = {
        each: tuple(
            SlotAnswer(
                device.id,
                slots_of(each, window) if filled is None else filled,
                window.end - timedelta(minutes=1),
                window.start,
                window.start + each.period,
            )
            for device in devices
            if device.kind == each.kind
        )
        for each in asked.slots
    }
    deliveries = {
        each: tuple(DeliveryAnswer(device.id, 40, in_time) for device in devices if device.kind == each.kind)
        for each in asked.deliveries
    }
    place = Community("c", "某小区", "东胜区", "街道")
    tests = delivered_tests(devices, window.start + timedelta(hours=10))
    return Evidence(window, place, tuple(flats), tuple(devices), slots, deliveries, tests)


def judge(
    facts: Evidence, *, include_simulated: bool = False, generated_at: datetime = WINDOW.end, **options: Any
) -> Report:
    """Verify the evidence, by default when its window is just over."""
    return verify(facts, include_simulated=include_simulated, generated_at=generated_at, **options)


def measured(report: Report) -> dict[str, Result]:
    """Return the results of the measured criteria by id."""
    return {each.criterion.id: each for each in report.results if each.verdict is not Verdict.MANUAL}


def verdicts(report: Report) -> dict[str, Verdict]:
    """Return the verdicts of the measured criteria by id."""
    return {name: each.verdict for name, each in measured(report).items()}
