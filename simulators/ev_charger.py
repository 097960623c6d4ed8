"""A charging point for cars with one connector: sessions with their sequence of states, and a power that tapers."""

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from devices.kind import Value
from simulators.charging import Session, duration_s, shares
from simulators.device_model import Happening, Subject, Values
from simulators.load_profile import Course, superpose
from simulators.local_time import DAY_S, HOUR_S, split, start_of
from simulators.register import DailySum, Ledger, Register, Stop, Supply, merged
from simulators.seeded_random import Chance
from simulators.weather import outdoor_c, season

PERIOD_S = 60
# A car that charges overnight charges within one day that begins at noon.
_DAY_BEGINS_H = 12
_POWER_KW = 6.8
_MAINS_V = 224.0


class _Visit(NamedTuple):
    """A car at the charger: plugged in, charging, full, gone. Seconds of the charging day."""

    arrives: float
    session: Session
    leaves: float


def simulate(subject: Subject) -> "EvCharger":
    """A 7 kW charging point that serves one or two cars a day."""
    return EvCharger(subject)


class EvCharger:
    """States follow OCPP; energy is the integral of power; a fault ends the session that it meets."""

    def __init__(self, subject: Subject) -> None:
        """Prepare the visits and the register."""
        self._subject = subject
        self._ledger = Ledger(_expectation(), 12 + 8 * subject.chance.number(-1), 0.7, subject.chance)
        self._visits = lru_cache(maxsize=4)(self._plan_visits)
        self._power = Supply(self._course, self._ledger, _DAY_BEGINS_H)
        self._faults = merged(Stop(fault.start_s, fault.end_s) for fault in subject.all("charger_fault"))
        self._dead = merged(Stop(fault.start, self._free_after(fault)) for fault in self._faults)
        self._energy = Register(self._power.total, steps=100, stops=self._dead)

    def values(self, at: float) -> Values:
        """The state, what flows, and the energy register."""
        wobble = self._subject.chance.wobble(int(at))
        status = self._status(at)
        power_kw = self._power.rate(at) if status == "charging" else 0.0
        voltage = _MAINS_V - 0.4 * power_kw + 1.5 * wobble[0]
        current = power_kw * 1000 / voltage
        ambient = outdoor_c(self._subject.seed, at)
        return {
            "status": status,
            "power_kw": round(power_kw, 2),
            "energy_kwh": self._energy.read(at),
            "voltage_v": round(voltage, 1),
            "current_a": round(current, 2),
            "connector_temperature_c": round(ambient + 22 * (current / 32) ** 2 + wobble[1], 1),
        }

    def happenings(self, start: float, end: float) -> Iterator[Happening]:
        """Sessions that begin and end, and faults."""
        for happening in (*self._sessions(start, end), *self._alarms()):
            if start <= happening.at < end:
                yield happening

    def _status(self, at: float) -> str:
        if any(stop.start <= at < stop.end for stop in self._faults):
            return "faulted"
        if any(stop.start <= at < stop.end for stop in self._dead):
            return "available"
        day, second = split(at, _DAY_BEGINS_H)
        for visit in self._visits(day):
            if visit.arrives <= second < visit.leaves:
                steps = (visit.arrives, visit.session.start, visit.session.end)
                return ("preparing", "charging", "finishing")[bisect_right(steps, second) - 1]
        return "available"

    def _sessions(self, start: float, end: float) -> Iterator[Happening]:
        for day in range(split(start, _DAY_BEGINS_H)[0], split(end, _DAY_BEGINS_H)[0] + 1):
            noon = start_of(day, _DAY_BEGINS_H)
            for number, visit in enumerate(self._visits(day)):
                session = f"{day}-{number}"
                begins, ends = noon + visit.session.start, noon + visit.session.end
                broken = next((stop.start for stop in self._dead if begins < stop.start < ends), None)
                if not self._is_dead(begins):
                    yield Happening(begins, "session_started", {"session": session})
                    stopped = ends if broken is None else broken
                    energy = self._power.total(stopped) - self._power.total(begins)
                    reason = "ev_full" if broken is None else "ground_fault"
                    data: dict[str, Value] = {"session": session, "energy_kwh": round(energy, 2), "reason": reason}
                    yield Happening(stopped, "session_stopped", data)

    def _alarms(self) -> Iterator[Happening]:
        for fault in self._faults:
            yield Happening(fault.start, "ground_fault", alarm=True)
            yield Happening(fault.start, "fault", {"code": "ground_fault"})
            yield Happening(fault.end, "fault_cleared", alarm=True)

    def _is_dead(self, at: float) -> bool:
        return any(stop.start <= at < stop.end for stop in self._dead)

    def _free_after(self, fault: Stop) -> float:
        """When the charger can be used again: a car whose session was broken off or refused has to leave first."""
        if fault.end == float("inf"):
            return fault.end
        day, second = split(fault.end, _DAY_BEGINS_H)
        leaves = (visit.leaves for visit in self._visits(day) if visit.arrives <= second < visit.leaves)
        return start_of(day, _DAY_BEGINS_H) + next(leaves, second)

    def _plan_visits(self, day: int) -> tuple[_Visit, ...]:
        """The visits of a day, one after the other, with free time between them."""
        generator = Chance.of(self._subject.chance.key, "visits").generator(day)
        energies = shares(self._ledger.of(day), [generator.uniform(0.6, 1) for _ in range(generator.randint(1, 2))])
        waits = [(generator.uniform(30, 180), generator.uniform(120, 2_700)) for _ in energies]
        busy = sum(duration_s(energy, _POWER_KW) + sum(wait) for energy, wait in zip(energies, waits, strict=True))
        free = shares(DAY_S - busy - HOUR_S, [generator.uniform(0.1, 1) for _ in (*energies, 0)])
        visits, at = [], 0.0
        for energy, (before, after), gap in zip(energies, waits, free, strict=False):
            session = Session(at + gap + before, energy, _POWER_KW)
            visits.append(_Visit(at + gap, session, session.end + after))
            at = visits[-1].leaves
        return tuple(visits)

    def _course(self, day: int) -> Course:
        return superpose(pulse for visit in self._visits(day) for pulse in visit.session.pulses())


@lru_cache(maxsize=1)
def _expectation() -> DailySum:
    """The expected energy of days, near 1: cold batteries and heated cabins take more."""
    return DailySum(lambda day: 1 - 0.15 * season(day))
