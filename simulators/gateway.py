"""Data concentrator of a building: it reports its reachable meters, its supply and its uplink."""

from collections.abc import Iterator

from simulators.device_model import DeviceSetup, ModelEvent, Values
from simulators.faults import sends_nothing
from simulators.weather import outdoor_c

PERIOD_S = 60


def simulate(setup: DeviceSetup) -> "Gateway":
    """Return a gateway that counts its simulated children."""
    return Gateway(setup)


class Gateway:
    """Gateway that continues on its battery without mains, and stores messages without an uplink."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Select the children that may stop sending."""
        self._setup = setup
        self._children_with_faults = [child for child in setup.children if child.faults]

    def values(self, at: float) -> Values:
        """Return the counts of the children, the queue and the supply."""
        noise = self._setup.random.noise(int(at))
        children_offline = sum(sends_nothing(child.device, child.faults, at) for child in self._children_with_faults)
        outage = self._setup.active_fault("gateway_outage", at)
        waiting = 0 if outage is None else int(outage.elapsed_s(at) / PERIOD_S) + 1
        drift = self._setup.active_fault("clock_drift", at)
        return {
            "children_total": len(self._setup.children),
            "children_online": len(self._setup.children) - children_offline,
            "queue_messages": waiting,
            "storage_used_percent": round(min(21 + waiting * 0.01 + noise[0], 100), 1),
            "clock_offset_s": round(0.3 * noise[1] + (drift.parameter("offset_s") if drift else 0), 2),
            "mains_ok": self._setup.active_fault("power_lost", at) is None,
            "temperature_c": round(outdoor_c(self._setup.seed, at) * 0.5 + 16 + 0.5 * noise[2], 1),
            "signal_dbm": round(-78 - 14 * self._setup.random.fraction(-1) + 3 * noise[3]),
        }

    def events(self, start: float, end: float) -> Iterator[ModelEvent]:
        """Yield the failures and returns of the mains."""
        for fault in self._setup.faults_of("power_lost"):
            if start <= fault.start_s < end:
                yield ModelEvent(fault.start_s, "power_lost", with_reading=True)
            if start <= fault.end_s < end:
                yield ModelEvent(fault.end_s, "power_restored", with_reading=True)
