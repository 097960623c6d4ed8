"""Fleet of simulated devices: all their messages in order of time, the same for the same seed."""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from devices.device import Device
from rules.model.submeters import submeters_by_master
from simulators.device_model import DeviceSetup
from simulators.faults import Fault, check_faults
from simulators.message import Message
from simulators.seeded_random import SeededRandom
from simulators.sender import Sender
from simulators.simulated_device import SimulatedDevice


class Fleet:
    """Simulated devices. Their messages depend on the devices, the seed, the faults and the time alone.

    History may therefore be made in one run or in several, by one process or by another, and continues without a break.
    """

    def __init__(self, devices: Sequence[Device], seed: int, faults: Iterable[Fault] = ()) -> None:
        """Build the models.

        Raises:
            FaultError: a fault names none of the devices, or a device of a kind that it cannot happen to.
            ValueError: a device reports through a gateway that is not in the fleet.
        """
        injected = tuple(faults)
        check_faults(injected, devices)
        setups = _with_submeters([_setup(device, seed, injected) for device in devices])
        children: dict[tuple[str, str], list[DeviceSetup]] = defaultdict(list)
        for setup in setups:
            if setup.device.gateway:
                children[setup.device.community, setup.device.gateway].append(setup)
        self._senders = [
            _sender(setup, tuple(children.pop((setup.device.community, setup.device.name), ())))
            for setup in setups
            if not setup.device.gateway
        ]
        if children:
            (community, gateway), _ = children.popitem()
            raise ValueError(f"devices of {community} report through {gateway}, which is not in the fleet: add it")

    def messages(self, start: datetime, end: datetime | None) -> Iterator[Message]:
        """Yield every message from `start` up to, not including, `end`, in order; endlessly without an end.

        Args:
            start: an aware datetime, from 2020 on.
            end: an aware datetime, or None.
        """
        begin, stop = start.timestamp(), math.inf if end is None else end.timestamp()
        return heapq.merge(*(sender.messages(begin, stop) for sender in self._senders))

    def statuses(self, at: datetime) -> Iterator[Message]:
        """Yield the retained connection state at an instant of every device with a connection of its own."""
        return (sender.status(at.timestamp()) for sender in self._senders)


def _with_submeters(setups: Sequence[DeviceSetup]) -> list[DeviceSetup]:
    """Return the setups; those of master meters have their sub-meters as children."""
    submeters = submeters_by_master(setup.device for setup in setups)
    by_id = {setup.device.id: setup for setup in setups}
    return [
        replace(setup, children=tuple(by_id[number] for number in submeters[setup.device.id].meters))
        if setup.device.id in submeters
        else setup
        for setup in setups
    ]


def _setup(device: Device, seed: int, faults: Iterable[Fault]) -> DeviceSetup:
    own = tuple(fault for fault in faults if fault.applies_to(device))
    return DeviceSetup(device, seed, SeededRandom.of(seed, device.community, device.name), own)


def _sender(setup: DeviceSetup, children: tuple[DeviceSetup, ...]) -> Sender:
    # Sorted, so that the order of the fleet does not change the messages of a gateway.
    children = tuple(sorted(children, key=lambda child: child.device.name))
    setup = replace(setup, children=children) if children else setup
    return Sender(SimulatedDevice(setup), [SimulatedDevice(child) for child in children], setup.faults)
