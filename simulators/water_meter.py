"""Household water meter: taps, showers and cisterns behind it, leaks and bursts."""

import random
from collections.abc import Iterator
from functools import lru_cache

from simulators.battery import battery_v, signal_dbm
from simulators.device_model import DeviceSetup, ModelEvent, Values
from simulators.faults import Fault
from simulators.household import Household, household_of
from simulators.load_profile import LoadProfile, Pulse, superpose
from simulators.local_time import day_and_second, is_weekend, local_hour
from simulators.register import ContinuousProfile, DailyRegister, DailySum, fault_spans, meter_register
from simulators.seeded_random import SeededRandom
from simulators.weather import season

PERIOD_S = 3_600
_STATIC_MPA = 0.34
_LITRES_A_PERSON = 75
_ROLLS_OVER_M3 = 100_000
# Draws: litres, flow in m3/h, and times a day for each person.
_DRAWS = ((6.0, 0.40, 5), (2.0, 0.30, 7), (38.0, 0.50, 0.5), (9.0, 0.45, 1.5))


def simulate(setup: DeviceSetup) -> "WaterMeter":
    """Return the meter of a flat, or a master meter where there are sub-meters."""
    return MasterMeter(setup) if setup.children else WaterMeter(setup)


class WaterMeter:
    """Meter with a flow of the use of its flat plus leaks; volume is its integral, displayed to the litre."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Prepare the draws and the register."""
        self._setup = setup
        home = household_of(setup.device, setup.seed)
        use_m3 = home.activity * home.people * _LITRES_A_PERSON / 1000
        daily_register = DailyRegister(_expectation(), use_m3, 0.5, setup.random)
        draw_random = SeededRandom.of(setup.random.key, "draws")
        self._draws = ContinuousProfile(lambda day: _plan(home, day, draw_random.generator(day)), daily_register)
        self._leaks = setup.faults_of("leak", "burst")
        self._stuck = setup.faults_of("meter_stuck")
        self._reverse_flows = setup.faults_of("reverse_flow")
        self._lost = setup.faults_of("water_lost")
        self._volume = meter_register(
            self.total_m3,
            setup.faults,
            steps=1000,
            modulus=_ROLLS_OVER_M3,
            standstills=fault_spans((*self._reverse_flows, *self._lost)),
        )

    def values(self, at: float) -> Values:
        """Return the registers, the flow, and the state of the pipe."""
        noise = self._setup.random.noise(int(at))
        flow = self.flow_m3_h(at)
        burst_drop = 0.12 if self._setup.active_fault("burst", at) else 0.0
        rush = 0.03 if 6.5 <= local_hour(at) < 8 or 18 <= local_hour(at) < 21 else 0.0
        is_stuck = any(fault.active(at) for fault in self._stuck)
        pressure = _STATIC_MPA - rush - 0.02 * min(flow, 1) - burst_drop
        if self._has_no_water(at):
            pressure = 0.0
        return {
            "volume_m3": self._volume.read(at),
            "volume_reverse_m3": round(
                sum((fault.elapsed_s(at) / 3600 * _flow_of(fault) for fault in self._reverse_flows), 0.0), 3
            ),
            "flow_m3_h": 0.0 if is_stuck else round(flow, 3),
            "water_temperature_c": round(10.5 + 5.5 * season(day_and_second(at)[0]) + 0.4 * noise[0], 1),
            "pressure_mpa": max(round(pressure + 0.006 * noise[1], 3), 0.0),
            "valve_state": "open",
            "battery_v": battery_v(self._setup, at, noise[2]),
            "signal_dbm": signal_dbm(self._setup, noise[3]),
        }

    def events(self, start: float, end: float) -> Iterator[ModelEvent]:
        """Yield leaks and bursts that last long enough to be detected, reverse flow, and an empty battery."""
        for event in self._fault_events():
            if start <= event.at < end:
                yield event

    def _fault_events(self) -> Iterator[ModelEvent]:
        for fault in self._leaks:
            detected_at = fault.start_s + fault.parameter("detect_after_s")
            if detected_at < fault.end_s:
                event = "leak_detected" if fault.kind == "leak" else "burst_detected"
                yield ModelEvent(detected_at, event, with_reading=True)
                if fault.kind == "leak":
                    yield ModelEvent(fault.end_s, "leak_cleared", with_reading=True)
        for fault in self._reverse_flows:
            yield ModelEvent(fault.start_s, "reverse_flow", with_reading=True)
        for fault in self._setup.faults_of("battery_low"):
            yield ModelEvent(fault.start_s, "battery_low", with_reading=True)

    def flow_m3_h(self, at: float) -> float:
        """Return the flow through the meter, negative for reverse flow."""
        if self._has_no_water(at):
            return 0.0
        for fault in self._reverse_flows:
            if fault.active(at):
                return -_flow_of(fault)
        return self.drawn_m3_h(at) + sum(_flow_of(fault) for fault in self._leaks if fault.active(at))

    def _has_no_water(self, at: float) -> bool:
        return any(fault.active(at) for fault in self._lost)

    def total_m3(self, at: float) -> float:
        """Return the volume through the meter since the first day, whatever its register displays."""
        leaked_m3 = sum(_flow_of(fault) * fault.elapsed_s(at) / 3600 for fault in self._leaks)
        return self.drawn_m3(at) + leaked_m3

    def drawn_m3_h(self, at: float) -> float:
        """Return the flow to the taps."""
        return self._draws.rate(at)

    def drawn_m3(self, at: float) -> float:
        """Return the volume drawn at the taps since the first day."""
        return self._draws.total(at)


class MasterMeter(WaterMeter):
    """Meter of a building or a community: use and leaks of its flats, and the leaks of its main."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Prepare the sub-meters."""
        super().__init__(setup)
        self._submeters = [WaterMeter(child) for child in setup.children]

    def drawn_m3_h(self, at: float) -> float:
        """Return the flow to the flats."""
        return sum(max(meter.flow_m3_h(at), 0.0) for meter in self._submeters)

    def drawn_m3(self, at: float) -> float:
        """Return the volume that has flowed to the flats since the first day."""
        return sum(meter.total_m3(at) for meter in self._submeters)


def _flow_of(fault: Fault) -> float:
    return fault.parameter("flow_m3_h")


@lru_cache(maxsize=1)
def _expectation() -> DailySum:
    """Return the expected use of the days, relative to the average: more at weekends and in summer."""
    return DailySum(lambda day: (1.15 if is_weekend(day) else 0.95) * (1 + 0.1 * season(day)))


def _plan(home: Household, day: int, generator: random.Random) -> LoadProfile:
    """Plan the draws of a day in m3/h."""
    pulses = []
    for litres, flow, often in _DRAWS:
        for _ in range(max(1, round(often * home.people * generator.uniform(0.7, 1.3)))):
            begin = home.random_second(day, generator)
            pulses.append(Pulse(begin, begin + litres * generator.uniform(0.6, 1.4) / flow * 3.6, flow))
    return superpose(pulses)
