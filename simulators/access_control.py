"""Door control at the entrance of a building unit: passages, refusals, forced doors and doors held open."""

from collections.abc import Iterator
from functools import lru_cache

from simulators.device_model import DeviceSetup, ModelEvent, Values
from simulators.local_time import is_weekend
from simulators.register import DailyRegister, DailySum, Register, any_contains, fault_spans
from simulators.seeded_random import SeededRandom
from simulators.traffic import Passage, Traffic
from simulators.weather import outdoor_c

PERIOD_S = 60
_SLOT_S = 20
_WORKING_DAY = (1, 1, 1, 1, 1, 3, 10, 14, 9, 5, 5, 8, 8, 5, 5, 6, 9, 14, 14, 11, 8, 5, 3, 1)
_WEEKEND = (1, 1, 1, 1, 1, 2, 5, 7, 10, 11, 11, 10, 8, 8, 9, 10, 10, 11, 11, 10, 8, 6, 4, 2)
_METHODS = ("card", "face", "phone", "password", "intercom", "button")
_METHOD_WEIGHTS = (20, 35, 15, 4, 6, 20)
_IDENTIFYING = frozenset({"card", "face", "phone", "password"})
_REFUSED_IN = 60


def simulate(setup: DeviceSetup) -> "AccessControl":
    """Return a door of about a dozen households."""
    return AccessControl(setup)


class AccessControl:
    """Door that each passage unlocks, opens and closes; one attempt in sixty is refused first."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Prepare the traffic and its counters."""
        self._setup = setup
        daily_register = DailyRegister(_expectation(), 40 + 40 * setup.random.fraction(-1), 0.3, setup.random)
        self._traffic = Traffic(daily_register, _hour_weights, SeededRandom.of(setup.random.key, "passages"), _SLOT_S)
        self._open = fault_spans(setup.faults_of("door_forced", "door_held_open"))
        # A door that stands open is passed without unlocking.
        self._unlocks = Register(self._traffic.count, steps=1, standstills=self._open)
        self._refusals = Register(lambda at: self._traffic.count(at) // _REFUSED_IN, steps=1, standstills=self._open)

    def values(self, at: float) -> Values:
        """Return the state of the door, its counters and its supply."""
        noise = self._setup.random.noise(int(at))
        door_open = any_contains(self._open, at) or any(
            _opens_at(passage) <= at < self._closes_at(passage) for passage in self._traffic.between(at - _SLOT_S, at)
        )
        power_loss = self._setup.active_fault("power_lost", at)
        drained_v = 0.0 if power_loss is None else power_loss.elapsed_s(at) / 3600 * 0.2
        low_v = 2.7 if self._setup.active_fault("battery_low", at) else 0.0
        return {
            "door_open": door_open,
            "locked": not door_open,
            "unlocks": int(self._unlocks.read(at)),
            "unlock_failures": int(self._refusals.read(at)),
            "unlock_latency_s": round(0.6 + 0.25 * noise[0], 2),
            "backup_battery_v": round(max(13.3 - drained_v - low_v + 0.05 * noise[1], 0.0), 2),
            "mains_ok": power_loss is None,
            "temperature_c": round(outdoor_c(self._setup.seed, at) * 0.6 + 12 + noise[2], 1),
        }

    def events(self, start: float, end: float) -> Iterator[ModelEvent]:
        """Yield the events of passages and faults."""
        for passage in self._traffic.between(start - _SLOT_S, end):
            for event in self._passage_events(passage):
                # Passages are not noticed from the instant at which a fault opens the door until it closes.
                if start <= event.at < end and not self._in_fault(event.at):
                    yield event
        for event in self._fault_events():
            if start <= event.at < end:
                yield event

    def _passage_events(self, passage: Passage) -> Iterator[ModelEvent]:
        generator = self._setup.random.generator(passage.number)
        (method,) = generator.choices(_METHODS, _METHOD_WEIGHTS)
        data = {"method": method}
        if method in _IDENTIFYING:
            data["user"] = f"resident-{generator.randrange(36):02d}"
        # `number` counts from 0: this passage makes the count a multiple, as the counter of refusals needs.
        if (passage.number + 1) % _REFUSED_IN == 0:
            yield ModelEvent(passage.at, "unlock_refused", {"method": "face"})
        yield ModelEvent(passage.at, "unlocked", data)
        yield ModelEvent(_opens_at(passage), "door_opened")
        yield ModelEvent(self._closes_at(passage), "door_closed")

    def _closes_at(self, passage: Passage) -> float:
        return _opens_at(passage) + 3 + 8 * self._setup.random.fraction(passage.number)

    def _in_fault(self, at: float) -> bool:
        return any(span.start < at <= span.end for span in self._open)

    def _fault_events(self) -> Iterator[ModelEvent]:
        for fault in self._setup.faults_of("door_forced"):
            yield ModelEvent(fault.start_s, "door_forced", with_reading=True)
        for fault in self._setup.faults_of("door_held_open"):
            reported_at = fault.start_s + fault.parameter("hold_s")
            if reported_at < fault.end_s:
                yield ModelEvent(reported_at, "door_held_open", with_reading=True)
        for span in self._open:
            yield ModelEvent(span.start, "door_opened")
            yield ModelEvent(span.end, "door_closed", with_reading=True)


def _opens_at(passage: Passage) -> float:
    return passage.at + 1.2


def _hour_weights(day: int) -> tuple[int, ...]:
    return _WEEKEND if is_weekend(day) else _WORKING_DAY


@lru_cache(maxsize=1)
def _expectation() -> DailySum:
    """Return the expected passages of the days, relative to the average."""
    return DailySum(lambda day: 0.9 if is_weekend(day) else 1.05)
