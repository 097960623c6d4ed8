"""Heat meter at the entrance of a building unit: heat by outdoor temperature, in the heating season only."""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

from simulators.battery import battery_v
from simulators.device_model import DeviceSetup, ModelEvent, Values
from simulators.faults import Fault
from simulators.load_profile import LoadProfile, Pulse, superpose
from simulators.local_time import HOUR_S, day_and_second
from simulators.register import ContinuousProfile, DailyRegister, DailySum, fault_spans, meter_register
from simulators.weather import heating_need_k, heating_sum, outdoor_c

PERIOD_S = 3_600
_LOSS_KW_K = 1.1
_WATER_KWH_M3_K = 1.163
_ROLLS_OVER_KWH = 10_000_000
_ROLLS_OVER_M3 = 1_000_000


def simulate(setup: DeviceSetup) -> "HeatMeter":
    """Return the meter of a unit of about a dozen flats; the insulation of units differs."""
    return HeatMeter(setup)


class HeatMeter:
    """Meter of heat and flow by the hourly temperature; heat is flow times the spread of supply and return."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Prepare heat, flow and their registers."""
        self._setup = setup
        loss_kw_k = _LOSS_KW_K * (0.7 + 0.6 * setup.random.fraction(-1))
        self._heat = _profile(setup, _heat_sum(setup.seed), _unit_heat, loss_kw_k)
        self._flow = _profile(setup, _flow_sum(setup.seed), _unit_flow, loss_kw_k)
        self._heat_losses = setup.faults_of("heat_lost")
        self._energy = meter_register(
            self._heat.total,
            setup.faults,
            steps=100,
            modulus=_ROLLS_OVER_KWH,
            standstills=fault_spans(self._heat_losses),
        )
        self._volume = meter_register(self._flow.total, setup.faults, steps=100, modulus=_ROLLS_OVER_M3)

    def values(self, at: float) -> Values:
        """Return both registers, power, flow and the two temperatures."""
        noise = self._setup.random.noise(int(at))
        day, second = day_and_second(at)
        need_k = heating_need_k(self._setup.seed, day)[int(second // HOUR_S)]
        resting_c = max(outdoor_c(self._setup.seed, at), 12.0)
        supply_c = _supply_c(need_k) if need_k else resting_c
        return_c = supply_c - (_spread_k(need_k) if need_k else 0)
        heat_loss = self._setup.active_fault("heat_lost", at)
        if heat_loss is not None:
            supply_c = return_c = _cooled_c(return_c, heat_loss, at)
        return {
            "energy_kwh": self._energy.read(at),
            "volume_m3": self._volume.read(at),
            "power_kw": 0.0 if heat_loss else round(self._heat.rate(at), 2),
            "flow_m3_h": round(self._flow.rate(at), 3),
            "supply_c": round(supply_c + 0.3 * noise[0], 1),
            "return_c": round(return_c + 0.3 * noise[1], 1),
            "battery_v": battery_v(self._setup, at, noise[2]),
        }

    def events(self, start: float, end: float) -> Iterator[ModelEvent]:
        """Yield the event of an empty battery."""
        for fault in self._setup.faults_of("battery_low"):
            if start <= fault.start_s < end:
                yield ModelEvent(fault.start_s, "battery_low", with_reading=True)


def _supply_c(need_k: float) -> float:
    """Return the supply temperature that the substation sets for the weather, in degrees Celsius."""
    return 34 + 0.9 * need_k


def _spread_k(need_k: float) -> float:
    """Return the spread of supply and return, in kelvin."""
    return 5 + 0.25 * need_k


def _cooled_c(start_c: float, heat_loss: Fault, at: float) -> float:
    """Return the temperature of circulating water without heating, in degrees Celsius."""
    building_c = heat_loss.parameter("building_c")
    return building_c + (start_c - building_c) * math.exp(-heat_loss.elapsed_s(at) / heat_loss.parameter("cools_in_s"))


def _unit_heat(need_k: float) -> float:
    """Return the power for each kW/K of heat loss, in kW."""
    return need_k


def _unit_flow(need_k: float) -> float:
    """Return the flow for each kW/K of heat loss, in m3/h."""
    return need_k / (_WATER_KWH_M3_K * _spread_k(need_k))


@lru_cache(maxsize=4)
def _heat_sum(seed: int) -> DailySum:
    return heating_sum(seed, _unit_heat)


@lru_cache(maxsize=4)
def _flow_sum(seed: int) -> DailySum:
    return heating_sum(seed, _unit_flow)


def _profile(
    setup: DeviceSetup, expected: DailySum, unit_rate: Callable[[float], float], scale: float
) -> ContinuousProfile:
    def plan(day: int) -> LoadProfile:
        needs = heating_need_k(setup.seed, day)
        return superpose(Pulse(hour * HOUR_S, (hour + 1) * HOUR_S, unit_rate(need)) for hour, need in enumerate(needs))

    return ContinuousProfile(plan, DailyRegister(expected, scale, 0.0, setup.random))
