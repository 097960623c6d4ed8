"""A household gas meter: cooking at mealtimes, a water heater that works harder in winter, and a safety valve."""

import random
from collections.abc import Iterator
from functools import lru_cache

from simulators.battery import battery_v, signal_dbm
from simulators.device_model import Happening, Subject, Values
from simulators.household import Household, household_of
from simulators.load_profile import Course, Pulse, superpose
from simulators.local_time import HOUR_S, is_weekend, split
from simulators.register import DailySum, Ledger, Supply, merged, metered, stops
from simulators.seeded_random import Chance
from simulators.weather import season

PERIOD_S = 3_600
_SUPPLY_KPA = 2.1
_BURNER_M3_H = 0.35
_HEATER_M3_H = 1.6
_VALVE_ACTS_S = 2.0
_ROLLS_OVER_M3 = 100_000


def simulate(subject: Subject) -> "GasMeter":
    """A meter whose flow is what the stove and the water heater of its flat burn."""
    return GasMeter(subject)


class GasMeter:
    """Volume is the integral of the flow; no gas flows behind a closed valve."""

    def __init__(self, subject: Subject) -> None:
        """Prepare the use and the register."""
        self._subject = subject
        home = household_of(subject.device, subject.seed)
        ledger = Ledger(_expectation(), home.activity * (0.15 + 0.12 * home.people), 0.4, subject.chance)
        use_chance = Chance.of(subject.chance.key, "use")
        self._use = Supply(lambda day: _plan(home, day, use_chance.generator(day)), ledger)
        shut = stops(subject.all("gas_leak"))
        self._stops = merged((*shut, *stops(subject.all("meter_stuck"))))
        self._volume = metered(self._use.total, subject.faults, steps=1000, modulus=_ROLLS_OVER_M3, still=shut)

    def values(self, at: float) -> Values:
        """The register, the flow, the supply and the valve."""
        wobble = self._subject.chance.wobble(int(at))
        stopped = any(stop.start <= at < stop.end for stop in self._stops)
        flow = 0.0 if stopped else self._use.rate(at)
        leak = self._subject.now("gas_leak", at)
        closed = leak is not None and leak.lasted_s(at) >= _VALVE_ACTS_S
        return {
            "volume_m3": self._volume.read(at),
            "flow_m3_h": round(flow, 3),
            "gas_temperature_c": round(15 + 6 * season(split(at)[0]) + wobble[0], 1),
            "pressure_kpa": round(_SUPPLY_KPA - 0.05 * flow + 0.05 * wobble[1], 2),
            "valve_state": "closed" if closed else "open",
            "battery_v": battery_v(self._subject, at, wobble[2]),
            "signal_dbm": signal_dbm(self._subject, wobble[3]),
        }

    def happenings(self, start: float, end: float) -> Iterator[Happening]:
        """Leaks with what the valve does about them, and an empty battery."""
        for happening in self._alarms():
            if start <= happening.at < end:
                yield happening

    def _alarms(self) -> Iterator[Happening]:
        for fault in self._subject.all("gas_leak"):
            yield Happening(fault.start_s, "gas_leak", alarm=True)
            if fault.start_s + _VALVE_ACTS_S < fault.end_s:
                yield Happening(fault.start_s + _VALVE_ACTS_S, "valve_closed", alarm=True)
            yield Happening(fault.end_s, "gas_leak_cleared", alarm=True)
            yield Happening(fault.end_s + _VALVE_ACTS_S, "valve_opened")
        for fault in self._subject.all("battery_low"):
            yield Happening(fault.start_s, "battery_low", alarm=True)


@lru_cache(maxsize=1)
def _expectation() -> DailySum:
    """The expected use of days, near 1: cold water takes more gas to heat, and people cook at weekends."""
    return DailySum(lambda day: (1.1 if is_weekend(day) else 1.0) * (1 - 0.25 * season(day)))


def _plan(home: Household, day: int, generator: random.Random) -> Course:
    """The burning of a day in m3/h: meals on one or two burners, and hot water."""
    pulses: list[Pulse] = []
    meals = (6.8, 18.4) if home.works and not is_weekend(day) else (7.2, 11.6, 18.2)
    for hour in meals:
        begin = (hour + generator.uniform(-0.6, 0.6)) * HOUR_S
        burners = 1 if hour < 10 else 2
        pulses += (
            Pulse(begin, begin + generator.uniform(600, 2_700), _BURNER_M3_H * generator.uniform(0.6, 1))
            for _ in range(burners)
        )
    for _ in range(home.people):
        begin = home.moment_s(day, generator)
        pulses.append(Pulse(begin, begin + generator.uniform(60, 420), _HEATER_M3_H))
    return superpose(pulses)
