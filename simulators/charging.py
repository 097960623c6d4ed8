"""Charging of a battery: constant power, then a taper as the battery fills."""

from collections.abc import Iterator
from dataclasses import dataclass

from simulators.load_profile import Pulse
from simulators.local_time import HOUR_S

# Shares of the energy, each with the share of the full power at which it is charged.
_TAPER = ((0.84, 1.0), (0.07, 0.7), (0.05, 0.45), (0.04, 0.25))


@dataclass(frozen=True, slots=True)
class ChargingSession:
    """One charging session; times are seconds since the charging day began.

    Energy flows from `start` until `end`, when the battery is full. `port` counts from 1.
    """

    start: float
    energy_kwh: float
    power_kw: float
    port: int = 1

    @property
    def end(self) -> float:
        """Second of the day at which the battery is full."""
        return self.start + charging_time_s(self.energy_kwh, self.power_kw)

    def pulses(self) -> Iterator[Pulse]:
        """Yield the power over time, in kW."""
        begin = self.start
        for energy_share, power_share in _TAPER:
            power = self.power_kw * power_share
            end = begin + self.energy_kwh * energy_share / power * HOUR_S
            yield Pulse(begin, end, power)
            begin = end


def charging_time_s(energy_kwh: float, power_kw: float) -> float:
    """Return the duration of charging that energy, in seconds."""
    return sum(energy_kwh * energy_share / (power_kw * power_share) for energy_share, power_share in _TAPER) * HOUR_S


def split_by_weight(total: float, weights: list[float]) -> list[float]:
    """Split a total in the ratio of the weights."""
    return [total * weight / sum(weights) for weight in weights]
