"""Household gas meter: cooking at mealtimes, a water heater with more use in winter, and a safety valve."""

import random
from collections.abc import Iterator
from functools import lru_cache

from simulators.battery import battery_v, signal_dbm
from simulators.device_model import DeviceSetup, ModelEvent, Values
from simulators.household import Household, household_of
from simulators.load_profile import LoadProfile, Pulse, superpose
from simulators.local_time import HOUR_S, day_and_second, is_weekend
from simulators.register import (
    ContinuousProfile,
    DailyRegister,
    DailySum,
    any_contains,
    fault_spans,
    merge_spans,
    meter_register,
)
from simulators.seeded_random import SeededRandom
from simulators.weather import season

PERIOD_S = 3_600
_SUPPLY_KPA = 2.1
_BURNER_M3_H = 0.35
_HEATER_M3_H = 1.6
_VALVE_ACTS_S = 2.0
_ROLLS_OVER_M3 = 100_000


def simulate(setup: DeviceSetup) -> "GasMeter":
    """Return the meter of the stove and the water heater of a flat."""
    return GasMeter(setup)


class GasMeter:
    """Meter with a volume that is the integral of the flow; a closed valve stops the flow."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Prepare the use and the register."""
        self._setup = setup
        home = household_of(setup.device, setup.seed)
        daily_register = DailyRegister(_expectation(), home.activity * (0.15 + 0.12 * home.people), 0.4, setup.random)
        use_random = SeededRandom.of(setup.random.key, "use")
        self._use = ContinuousProfile(lambda day: _plan(home, day, use_random.generator(day)), daily_register)
        valve_closed = fault_spans(setup.faults_of("gas_leak"))
        self._no_flow = merge_spans((*valve_closed, *fault_spans(setup.faults_of("meter_stuck"))))
        self._volume = meter_register(
            self._use.total, setup.faults, steps=1000, modulus=_ROLLS_OVER_M3, standstills=valve_closed
        )

    def values(self, at: float) -> Values:
        """Return the register, the flow, the supply and the valve."""
        noise = self._setup.random.noise(int(at))
        flow = 0.0 if any_contains(self._no_flow, at) else self._use.rate(at)
        leak = self._setup.active_fault("gas_leak", at)
        closed = leak is not None and leak.elapsed_s(at) >= _VALVE_ACTS_S
        return {
            "volume_m3": self._volume.read(at),
            "flow_m3_h": round(flow, 3),
            "gas_temperature_c": round(15 + 6 * season(day_and_second(at)[0]) + noise[0], 1),
            "pressure_kpa": round(_SUPPLY_KPA - 0.05 * flow + 0.05 * noise[1], 2),
            "valve_state": "closed" if closed else "open",
            "battery_v": battery_v(self._setup, at, noise[2]),
            "signal_dbm": signal_dbm(self._setup, noise[3]),
        }

    def events(self, start: float, end: float) -> Iterator[ModelEvent]:
        """Yield leaks, the actions of the valve, and an empty battery."""
        for event in self._fault_events():
            if start <= event.at < end:
                yield event

    def _fault_events(self) -> Iterator[ModelEvent]:
        for fault in self._setup.faults_of("gas_leak"):
            yield ModelEvent(fault.start_s, "gas_leak", with_reading=True)
            if fault.start_s + _VALVE_ACTS_S < fault.end_s:
                yield ModelEvent(fault.start_s + _VALVE_ACTS_S, "valve_closed", with_reading=True)
            yield ModelEvent(fault.end_s, "gas_leak_cleared", with_reading=True)
            yield ModelEvent(fault.end_s + _VALVE_ACTS_S, "valve_opened")
        for fault in self._setup.faults_of("battery_low"):
            yield ModelEvent(fault.start_s, "battery_low", with_reading=True)


@lru_cache(maxsize=1)
def _expectation() -> DailySum:
    """Return the expected use of the days, relative to the average: more for cold water and at weekends."""
    return DailySum(lambda day: (1.1 if is_weekend(day) else 1.0) * (1 - 0.25 * season(day)))


def _plan(home: Household, day: int, generator: random.Random) -> LoadProfile:
    """Plan the flow of a day in m3/h: meals on one or two burners, and hot water."""
    pulses: list[Pulse] = []
    meals = (6.8, 18.4) if home.away_on_workdays and not is_weekend(day) else (7.2, 11.6, 18.2)
    for hour in meals:
        begin = (hour + generator.uniform(-0.6, 0.6)) * HOUR_S
        burners = 1 if hour < 10 else 2
        pulses += (
            Pulse(begin, begin + generator.uniform(600, 2_700), _BURNER_M3_H * generator.uniform(0.6, 1))
            for _ in range(burners)
        )
    for _ in range(home.people):
        begin = home.random_second(day, generator)
        pulses.append(Pulse(begin, begin + generator.uniform(60, 420), _HEATER_M3_H))
    return superpose(pulses)
