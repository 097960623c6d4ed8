"""A household water meter: taps, showers and cisterns behind it, leaks and bursts."""

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
# What is drawn: litres, flow in m3/h, and how often a person does it a day.
_DRAWS = ((6.0, 0.40, 5), (2.0, 0.30, 7), (38.0, 0.50, 0.5), (9.0, 0.45, 1.5))


def simulate(setup: DeviceSetup) -> "WaterMeter":
    """A meter whose flow is what the people of its flat draw, plus what escapes; or that of all flats below it."""
    return MasterMeter(setup) if setup.children else WaterMeter(setup)


class WaterMeter:
    """Volume is the integral of the flow, shown to the litre."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Prepare the draws and the register."""
        self._setup = setup
        home = household_of(setup.device, setup.seed)
        use_m3 = home.activity * home.people * _LITRES_A_PERSON / 1000
        daily_register = DailyRegister(_expectation(), use_m3, 0.5, setup.random)
        draw_random = SeededRandom.of(setup.random.key, "draws")
        self._draws = ContinuousProfile(lambda day: _plan(home, day, draw_random.generator(day)), daily_register)
        self._escapes = setup.faults_of("leak") + setup.faults_of("burst")
        self._stuck = setup.faults_of("meter_stuck")
        self._back = setup.faults_of("reverse_flow")
        self._volume = meter_register(
            self.total_m3, setup.faults, steps=1000, modulus=_ROLLS_OVER_M3, still=fault_spans(self._back)
        )

    def values(self, at: float) -> Values:
        """The register, the flow, and the state of the pipe."""
        noise = self._setup.random.noise(int(at))
        flow = self.flow_m3_h(at)
        burst_drop = 0.12 if self._setup.active_fault("burst", at) else 0.0
        rush = 0.03 if 6.5 <= local_hour(at) < 8 or 18 <= local_hour(at) < 21 else 0.0
        stands_still = any(fault.active(at) for fault in self._stuck)
        return {
            "volume_m3": self._volume.read(at),
            "volume_reverse_m3": round(
                sum((fault.elapsed_s(at) / 3600 * _flowing(fault) for fault in self._back), 0.0), 3
            ),
            "flow_m3_h": 0.0 if stands_still else round(flow, 3),
            "water_temperature_c": round(10.5 + 5.5 * season(day_and_second(at)[0]) + 0.4 * noise[0], 1),
            "pressure_mpa": round(_STATIC_MPA - rush - 0.02 * min(flow, 1) - burst_drop + 0.006 * noise[1], 3),
            "valve_state": "open",
            "battery_v": battery_v(self._setup, at, noise[2]),
            "signal_dbm": signal_dbm(self._setup, noise[3]),
        }

    def events(self, start: float, end: float) -> Iterator[ModelEvent]:
        """Leaks and bursts that last long enough to be noticed, and an empty battery."""
        for event in self._fault_events():
            if start <= event.at < end:
                yield event

    def _fault_events(self) -> Iterator[ModelEvent]:
        for fault in self._escapes:
            noticed = fault.start_s + fault.parameter("detect_after_s")
            if noticed < fault.end_s:
                event = "leak_detected" if fault.kind == "leak" else "burst_detected"
                yield ModelEvent(noticed, event, with_reading=True)
                if fault.kind == "leak":
                    yield ModelEvent(fault.end_s, "leak_cleared", with_reading=True)
        for fault in self._back:
            yield ModelEvent(fault.start_s, "reverse_flow", with_reading=True)
        for fault in self._setup.faults_of("battery_low"):
            yield ModelEvent(fault.start_s, "battery_low", with_reading=True)

    def flow_m3_h(self, at: float) -> float:
        """What flows through it, below 0 backwards."""
        for fault in self._back:
            if fault.active(at):
                return -_flowing(fault)
        return self.drawn_m3_h(at) + sum(_flowing(fault) for fault in self._escapes if fault.active(at))

    def total_m3(self, at: float) -> float:
        """What has flowed through it since the first day, whatever its register shows."""
        escaped = sum(_flowing(fault) * fault.elapsed_s(at) / 3600 for fault in self._escapes)
        return self.drawn_m3(at) + escaped

    def drawn_m3_h(self, at: float) -> float:
        """What flows to the taps."""
        return self._draws.rate(at)

    def drawn_m3(self, at: float) -> float:
        """What has flowed to the taps since the first day."""
        return self._draws.total(at)


class MasterMeter(WaterMeter):
    """The meter of a building or a community: all that its flats draw and lose, and what its main loses."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Prepare the meters below."""
        super().__init__(setup)
        self._below = [WaterMeter(child) for child in setup.children]

    def drawn_m3_h(self, at: float) -> float:
        """What flows to the flats."""
        return sum(max(meter.flow_m3_h(at), 0.0) for meter in self._below)

    def drawn_m3(self, at: float) -> float:
        """What has flowed to the flats since the first day."""
        return sum(meter.total_m3(at) for meter in self._below)


def _flowing(fault: Fault) -> float:
    return fault.parameter("flow_m3_h")


@lru_cache(maxsize=1)
def _expectation() -> DailySum:
    """The expected use of days, near 1: more at weekends and in summer."""
    return DailySum(lambda day: (1.15 if is_weekend(day) else 0.95) * (1 + 0.1 * season(day)))


def _plan(home: Household, day: int, generator: random.Random) -> LoadProfile:
    """The draws of a day in m3/h."""
    pulses = []
    for litres, flow, often in _DRAWS:
        for _ in range(max(1, round(often * home.people * generator.uniform(0.7, 1.3)))):
            begin = home.moment_s(day, generator)
            pulses.append(Pulse(begin, begin + litres * generator.uniform(0.6, 1.4) / flow * 3.6, flow))
    return superpose(pulses)
