"""A household electricity meter: appliances behind it, and a feeder that drops voltage when the building is busy."""

import math
import random
from collections.abc import Iterator
from functools import lru_cache

from simulators.device_model import Happening, Subject, Values
from simulators.household import Household, household_of
from simulators.load_profile import Course, Pulse, superpose
from simulators.local_time import HOUR_S, hour_of, is_weekend
from simulators.register import DailySum, Ledger, Supply, metered, stops
from simulators.seeded_random import Chance
from simulators.weather import season

PERIOD_S = 900
_OPEN_CIRCUIT_V = 229.0
_FEEDER_DROP_V = 9.0
_SERVICE_OHM = 0.12
_ROLLS_OVER_KWH = 1_000_000


def simulate(subject: Subject) -> "ElectricityMeter":
    """A meter whose load follows the people of its flat, the hour, the weekday and the season."""
    return ElectricityMeter(subject)


class ElectricityMeter:
    """Active energy is the integral of the load; voltage and current follow from it."""

    def __init__(self, subject: Subject) -> None:
        """Prepare the load and the register."""
        self._subject = subject
        self._chance = subject.chance
        home = household_of(subject.device, subject.seed)
        ledger = Ledger(_expectation(home.works), home.activity * (2 + 1.2 * home.people), 0.3, subject.chance)
        load_chance = Chance.of(subject.chance.key, "load")
        self._load = Supply(lambda day: _plan(home, day, load_chance.generator(day)), ledger)
        self._energy = metered(
            self._load.total,
            subject.faults,
            steps=100,
            modulus=_ROLLS_OVER_KWH,
            still=stops(subject.all("power_lost")),
        )
        # How far the flat is from the transformer, as a part of the feeder.
        self._distance = 0.3 + 0.7 * subject.chance.number(-1)

    def values(self, at: float) -> Values:
        """The load, what follows from it, and the energy register."""
        wobble = self._chance.wobble(int(at))
        power_w = self._load.rate(at) * 1000
        power_factor = 0.97 - 0.05 * math.exp(-power_w / 300) + 0.01 * wobble[0]
        forced = self._subject.now("voltage_high", at) or self._subject.now("voltage_sag", at)
        if forced is None:
            drop = self._distance * _FEEDER_DROP_V * _busy(hour_of(at)) + power_w / 220 * _SERVICE_OHM
            voltage = _OPEN_CIRCUIT_V - drop + 1.5 * wobble[1]
        else:
            voltage = forced.parameter("voltage_v") + 0.4 * wobble[1]
        return {
            "energy_kwh": self._energy.read(at),
            "energy_reverse_kwh": 0.0,
            "power_w": round(power_w, 1),
            "voltage_v": round(voltage, 1),
            "current_a": round(power_w / voltage / power_factor, 3),
            "power_factor": round(power_factor, 3),
            "frequency_hz": round(50 + 0.03 * wobble[2], 2),
            "relay_closed": True,
        }

    def happenings(self, start: float, end: float) -> Iterator[Happening]:
        """The last words of a meter without mains, and its return."""
        for fault in self._subject.all("power_lost"):
            if start <= fault.start_s < end:
                yield Happening(fault.start_s, "power_lost")
            if start <= fault.end_s < end:
                yield Happening(fault.end_s, "power_restored", alarm=True)


def _busy(hour: float) -> float:
    """How loaded the feeder is, from 0.2 at night to about 1 at eight in the evening."""
    evening = math.exp(-(((hour - 20) / 2.5) ** 2))
    noon = 0.5 * math.exp(-(((hour - 12) / 2) ** 2))
    return 0.2 + max(evening, noon) * 0.8


@lru_cache(maxsize=2)
def _expectation(works: bool) -> DailySum:
    """The expected use of days, 1 on average: more in winter's long nights, in summer's heat and at weekends."""

    def of_day(day: int) -> float:
        warmth = season(day)
        weekend = 1.2 if works and is_weekend(day) else 1.0
        return weekend * (1 + (0.12 * warmth if warmth > 0 else -0.22 * warmth))

    return DailySum(of_day)


def _plan(home: Household, day: int, generator: random.Random) -> Course:
    """The load of a day in kW: what is always on, the fridge, lamps and the appliances that people use."""
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
            begin = home.moment_s(day, generator)
            pulses.append(Pulse(begin, begin + length_s * generator.uniform(0.7, 1.3), power_kw))
    return superpose(pulses)
