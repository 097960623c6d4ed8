"""Device kinds: their fields, their events, and the plan items that they are evidence for.

There are three separate limits: `possible` (ingest rejects a value outside it, because no working device can send it),
the acceptance threshold (handover) and the rule threshold (alert). Only the first one is defined here.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

NO_DATA_PERIODS = 3
"""A device that missed this many reporting periods counts as silent in figures."""

Value = float | bool | str
"""The value of a field: a number, a flag, or a choice by name."""


_DECIMALS = {"次": 0, "dBm": 1, "W": 1, "V": 2, "℃": 2, "A": 3, "Hz": 3, "kPa": 3}
_FINEST = 4  # decimals: a tenth of a litre, a tenth of a watt-hour


class Interval(NamedTuple):
    """Closed interval, in the unit of its field."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Gauge:
    """Number that may rise and fall, such as a voltage.

    `signs` are the Chinese words for its negative and its positive values, such as 慢 and 快 of a clock.
    """

    name: str
    unit: str
    possible: Interval
    zh: str
    en: str
    signs: tuple[str, str] | None = None

    @property
    def decimals(self) -> int:
        """Number of decimals that a device of the kind resolves."""
        return _DECIMALS.get(self.unit, _FINEST)


@dataclass(frozen=True, slots=True)
class Counter:
    """Register that grows until it rolls over to 0 at `modulus`, such as an energy register.

    `per_hour` is the largest possible increase in an hour, also of a community's master meter. A larger step is no
    consumption, but a fault or another register. `backward` is the largest fall between two readings of a working
    register, such as by reverse flow. A larger fall is a rollover, a fault or another register.
    """

    name: str
    unit: str
    modulus: float
    zh: str
    en: str
    per_hour: float
    backward: float = 0.0

    @property
    def possible(self) -> Interval:
        """Interval from 0 to the modulus, in the unit of the counter."""
        return Interval(0, self.modulus)

    @property
    def decimals(self) -> int:
        """Number of decimals that the register resolves; answers about it have no more."""
        return _DECIMALS.get(self.unit, _FINEST)


@dataclass(frozen=True, slots=True)
class Flag:
    """Condition that is true or false, such as an open door."""

    name: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few named states; `choices` maps each of them to its Chinese label."""

    name: str
    choices: dict[str, str]
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Text:
    """Short technical code in an event, such as a fault code. Never personal data: see `Personal`."""

    name: str
    zh: str
    en: str
    max_length: int = 64


class Identity(StrEnum):
    """Category of a personal value; it decides the form of the mask."""

    PLATE = "plate"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Personal:
    """Value that identifies a person. Decoding replaces it by `<name>_hash` and `<name>_masked`."""

    name: str
    identity: Identity
    zh: str
    en: str


_PASSES_ON_PERSONAL_DATA = frozenset({"camera", "gateway"})
Field = Gauge | Counter | Flag | Choice
EventField = Field | Text | Personal


@dataclass(frozen=True, slots=True)
class Event:
    """Event of a device kind, with the data that it may carry."""

    name: str
    zh: str
    en: str
    data: tuple[EventField, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """Properties of all devices of one kind.

    `reporting_period` is the telemetry interval of a working device. `plan_items` are the items of the renovation plan
    that the kind is evidence for. `standards` are the numbers of the Chinese standards behind its fields.
    """

    name: str
    zh: str
    en: str
    fields: tuple[Field, ...]
    events: tuple[Event, ...]
    reporting_period: timedelta
    plan_items: tuple[str, ...]
    standards: tuple[str, ...]

    @property
    def no_data_after(self) -> timedelta:
        """Time without fresh telemetry after which a device counts as silent in figures; rules have their own."""
        return NO_DATA_PERIODS * self.reporting_period

    def field(self, name: str) -> Field | None:
        """Return the field of that name, or None."""
        return next((field for field in self.fields if field.name == name), None)

    def event(self, name: str) -> Event | None:
        """Return the event of that name, or None."""
        return next((event for event in self.events if event.name == name), None)

    @property
    def personal(self) -> bool:
        """Whether any event of the kind carries personal data."""
        return any(isinstance(item, Personal) for event in self.events for item in event.data)

    @property
    def redacted(self) -> bool:
        """Whether rejected payloads of the kind are never stored, because they may hold personal data.

        A gateway may forward doors and vehicle gates. A camera may send a number plate that no event of it has.
        """
        return self.personal or self.name in _PASSES_ON_PERSONAL_DATA


def battery_v(high: float = 4.0) -> Gauge:
    """Return the field for the voltage of a battery, in volts; most devices have one 3.6 V lithium battery."""
    return Gauge("battery_v", "V", Interval(0, high), "电池电压", "battery voltage")


def signal_dbm() -> Gauge:
    """Return the field for the received radio signal strength, in dBm."""
    return Gauge("signal_dbm", "dBm", Interval(-150, 0), "信号强度", "signal strength")
