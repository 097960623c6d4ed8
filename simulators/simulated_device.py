"""Reporting schedule of one simulated device: its JSON items and their instants."""

import math
from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple, cast
from zlib import crc32

from devices.topic import Channel
from simulators.device_model import DeviceModel, DeviceSetup, ModelEvent
from simulators.faults import Fault, sends_nothing
from simulators.message import to_json

# A power of two keeps the grid exact in floating point, so no slot falls between two windows.
_TICKS_S = 1024


class Delivery(NamedTuple):
    """One JSON item and the instant of its delivery, in seconds since the epoch."""

    at: float
    channel: Channel
    item: str


class SimulatedDevice:
    """A device with the model of its kind, which is the module of that name in `simulators`.

    Telemetry falls on a fixed grid, at the device's own phase within its period. The deliveries between two instants
    therefore depend on these instants alone.
    """

    def __init__(self, setup: DeviceSetup) -> None:
        """Build the model and choose the phase."""
        module = import_module(f"simulators.{setup.device.kind}")
        self.device = setup.device
        self.period_s: int = module.PERIOD_S
        self.phase_s = math.floor(setup.random.fraction(-100) * self.period_s * _TICKS_S) / _TICKS_S
        self._model = cast(DeviceModel, module.simulate(setup))
        self._faults = setup.faults
        self._drifts = setup.faults_of("clock_drift")
        self._late_batches = setup.faults_of("late_batch")
        self._duplications = setup.faults_of("duplicates")
        self._disorders = setup.faults_of("out_of_order")
        self._random = setup.random
        self._address_keys = (
            f'"kind":"{self.device.kind}","device":"{self.device.name}",' if self.device.gateway else ""
        )

    @property
    def has_unscheduled_items(self) -> bool:
        """Whether the device may deliver anything besides its telemetry on the grid."""
        return bool(self._faults) or not self.device.gateway

    def deliveries(self, start: float, end: float) -> list[Delivery]:
        """Return the deliveries from `start` up to, not including, `end`, in order."""
        deliveries = self._undelayed(start, end)
        for fault in self._disorders:
            deliveries = [each for each in deliveries if not fault.active(each.at)]
            deliveries += self._delayed(fault, start, end)
        if self.has_unscheduled_items:
            deliveries.sort()
        return deliveries

    def _undelayed(self, start: float, end: float) -> list[Delivery]:
        """Return the deliveries without the delays of `out_of_order`, in any order."""
        deliveries = [
            Delivery(at, Channel.TELEMETRY, self._reading(at)) for at in self._slots(start, end) if self._on_time(at)
        ]
        if self.has_unscheduled_items:
            deliveries += self._events(start, end)
            for fault in self._late_batches:
                if start <= fault.end_s < end:
                    late_slots = (at for at in self._slots(fault.start_s, fault.end_s) if not self._sends_nothing(at))
                    deliveries += (Delivery(fault.end_s, Channel.TELEMETRY, self._reading(at)) for at in late_slots)
            for fault in self._duplications:
                deliveries += self._duplicates(fault, start, end)
        return deliveries

    def _delayed(self, fault: Fault, start: float, end: float) -> Iterator[Delivery]:
        """Yield the deliveries that a fault `out_of_order` has delayed into the time from `start` up to `end`."""
        longest = fault.parameter("delay_s")
        for each in self._undelayed(max(start - longest, fault.start_s), min(end, fault.end_s)):
            at = each.at + longest * self._random.fraction(crc32(each.item.encode()))
            if start <= at < end:
                yield each._replace(at=at)

    def _slots(self, start: float, end: float) -> Iterator[float]:
        """Yield the instants of the grid from `start` up to, not including, `end`."""
        slot = math.ceil((start - self.phase_s) / self.period_s)
        while (at := slot * self.period_s + self.phase_s) < end:
            if at >= start:
                yield at
            slot += 1

    def _sends_nothing(self, at: float) -> bool:
        return bool(self._faults) and sends_nothing(self.device, self._faults, at)

    def _on_time(self, at: float) -> bool:
        return not self._faults or not (
            self._sends_nothing(at) or any(fault.active(at) for fault in self._late_batches)
        )

    def _duplicates(self, fault: Fault, start: float, end: float) -> Iterator[Delivery]:
        """Yield the second copies of all deliveries during a fault `duplicates`."""
        delay = fault.parameter("repeat_after_s")
        first, last = max(start - delay, fault.start_s), min(end - delay, fault.end_s)
        for at in self._slots(first, last):
            if self._on_time(at):
                yield Delivery(at + delay, Channel.TELEMETRY, self._reading(at))
        for event in self._events(first, last):
            yield event._replace(at=event.at + delay)

    def _events(self, start: float, end: float) -> Iterator[Delivery]:
        """Yield the events, and the readings that belong to them.

        A device reports the cause before it stops sending. An event at the very start of such a fault is sent.
        """
        for event in self._model.events(start, end):
            at = event.at
            if any(fault.stops_sending(self.device) and fault.start_s < at < fault.end_s for fault in self._faults):
                continue
            yield Delivery(at, Channel.EVENT, self._event(event))
            if event.with_reading:
                yield Delivery(at, Channel.TELEMETRY, self._unscheduled_reading(at))

    def _reading(self, at: float) -> str:
        """Return the telemetry of a slot; `seq` counts the slots, so that it continues across runs."""
        slot = round((at - self.phase_s) / self.period_s)
        return (
            f'{{{self._address_keys}"ts":{self._clock_ms(at)},"values":{to_json(self._model.values(at))},"seq":{slot}}}'
        )

    def _unscheduled_reading(self, at: float) -> str:
        """Return telemetry outside the schedule, without `seq`."""
        return f'{{{self._address_keys}"ts":{self._clock_ms(at)},"values":{to_json(self._model.values(at))}}}'

    def _event(self, event: ModelEvent) -> str:
        identifier = f"{event.event}-{round(event.at * 1000)}"
        data = to_json(dict(event.data))
        head = f'{{{self._address_keys}"id":"{identifier}","ts":{self._clock_ms(event.at)}'
        return f'{head},"event":"{event.event}","data":{data}}}'

    def _clock_ms(self, at: float) -> int:
        """Return the time of the device's own clock, in milliseconds since the epoch."""
        drift = sum(fault.parameter("offset_s") for fault in self._drifts if fault.active(at))
        return round((at + drift) * 1000)
