"""What a simulated device is to the fleet: values at any instant, and what happens between two instants."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from devices.device import Device
from devices.kind import Value
from simulators.faults import Fault
from simulators.seeded_random import Chance

Values = dict[str, Value]


class Happening(NamedTuple):
    """An event at an instant (seconds since the epoch). A device reports its values along with an `alarm`."""

    at: float
    event: str
    data: Mapping[str, Value] = {}
    alarm: bool = False


class Model(Protocol):
    """The physics of one device. Both functions depend on their arguments alone."""

    def values(self, at: float) -> Values:
        """What the device measures at an instant, by field name."""
        ...

    def happenings(self, start: float, end: float) -> Iterable[Happening]:
        """What happens from `start` up to, not including, `end`; in any order."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """What a model is made from.

    `seed` is the fleet's, for what devices share such as the weather; `chance` is this device's own. `faults` are
    the ones injected into it, `children` the devices that report through it, or the household meters below it.
    """

    device: Device
    seed: int
    chance: Chance
    faults: tuple[Fault, ...] = ()
    children: tuple["Subject", ...] = ()

    def all(self, kind: str) -> tuple[Fault, ...]:
        """The faults of a kind."""
        return tuple(fault for fault in self.faults if fault.kind == kind)

    def now(self, kind: str, at: float) -> Fault | None:
        """The fault of a kind that is active at an instant."""
        return next((fault for fault in self.faults if fault.kind == kind and fault.active(at)), None)
