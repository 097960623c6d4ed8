"""One simulated device on its reporting schedule: which items it hands over, and when."""

import math
from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple, cast

from devices.topic import Channel
from simulators.device_model import DeviceModel, DeviceSetup, ModelEvent
from simulators.faults import Fault, sends_nothing
from simulators.message import to_json

# A power of two keeps the grid exact in floating point, so no slot falls between two windows.
_TICKS_S = 1024


class Delivery(NamedTuple):
    """One JSON item and the instant (seconds since the epoch) at which the device hands it over."""

    at: float
    channel: Channel
    item: str


class SimulatedDevice:
    """A device and the model of its kind, deliveries by the kind's name among the simulators.

    Telemetry falls on a fixed grid: the device's own phase within its period. So what a source hands over between two
    instants depends on them alone.
    """

    def __init__(self, setup: DeviceSetup) -> None:
        """Make the model and choose the phase."""
        module = import_module(f"simulators.{setup.device.kind}")
        self.device = setup.device
        self.period_s: int = module.PERIOD_S
        self.phase_s = math.floor(setup.random.fraction(-100) * self.period_s * _TICKS_S) / _TICKS_S
        self._model = cast(DeviceModel, module.simulate(setup))
        self._faults = setup.faults
        self._drifts = setup.faults_of("clock_drift")
        self._late_batches = setup.faults_of("late_batch")
        self._duplications = setup.faults_of("duplicates")
        self._address = f'"kind":"{self.device.kind}","device":"{self.device.name}",' if self.device.gateway else ""

    @property
    def has_unscheduled_items(self) -> bool:
        """Whether it may hand over anything besides its telemetry on the grid."""
        return bool(self._faults) or not self.device.gateway

    def deliveries(self, start: float, end: float) -> list[Delivery]:
        """What is handed over from `start` up to, not including, `end`, in order."""
        deliveries = [
            Delivery(at, Channel.TELEMETRY, self._reading(at)) for at in self._slots(start, end) if self._on_time(at)
        ]
        if self.has_unscheduled_items:
            deliveries += self._events(start, end)
            for fault in self._late_batches:
                if start <= fault.end_s < end:
                    late = (at for at in self._slots(fault.start_s, fault.end_s) if not self._silent(at))
                    deliveries += (Delivery(fault.end_s, Channel.TELEMETRY, self._reading(at)) for at in late)
            for fault in self._duplications:
                deliveries += self._duplicates(fault, start, end)
            deliveries.sort()
        return deliveries

    def _slots(self, start: float, end: float) -> Iterator[float]:
        """The instants of the grid from `start` up to, not including, `end`."""
        slot = math.ceil((start - self.phase_s) / self.period_s)
        while (at := slot * self.period_s + self.phase_s) < end:
            if at >= start:
                yield at
            slot += 1

    def _silent(self, at: float) -> bool:
        return bool(self._faults) and sends_nothing(self.device, self._faults, at)

    def _on_time(self, at: float) -> bool:
        return not self._faults or not (self._silent(at) or any(fault.active(at) for fault in self._late_batches))

    def _duplicates(self, fault: Fault, start: float, end: float) -> Iterator[Delivery]:
        """The second copies of what was handed over during a fault that repeats everything."""
        delay = fault.parameter("repeat_after_s")
        first, last = max(start - delay, fault.start_s), min(end - delay, fault.end_s)
        for at in self._slots(first, last):
            if self._on_time(at):
                yield Delivery(at + delay, Channel.TELEMETRY, self._reading(at))
        for event in self._events(first, last):
            yield event._replace(at=event.at + delay)

    def _events(self, start: float, end: float) -> Iterator[Delivery]:
        """What happens, and the values that go with an alarm.

        A device falls silent after its last word, so what happens at the very start of the silence is still sent.
        """
        for event in self._model.events(start, end):
            at = event.at
            if any(fault.stops_sending(self.device) and fault.start_s < at < fault.end_s for fault in self._faults):
                continue
            yield Delivery(at, Channel.EVENT, self._event(event))
            if event.with_reading:
                yield Delivery(at, Channel.TELEMETRY, self._unscheduled_reading(at))

    def _reading(self, at: float) -> str:
        """The telemetry of a slot; `seq` counts the slots, so it goes on where an earlier run ended."""
        slot = round((at - self.phase_s) / self.period_s)
        return f'{{{self._address}"ts":{self._clock_ms(at)},"values":{to_json(self._model.values(at))},"seq":{slot}}}'

    def _unscheduled_reading(self, at: float) -> str:
        """Telemetry outside the schedule."""
        return f'{{{self._address}"ts":{self._clock_ms(at)},"values":{to_json(self._model.values(at))}}}'

    def _event(self, event: ModelEvent) -> str:
        identifier = f"{event.event}-{round(event.at * 1000)}"
        data = to_json(dict(event.data))
        head = f'{{{self._address}"id":"{identifier}","ts":{self._clock_ms(event.at)}'
        return f'{head},"event":"{event.event}","data":{data}}}'

    def _clock_ms(self, at: float) -> int:
        """What the device's own clock shows, in milliseconds since the epoch."""
        drift = sum(fault.parameter("offset_s") for fault in self._drifts if fault.active(at))
        return round((at + drift) * 1000)
