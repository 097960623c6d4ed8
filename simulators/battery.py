"""Lithium battery and radio of a meter in a pipe shaft."""

from simulators.device_model import DeviceSetup
from simulators.local_time import DAY_S, FIRST_DAY, start_of

_FRESH_V = 3.65
_LOSS_V_A_YEAR = 0.008
_EMPTY_V = 3.05
_YEAR_S = 365.25 * DAY_S


def battery_v(setup: DeviceSetup, at: float, noise: float) -> float:
    """Return the battery voltage: almost constant for years, near its end during the fault `battery_low`."""
    age_years = (at - start_of(FIRST_DAY)) / _YEAR_S
    healthy_v = _FRESH_V - _LOSS_V_A_YEAR * age_years
    return round((_EMPTY_V if setup.active_fault("battery_low", at) else healthy_v) + 0.01 * noise, 2)


def signal_dbm(setup: DeviceSetup, noise: float) -> float:
    """Return the signal strength: a level of the place, with a little noise."""
    return round(-72 - 22 * setup.random.fraction(-2) + 4 * noise)
