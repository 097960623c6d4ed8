"""Charging point for cars with one connector: sessions with their sequence of states, and a power that tapers."""

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from devices.kind import Value
from simulators.charging import ChargingSession, charging_time_s, split_by_weight
from simulators.device_model import DeviceSetup, ModelEvent, Values
from simulators.load_profile import LoadProfile, superpose
from simulators.local_time import DAY_S, HOUR_S, day_and_second, start_of
from simulators.register import (
    ContinuousProfile,
    DailyRegister,
    DailySum,
    Register,
    TimeSpan,
    any_contains,
    fault_spans,
    merge_spans,
)
from simulators.seeded_random import SeededRandom
from simulators.weather import outdoor_c, season

PERIOD_S = 60
# A car that charges overnight charges within one day that begins at noon.
_DAY_BEGINS_H = 12
# The driver ends the session of a full car, then unplugs.
_UNPLUGGING_S = 60
_POWER_KW = 6.8
_MAINS_V = 224.0


class _Visit(NamedTuple):
    """Visit of a car, from plugging in to leaving, in seconds of the charging day."""

    arrives: float
    session: ChargingSession
    leaves: float

    @property
    def stopped(self) -> float:
        """End of the session; the car is full before, and plugged in (`suspended_ev` of OCPP)."""
        return self.leaves - _UNPLUGGING_S


def simulate(setup: DeviceSetup) -> "EvCharger":
    """Return a 7 kW charging point that serves one or two cars a day."""
    return EvCharger(setup)


class EvCharger:
    """Charging point with the states of OCPP; energy is the integral of power, and a fault ends a running session."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Prepare the visits and the register."""
        self._setup = setup
        self._daily_register = DailyRegister(_expectation(), 12 + 8 * setup.random.fraction(-1), 0.7, setup.random)
        self._visits = lru_cache(maxsize=4)(self._plan_visits)
        self._power = ContinuousProfile(self._load_profile, self._daily_register, _DAY_BEGINS_H)
        self._faults = fault_spans(setup.faults_of("charger_fault"))
        self._overstays = fault_spans(setup.faults_of("car_overstays"))
        self._unusable_spans = merge_spans(
            TimeSpan(fault.start, self._usable_from(fault)) for fault in (*self._faults, *self._overstays)
        )
        self._energy = Register(self._power.total, steps=100, standstills=self._unusable_spans)

    def values(self, at: float) -> Values:
        """Return the state, the power and the energy register."""
        noise = self._setup.random.noise(int(at))
        status = self._status(at)
        power_kw = self._power.rate(at) if status == "charging" else 0.0
        voltage = _MAINS_V - 0.4 * power_kw + 1.5 * noise[0]
        current = power_kw * 1000 / voltage
        ambient = outdoor_c(self._setup.seed, at)
        return {
            "status": status,
            "power_kw": round(power_kw, 2),
            "energy_kwh": self._energy.read(at),
            "voltage_v": round(voltage, 1),
            "current_a": round(current, 2),
            "connector_temperature_c": round(ambient + 22 * (current / 32) ** 2 + noise[1], 1),
        }

    def events(self, start: float, end: float) -> Iterator[ModelEvent]:
        """Yield the starts and ends of sessions, and the faults."""
        for event in (*self._sessions(start, end), *self._fault_events()):
            if start <= event.at < end:
                yield event

    def _status(self, at: float) -> str:
        if any_contains(self._faults, at):
            return "faulted"
        if any_contains(self._overstays, at):
            return "suspended_ev"
        if any_contains(self._unusable_spans, at):
            return "available"
        day, second = day_and_second(at, _DAY_BEGINS_H)
        for visit in self._visits(day):
            if visit.arrives <= second < visit.leaves:
                steps = (visit.arrives, visit.session.start, visit.session.end, visit.stopped)
                return ("preparing", "charging", "suspended_ev", "finishing")[bisect_right(steps, second) - 1]
        return "available"

    def _sessions(self, start: float, end: float) -> Iterator[ModelEvent]:
        for day in range(day_and_second(start, _DAY_BEGINS_H)[0], day_and_second(end, _DAY_BEGINS_H)[0] + 1):
            noon = start_of(day, _DAY_BEGINS_H)
            for number, visit in enumerate(self._visits(day)):
                session = f"{day}-{number}"
                begins, ends = noon + visit.session.start, noon + visit.stopped
                broken_at = next((span.start for span in self._unusable_spans if begins < span.start < ends), None)
                if not any_contains(self._unusable_spans, begins):
                    yield ModelEvent(begins, "session_started", {"session": session})
                    stops = ends if broken_at is None else broken_at
                    energy = self._power.total(stops) - self._power.total(begins)
                    reason = "ground_fault" if any_contains(self._faults, stops) else "ev_full"
                    data: dict[str, Value] = {"session": session, "energy_kwh": round(energy, 2), "reason": reason}
                    yield ModelEvent(stops, "session_stopped", data)

    def _fault_events(self) -> Iterator[ModelEvent]:
        for fault in self._faults:
            yield ModelEvent(fault.start, "ground_fault", with_reading=True)
            yield ModelEvent(fault.start, "fault", {"code": "ground_fault"})
            yield ModelEvent(fault.end, "fault_cleared", with_reading=True)

    def _usable_from(self, fault: TimeSpan) -> float:
        """Return the end of a fault, or the departure of a car that is present then and has to leave first."""
        if fault.end == float("inf"):
            return fault.end
        day, second = day_and_second(fault.end, _DAY_BEGINS_H)
        leaves = (visit.leaves for visit in self._visits(day) if visit.arrives <= second < visit.leaves)
        return start_of(day, _DAY_BEGINS_H) + next(leaves, second)

    def _plan_visits(self, day: int) -> tuple[_Visit, ...]:
        """Plan the visits of a day, one after the other, with free time between them."""
        generator = SeededRandom.of(self._setup.random.key, "visits").generator(day)
        energies = split_by_weight(
            self._daily_register.increase_on(day), [generator.uniform(0.6, 1) for _ in range(generator.randint(1, 2))]
        )
        waits = [(generator.uniform(30, 180), generator.uniform(120, 2_700)) for _ in energies]
        busy = sum(charging_time_s(energy, _POWER_KW) + sum(wait) for energy, wait in zip(energies, waits, strict=True))
        free = split_by_weight(DAY_S - busy - HOUR_S, [generator.uniform(0.1, 1) for _ in (*energies, 0)])
        visits, at = [], 0.0
        for energy, (before, after), gap in zip(energies, waits, free, strict=False):
            session = ChargingSession(at + gap + before, energy, _POWER_KW)
            visits.append(_Visit(at + gap, session, session.end + after))
            at = visits[-1].leaves
        return tuple(visits)

    def _load_profile(self, day: int) -> LoadProfile:
        return superpose(pulse for visit in self._visits(day) for pulse in visit.session.pulses())


@lru_cache(maxsize=1)
def _expectation() -> DailySum:
    """Return the expected energy of the days, relative to the average: cold batteries and heated cabins need more."""
    return DailySum(lambda day: 1 - 0.15 * season(day))
