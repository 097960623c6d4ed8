"""Charging rack for electric bicycles with ten ports: evening sessions, and a battery that may overheat."""

from collections.abc import Iterator
from functools import lru_cache

from devices.kind import Value
from simulators.charging import ChargingSession, split_by_weight
from simulators.device_model import DeviceSetup, ModelEvent, Values
from simulators.faults import Fault
from simulators.load_profile import LoadProfile, superpose
from simulators.local_time import HOUR_S, day_and_second, start_of
from simulators.register import ContinuousProfile, DailyRegister, DailySum, Register
from simulators.seeded_random import SeededRandom
from simulators.weather import outdoor_c, season

PERIOD_S = 60
_PORTS = 10
_DAY_BEGINS_H = 12
_SESSION_KWH = 0.55
_MAINS_V = 222.0
# Arrivals from noon to midnight, by the hour: most people plug in when they come home.
_ARRIVALS = (3, 2, 2, 2, 4, 9, 14, 13, 10, 6, 3, 1)
_SAFE_BATTERY_C = 45.0


def simulate(setup: DeviceSetup) -> "EbikeCharger":
    """Return a rack that charges about ten bicycles a night."""
    return EbikeCharger(setup)


class EbikeCharger:
    """Rack of independent ports; energy is the integral of their total power."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Prepare the sessions and the register."""
        self._setup = setup
        self._daily_register = DailyRegister(_expectation(), 4 + 2 * setup.random.fraction(-1), 0.4, setup.random)
        self._sessions = lru_cache(maxsize=4)(self._plan_sessions)
        self._power = ContinuousProfile(self._load_profile, self._daily_register, _DAY_BEGINS_H)
        self._energy = Register(self._power.total, steps=1000)

    def values(self, at: float) -> Values:
        """Return the ports, the power, the temperatures and the energy register."""
        noise = self._setup.random.noise(int(at))
        day, second = day_and_second(at, _DAY_BEGINS_H)
        charging = [session for session in self._sessions(day) if session.start <= second < session.end]
        overheating = self._setup.active_fault("ebike_over_temperature", at)
        in_use = len(charging)
        ambient = outdoor_c(self._setup.seed, at)
        cabinet = ambient * 0.8 + 5 + 0.8 * in_use + 0.5 * noise[0]
        battery = cabinet + (6 if charging else 0) + noise[1]
        highest_w = max((session.power_kw * 1000 for session in charging), default=0.0)
        return {
            "status": "faulted"
            if overheating
            else "full"
            if in_use == _PORTS
            else "charging"
            if charging
            else "available",
            "ports_in_use": in_use,
            "ports_faulted": 1 if overheating else 0,
            "power_w": round(self._power.rate(at) * 1000, 1),
            "port_current_max_a": round(highest_w / _MAINS_V, 2),
            "energy_kwh": self._energy.read(at),
            "battery_temperature_c": round(battery if overheating is None else _overheated_c(overheating, at), 1),
            "cabinet_temperature_c": round(cabinet + (8 if overheating else 0), 1),
            "smoke": False,
        }

    def events(self, start: float, end: float) -> Iterator[ModelEvent]:
        """Yield the starts and ends of sessions, and the overheating of a battery."""
        for day in range(day_and_second(start, _DAY_BEGINS_H)[0], day_and_second(end, _DAY_BEGINS_H)[0] + 1):
            noon = start_of(day, _DAY_BEGINS_H)
            for session in self._sessions(day):
                if start <= noon + session.start < end:
                    yield ModelEvent(noon + session.start, "session_started", {"port": session.port})
                if start <= noon + session.end < end:
                    data: dict[str, Value] = {
                        "port": session.port,
                        "energy_kwh": round(session.energy_kwh, 3),
                        "reason": "full",
                    }
                    yield ModelEvent(noon + session.end, "session_stopped", data)
        for fault in self._setup.faults_of("ebike_over_temperature"):
            if start <= fault.start_s < end:
                yield ModelEvent(
                    fault.start_s, "over_temperature", {"port": fault.parameter("port")}, with_reading=True
                )
            if start <= fault.end_s < end:
                yield ModelEvent(fault.end_s, "fault_cleared", with_reading=True)

    def _plan_sessions(self, day: int) -> tuple[ChargingSession, ...]:
        """Plan the sessions of a day; a bicycle that finds all ports in use waits for the first free one."""
        generator = SeededRandom.of(self._setup.random.key, "sessions").generator(day)
        energy = self._daily_register.increase_on(day)
        count = max(1, round(energy / _SESSION_KWH))
        arrivals = sorted(
            (generator.choices(range(12), _ARRIVALS)[0] + generator.random()) * HOUR_S for _ in range(count)
        )
        parts = split_by_weight(energy, [generator.uniform(0.5, 1) for _ in arrivals])
        port_free_at = [0.0] * _PORTS
        sessions = []
        for arrival, part in zip(arrivals, parts, strict=True):
            free = [port for port in range(_PORTS) if port_free_at[port] <= arrival]
            port = generator.choice(free) if free else port_free_at.index(min(port_free_at))
            session = ChargingSession(max(arrival, port_free_at[port]), part, generator.uniform(0.14, 0.22), port + 1)
            port_free_at[port] = session.end
            sessions.append(session)
        return tuple(sessions)

    def _load_profile(self, day: int) -> LoadProfile:
        return superpose(pulse for session in self._sessions(day) for pulse in session.pulses())


def _overheated_c(fault: Fault, at: float) -> float:
    """Return the temperature of an overheating battery, from a safe one to the peak, in degrees Celsius."""
    progress = min(fault.elapsed_s(at) / fault.parameter("rise_s"), 1.0)
    return _SAFE_BATTERY_C + (fault.parameter("peak_c") - _SAFE_BATTERY_C) * progress


@lru_cache(maxsize=1)
def _expectation() -> DailySum:
    """Return the expected energy of the days, relative to the average: fewer people ride in the cold."""
    return DailySum(lambda day: 1 + 0.25 * season(day))
