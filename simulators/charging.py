"""The charging of a battery: constant power, then a taper as the battery fills."""

from collections.abc import Iterator
from dataclasses import dataclass

from simulators.load_profile import Pulse
from simulators.local_time import HOUR_S

# The part of the energy that is charged at each part of the full power.
_TAPER = ((0.84, 1.0), (0.07, 0.7), (0.05, 0.45), (0.04, 0.25))


@dataclass(frozen=True, slots=True)
class ChargingSession:
    """One charging session; times are seconds of the day it was planned in.

    `start` is when energy begins to flow, `end` when the battery is full. `port` counts from 1.
    """

    start: float
    energy_kwh: float
    power_kw: float
    port: int = 1

    @property
    def end(self) -> float:
        """When the battery is full."""
        return self.start + charging_time_s(self.energy_kwh, self.power_kw)

    def pulses(self) -> Iterator[Pulse]:
        """The power over time, in kW."""
        begin = self.start
        for energy_part, power_part in _TAPER:
            power = self.power_kw * power_part
            end = begin + self.energy_kwh * energy_part / power * HOUR_S
            yield Pulse(begin, end, power)
            begin = end


def charging_time_s(energy_kwh: float, power_kw: float) -> float:
    """How long it takes to charge that energy, in seconds."""
    return sum(energy_kwh * part / (power_kw * of_full) for part, of_full in _TAPER) * HOUR_S


def split_by_weight(total: float, weights: list[float]) -> list[float]:
    """A total divided in the ratio of the weights."""
    return [total * weight / sum(weights) for weight in weights]
