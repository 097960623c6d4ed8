"""Household electricity meter: appliances behind it, and a feeder with a voltage drop under load."""

import math
import random
from collections.abc import Iterator
from functools import lru_cache

from simulators.device_model import DeviceSetup, ModelEvent, Values
from simulators.household import Household, household_of
from simulators.load_profile import LoadProfile, Pulse, superpose
from simulators.local_time import HOUR_S, is_weekend, local_hour
from simulators.register import ContinuousProfile, DailyRegister, DailySum, fault_spans, meter_register
from simulators.seeded_random import SeededRandom
from simulators.weather import season

PERIOD_S = 900
_OPEN_CIRCUIT_V = 229.0
_FEEDER_DROP_V = 9.0
_SERVICE_OHM = 0.12
_ROLLS_OVER_KWH = 1_000_000


def simulate(setup: DeviceSetup) -> "ElectricityMeter":
    """Return a meter with a load by residents, hour, weekday and season."""
    return ElectricityMeter(setup)


class ElectricityMeter:
    """Meter with active energy as the integral of the load; voltage and current follow from the load."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Prepare the load and the register."""
        self._setup = setup
        self._random = setup.random
        home = household_of(setup.device, setup.seed)
        daily_register = DailyRegister(
            _expectation(home.away_on_workdays), home.activity * (2 + 1.2 * home.people), 0.3, setup.random
        )
        load_random = SeededRandom.of(setup.random.key, "load")
        self._load = ContinuousProfile(lambda day: _plan(home, day, load_random.generator(day)), daily_register)
        self._energy = meter_register(
            self._load.total,
            setup.faults,
            steps=100,
            modulus=_ROLLS_OVER_KWH,
            standstills=fault_spans(setup.faults_of("power_lost")),
        )
        # Distance of the flat from the transformer, as a share of the feeder.
        self._distance = 0.3 + 0.7 * setup.random.fraction(-1)

    def values(self, at: float) -> Values:
        """Return the load, voltage, current and the energy register."""
        noise = self._random.noise(int(at))
        power_w = self._load.rate(at) * 1000
        power_factor = 0.97 - 0.05 * math.exp(-power_w / 300) + 0.01 * noise[0]
        voltage_fault = self._setup.active_fault("voltage_high", at) or self._setup.active_fault("voltage_sag", at)
        if voltage_fault is None:
            drop = self._distance * _FEEDER_DROP_V * _feeder_load(local_hour(at)) + power_w / 220 * _SERVICE_OHM
            voltage = _OPEN_CIRCUIT_V - drop + 1.5 * noise[1]
        else:
            voltage = voltage_fault.parameter("voltage_v") + 0.4 * noise[1]
        return {
            "energy_kwh": self._energy.read(at),
            "energy_reverse_kwh": 0.0,
            "power_w": round(power_w, 1),
            "voltage_v": round(voltage, 1),
            "current_a": round(power_w / voltage / power_factor, 3),
            "power_factor": round(power_factor, 3),
            "frequency_hz": round(50 + 0.03 * noise[2], 2),
            "relay_closed": True,
        }

    def events(self, start: float, end: float) -> Iterator[ModelEvent]:
        """Yield the loss of the mains, which a meter still reports, and their return."""
        for fault in self._setup.faults_of("power_lost"):
            if start <= fault.start_s < end:
                yield ModelEvent(fault.start_s, "power_lost")
            if start <= fault.end_s < end:
                yield ModelEvent(fault.end_s, "power_restored", with_reading=True)


def _feeder_load(hour: float) -> float:
    """Return the load of the feeder, from 0.2 at night to about 1 at eight in the evening."""
    evening = math.exp(-(((hour - 20) / 2.5) ** 2))
    noon = 0.5 * math.exp(-(((hour - 12) / 2) ** 2))
    return 0.2 + max(evening, noon) * 0.8


@lru_cache(maxsize=2)
def _expectation(away_on_workdays: bool) -> DailySum:
    """Return the expected use of the days, relative to the average: more in winter, in summer heat, at weekends."""

    def of_day(day: int) -> float:
        warmth = season(day)
        weekend = 1.2 if away_on_workdays and is_weekend(day) else 1.0
        return weekend * (1 + (0.12 * warmth if warmth > 0 else -0.22 * warmth))

    return DailySum(of_day)


def _plan(home: Household, day: int, generator: random.Random) -> LoadProfile:
    """Plan the load of a day in kW: standby, fridge, lamps and appliances."""
    pulses = [Pulse(0, 24 * HOUR_S, generator.uniform(0.03, 0.07) + 0.01 * home.people)]
    fridge = generator.uniform(0, HOUR_S)
    pulses += [Pulse(fridge + i * HOUR_S, fridge + i * HOUR_S + 1_300, 0.11) for i in range(-1, 24)]
    if home.activity < 0.1:
        return superpose(pulses)
    dusk_h = 18.5 + 1.5 * season(day)
    night_h = generator.uniform(22, 23.8)
    pulses.append(Pulse(dusk_h * HOUR_S, night_h * HOUR_S, 0.04 + 0.02 * home.people))
    pulses.append(Pulse(generator.uniform(18.5, 20) * HOUR_S, night_h * HOUR_S, 0.12))
    for hour, power_kw in ((6.7, 0.9), (11.5, 1.1), (18.2, 1.6)):
        begin = (hour + generator.uniform(-0.5, 0.5)) * HOUR_S
        pulses.append(Pulse(begin, begin + generator.uniform(900, 2_400), power_kw))
    uses = ((1.6, 300, 1 + home.people), (1.4, 1_500, home.people), (0.35, 3_000, generator.randint(0, 1)))
    for power_kw, length_s, times in uses:
        for _ in range(times):
            begin = home.random_second(day, generator)
            pulses.append(Pulse(begin, begin + length_s * generator.uniform(0.7, 1.3), power_kw))
    return superpose(pulses)
