"""The data concentrator of a building: it knows which of its meters answer, and how its own supply and uplink do."""

from collections.abc import Iterator

from simulators.device_model import Happening, Subject, Values
from simulators.faults import silent
from simulators.weather import outdoor_c

PERIOD_S = 60


def simulate(subject: Subject) -> "Gateway":
    """A gateway whose counts are those of its real children."""
    return Gateway(subject)


class Gateway:
    """On mains failure it goes on from its battery; without an uplink it keeps what it collects."""

    def __init__(self, subject: Subject) -> None:
        """Find the children that can fall silent at all."""
        self._subject = subject
        self._doubtful = [child for child in subject.children if child.faults]

    def values(self, at: float) -> Values:
        """The children, the queue and the supply."""
        wobble = self._subject.chance.wobble(int(at))
        silent_children = sum(silent(child.device, child.faults, at) for child in self._doubtful)
        outage = self._subject.now("gateway_outage", at)
        waiting = 0 if outage is None else int(outage.lasted_s(at) / PERIOD_S) + 1
        drift = self._subject.now("clock_drift", at)
        return {
            "children_total": len(self._subject.children),
            "children_online": len(self._subject.children) - silent_children,
            "queue_messages": waiting,
            "storage_used_percent": round(min(21 + waiting * 0.01 + wobble[0], 100), 1),
            "clock_offset_s": round(0.3 * wobble[1] + (drift.parameter("offset_s") if drift else 0), 2),
            "mains_ok": self._subject.now("power_lost", at) is None,
            "temperature_c": round(outdoor_c(self._subject.seed, at) * 0.5 + 16 + 0.5 * wobble[2], 1),
            "signal_dbm": round(-78 - 14 * self._subject.chance.number(-1) + 3 * wobble[3]),
        }

    def happenings(self, start: float, end: float) -> Iterator[Happening]:
        """The mains that fail and return."""
        for fault in self._subject.all("power_lost"):
            if start <= fault.start_s < end:
                yield Happening(fault.start_s, "power_lost", alarm=True)
            if start <= fault.end_s < end:
                yield Happening(fault.end_s, "power_restored", alarm=True)
