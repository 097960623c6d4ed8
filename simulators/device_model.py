"""Interface between a fleet and the physics of a device kind."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from devices.device import Device
from devices.kind import Value
from simulators.faults import Fault
from simulators.seeded_random import SeededRandom

Values = dict[str, Value]


class ModelEvent(NamedTuple):
    """Event at an instant, in seconds since the epoch; `with_reading` sends the device's values along with it."""

    at: float
    event: str
    data: Mapping[str, Value] = {}
    with_reading: bool = False


class DeviceModel(Protocol):
    """Physics of one device. Both functions depend on their arguments alone."""

    def values(self, at: float) -> Values:
        """Return the measured values at an instant, by field name."""
        ...

    def events(self, start: float, end: float) -> Iterable[ModelEvent]:
        """Return the events from `start` up to, not including, `end`, in any order."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """Everything that a model is built from.

    `seed` belongs to the fleet and decides shared conditions such as the weather. `random` and `faults` belong to this
    device alone. `children` are the devices behind a gateway, or the sub-meters of a master meter.
    """

    device: Device
    seed: int
    random: SeededRandom
    faults: tuple[Fault, ...] = ()
    children: tuple["DeviceSetup", ...] = ()

    def faults_of(self, *kinds: str) -> tuple[Fault, ...]:
        """Return the faults of the given kinds, kind by kind."""
        return tuple(fault for kind in kinds for fault in self.faults if fault.kind == kind)

    def active_fault(self, kind: str, at: float) -> Fault | None:
        """Return the fault of a kind that is active at an instant, or None."""
        return next((fault for fault in self.faults if fault.kind == kind and fault.active(at)), None)
