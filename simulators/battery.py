"""The lithium cell and the radio of a meter that hangs in a pipe shaft."""

from simulators.device_model import DeviceSetup
from simulators.local_time import DAY_S, FIRST_DAY, start_of

_FRESH_V = 3.65
_LOSS_V_A_YEAR = 0.008
_EMPTY_V = 3.05
_YEAR_S = 365.25 * DAY_S


def battery_v(setup: DeviceSetup, at: float, noise: float) -> float:
    """The voltage of the cell: almost level for years, and near its end while `battery_low` lasts."""
    age_years = (at - start_of(FIRST_DAY)) / _YEAR_S
    full = _FRESH_V - _LOSS_V_A_YEAR * age_years
    return round((_EMPTY_V if setup.active_fault("battery_low", at) else full) + 0.01 * noise, 2)


def signal_dbm(setup: DeviceSetup, noise: float) -> float:
    """The signal strength: each place has its own, and it varies a little."""
    return round(-72 - 22 * setup.random.fraction(-2) + 4 * noise)
