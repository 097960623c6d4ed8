"""A fleet of simulated devices: all their messages in order of time, the same for the same seed."""

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
    """Simulates devices; what it sends between two instants depends on the devices, the seed and the faults alone.

    So history may be made in one run or in several, by one process or by another, and continues where it ended.
    """

    def __init__(self, devices: Sequence[Device], seed: int, faults: Iterable[Fault] = ()) -> None:
        """Make the models; no time passes yet.

        Raises:
            FaultError: a fault concerns none of the devices, or one that it cannot happen to.
        """
        injected = tuple(faults)
        check_faults(injected, devices)
        setups = _with_households([_setup(device, seed, injected) for device in devices])
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
        """Every message from `start` up to, not including, `end`, in order; without an end it goes on for ever.

        Args:
            start: an aware datetime, from 2020 on.
            end: an aware datetime, or None.
        """
        begin, stop = start.timestamp(), math.inf if end is None else end.timestamp()
        return heapq.merge(*(sender.messages(begin, stop) for sender in self._senders))

    def statuses(self, at: datetime) -> Iterator[Message]:
        """The retained connection state of every device that has a connection of its own, as it is at an instant."""
        return (sender.status(at.timestamp()) for sender in self._senders)


def _with_households(setups: Sequence[DeviceSetup]) -> list[DeviceSetup]:
    """The setups, each master meter with the household meters below it."""
    below = submeters_by_master(setup.device for setup in setups)
    by_id = {setup.device.id: setup for setup in setups}
    return [
        replace(setup, children=tuple(by_id[number] for number in below[setup.device.id].meters))
        if setup.device.id in below
        else setup
        for setup in setups
    ]


def _setup(device: Device, seed: int, faults: Iterable[Fault]) -> DeviceSetup:
    own = tuple(fault for fault in faults if fault.applies_to(device))
    return DeviceSetup(device, seed, SeededRandom.of(seed, device.community, device.name), own)


def _sender(setup: DeviceSetup, children: tuple[DeviceSetup, ...]) -> Sender:
    # The children of a gateway come in one order, whatever the order of the fleet.
    ordered = tuple(sorted(children, key=lambda child: child.device.name))
    whole = replace(setup, children=ordered) if ordered else setup
    return Sender(SimulatedDevice(whole), [SimulatedDevice(child) for child in ordered], setup.faults)
