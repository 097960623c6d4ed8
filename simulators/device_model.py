"""What a simulated device is to the fleet: values at any instant, and what happens between two instants."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from devices.device import Device
from devices.kind import Value
from simulators.faults import Fault
from simulators.seeded_random import SeededRandom

Values = dict[str, Value]


class ModelEvent(NamedTuple):
    """An event at an instant, in seconds since the epoch; `with_reading` sends the device's values along with it."""

    at: float
    event: str
    data: Mapping[str, Value] = {}
    with_reading: bool = False


class DeviceModel(Protocol):
    """The physics of one device. Both functions depend on their arguments alone."""

    def values(self, at: float) -> Values:
        """What the device measures at an instant, by field name."""
        ...

    def events(self, start: float, end: float) -> Iterable[ModelEvent]:
        """What happens from `start` up to, not including, `end`; in any order."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """What a model is made from.

    `seed` is the fleet's, for what devices share such as the weather; `random` is this device's own. `faults` are
    the ones injected into it, `children` the devices that report through it, or the household meters below it.
    """

    device: Device
    seed: int
    random: SeededRandom
    faults: tuple[Fault, ...] = ()
    children: tuple["DeviceSetup", ...] = ()

    def faults_of(self, kind: str) -> tuple[Fault, ...]:
        """The faults of a kind."""
        return tuple(fault for fault in self.faults if fault.kind == kind)

    def active_fault(self, kind: str, at: float) -> Fault | None:
        """The fault of a kind that is active at an instant."""
        return next((fault for fault in self.faults if fault.kind == kind and fault.active(at)), None)
