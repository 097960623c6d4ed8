"""Faults that can be injected into simulated devices, as data.

A fault is a kind, a device and a time; the model of each device kind simulates the consequences. Faults of delivery
(late, duplicated, with a wrong clock) apply to every device kind and are simulated by `SimulatedDevice`.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from devices.catalogue import KIND_BY_NAME
from devices.device import Device


class FaultError(ValueError):
    """A fault cannot be injected; the message names the correct form."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """Kind of fault: the device kinds it can happen to, and its parameters with their defaults.

    While the fault is active, devices of the kinds in `stops_sending` send nothing.
    """

    name: str
    en: str
    devices: tuple[str, ...]
    parameters: Mapping[str, float] = field(default_factory=dict)
    stops_sending: tuple[str, ...] = ()


_BATTERY_METERS = ("water_meter", "gas_meter", "heat_meter")
_RADIO_METERS = ("water_meter", "gas_meter")
_METERS = ("electricity_meter", *_BATTERY_METERS)
_ALL = tuple(KIND_BY_NAME)

FAULTS: dict[str, FaultKind] = {
    fault.name: fault
    for fault in (
        FaultKind(
            "leak",
            "a small flow that never stops; the meter reports it after a time (a real one after a day)",
            ("water_meter",),
            {"flow_m3_h": 0.03, "detect_after_s": 60},
        ),
        FaultKind("burst", "a burst pipe", ("water_meter",), {"flow_m3_h": 4, "detect_after_s": 10}),
        FaultKind("water_lost", "the main gives no water", ("water_meter",)),
        FaultKind("meter_stuck", "the register stands still; the use meanwhile is never counted", _METERS),
        FaultKind("meter_reset", "the register starts again from 0", _METERS),
        FaultKind("meter_rollover", "the register passes its last digit and continues from 0", _METERS),
        FaultKind("meter_glitch", "the register reads 0 for a time and is correct afterwards", _METERS),
        FaultKind(
            "reverse_flow",
            "water flows back into the main; the meter reports it",
            ("water_meter",),
            {"flow_m3_h": 0.1},
        ),
        FaultKind("clock_drift", "the device's clock is ahead, or behind if negative", _ALL, {"offset_s": 600}),
        FaultKind("gateway_outage", "the gateway loses its uplink and sends its backlog afterwards", ("gateway",)),
        FaultKind("door_forced", "the door is opened by force and stays open", ("access_control",)),
        FaultKind("door_held_open", "the door does not close", ("access_control",), {"hold_s": 60}),
        FaultKind("charger_fault", "a ground fault stops the charging point", ("ev_charger",)),
        FaultKind("car_overstays", "a full car stays plugged in and takes the place of others", ("ev_charger",)),
        FaultKind(
            "ebike_over_temperature",
            "a battery overheats while charging",
            ("ebike_charger",),
            {"peak_c": 85, "rise_s": 60, "port": 1},
        ),
        FaultKind(
            "camera_flapping",
            "the video signal is lost again and again, each time for some seconds",
            ("camera",),
            {"every_s": 600, "lost_s": 40},
        ),
        FaultKind("camera_offline", "the camera is not reachable", ("camera",), stops_sending=("camera",)),
        FaultKind(
            "radio_lost", "the radio of a meter does not get through", _RADIO_METERS, stops_sending=_RADIO_METERS
        ),
        FaultKind("battery_low", "the battery is nearly empty", (*_BATTERY_METERS, "access_control")),
        FaultKind("barrier_stuck", "the barrier does not move", ("vehicle_gate",)),
        FaultKind(
            "gate_misreads",
            "the recognition camera is dirty: it still reads this many plates of a hundred",
            ("vehicle_gate",),
            {"read_percent": 60},
        ),
        FaultKind("gas_leak", "gas escapes and the meter closes its valve", ("gas_meter",)),
        FaultKind("voltage_high", "the supply voltage is too high", ("electricity_meter",), {"voltage_v": 245}),
        FaultKind("voltage_sag", "the supply voltage is too low", ("electricity_meter",), {"voltage_v": 188}),
        FaultKind(
            "heat_lost",
            "the substation stops heating: the water still circulates and cools to the temperature of the building",
            ("heat_meter",),
            {"building_c": 16, "cools_in_s": 7_200},
        ),
        FaultKind(
            "power_lost",
            "the mains fail",
            ("electricity_meter", "access_control", "gateway"),
            stops_sending=("electricity_meter",),
        ),
        FaultKind("late_batch", "readings are stored and sent together at the end", _ALL),
        FaultKind("duplicates", "everything is sent twice", _ALL, {"repeat_after_s": 2}),
        FaultKind("out_of_order", "messages take up to delay_s, each a time of its own", _ALL, {"delay_s": 480}),
    )
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One injected fault.

    `device` is the name of a device, or `community/name` where several communities have a device of that name. With
    `*` it names all devices that match and to which the fault can happen, such as `b01-*`. The fault lasts from `start`
    up to `end`, or without end. `parameters` override the defaults of its kind.

    Raises:
        FaultError: the kind, a parameter or the times are invalid.
    """

    kind: str
    device: str
    start: datetime
    end: datetime | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise FaultError(f"there is no fault {self.kind!r}; known: {', '.join(FAULTS)}")
        known = FAULTS[self.kind].parameters
        for name in self.parameters:
            if name not in known:
                raise FaultError(f"{self.kind} has no parameter {name!r}; it has: {', '.join(known) or 'none'}")
        if self.start.tzinfo is None or (self.end is not None and self.end.tzinfo is None):
            raise FaultError("a fault's times need an offset from UTC, such as +08:00")
        if self.end is not None and self.end <= self.start:
            raise FaultError("a fault must end after it starts")

    @property
    def start_s(self) -> float:
        """Start in seconds since the epoch."""
        return self.start.timestamp()

    @property
    def end_s(self) -> float:
        """End in seconds since the epoch; infinite for a fault without end."""
        return math.inf if self.end is None else self.end.timestamp()

    def active(self, at: float) -> bool:
        """Return whether the fault lasts at an instant, in seconds since the epoch."""
        return self.start_s <= at < self.end_s

    def elapsed_s(self, at: float) -> float:
        """Return how many seconds the fault has lasted by an instant."""
        return max(min(at, self.end_s) - self.start_s, 0.0)

    def parameter(self, name: str) -> float:
        """Return a parameter, given or default, in the unit at the end of its name."""
        return self.parameters.get(name, FAULTS[self.kind].parameters[name])

    def applies_to(self, device: Device) -> bool:
        """Return whether the fault names this device."""
        names = (device.name, f"{device.community}/{device.name}")
        if "*" not in self.device:
            return self.device in names
        return device.kind in FAULTS[self.kind].devices and any(fnmatchcase(name, self.device) for name in names)

    def stops_sending(self, device: Device) -> bool:
        """Return whether the device sends nothing while the fault lasts."""
        return device.kind in FAULTS[self.kind].stops_sending


def sends_nothing(device: Device, faults: Iterable[Fault], at: float) -> bool:
    """Return whether a fault keeps the device from sending anything at an instant."""
    return any(fault.stops_sending(device) and fault.active(at) for fault in faults)


def check_faults(faults: Iterable[Fault], devices: Iterable[Device]) -> None:
    """Check that every fault names a device of a kind that it can happen to.

    Raises:
        FaultError: a fault names no device, or a device of a kind that it cannot happen to.
    """
    known = list(devices)
    for fault in faults:
        targets = [device for device in known if fault.applies_to(device)]
        if not targets:
            raise FaultError(f"no simulated device is called {fault.device!r}; write name or community/name")
        kinds = FAULTS[fault.kind].devices
        for device in targets:
            if device.kind not in kinds:
                raise FaultError(
                    f"{fault.kind} cannot happen to {device.name}, a {device.kind}; it happens to {', '.join(kinds)}"
                )


_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_FORM = "write kind:device@start[/duration][,parameter=number], such as leak:b03-u2-0501-water@+30s/10m"


def parse_fault(text: str, now: datetime) -> Fault:
    """Parse a fault from one line, as on the command line.

    Args:
        text: `kind:device@start[/duration][,parameter=number...]`. The start is `+30s` from now, `-2h` before it, or
            an RFC 3339 time. Durations are a number with `ms`, `s`, `m`, `h` or `d`. Without one the fault has no end.
        now: the origin of a relative start, an aware datetime.

    Raises:
        FaultError: the line does not have that form, or a value is impossible.
    """
    kind, colon, rest = text.partition(":")
    device, at_sign, when = rest.partition("@")
    if not (colon and at_sign and device and when):
        raise FaultError(f"{text!r} is not a fault: {_FORM}")
    when, *settings = when.split(",")
    start_text, slash, duration = when.partition("/")
    start = _start(start_text, now)
    end = start + _span(duration) if slash else None
    return Fault(kind, device, start, end, dict(map(_parameter, settings)))


def _start(text: str, now: datetime) -> datetime:
    if text[:1] in {"+", "-"}:
        return now + _span(text[1:]) * (1 if text[0] == "+" else -1)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise FaultError(f"{text!r} is not a start: write +30s, -2h or 2026-11-22T18:00:00+08:00") from None


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise FaultError(f"{text!r} is not a duration: write a number with ms, s, m, h or d, such as 10m")
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


def _parameter(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FaultError(f"{text!r} is not a parameter: write name=number, such as flow_m3_h=0.05")
    return name, number
