"""What a device kind is: the fields it measures, the events it reports, and what it is evidence for.

Three limits stay apart: `possible` (outside it a value is refused at ingestion, because no working device can
send it), the acceptance threshold (handover) and the rule threshold (alert). Only the first one lives here.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

Value = float | bool | str
"""The value of a field: a number, a flag, or a choice by name."""


class Interval(NamedTuple):
    """A closed interval, in the unit of its field."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number that may go up and down, such as a voltage."""

    name: str
    unit: str
    possible: Interval
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Counter:
    """A register that only grows until it rolls over to 0 at `modulus`, such as an energy register.

    `per_hour` is the most that it can count in an hour, master meters of a community included: a greater step is no
    consumption, but a fault or another register.
    """

    name: str
    unit: str
    modulus: float
    zh: str
    en: str
    per_hour: float

    @property
    def possible(self) -> Interval:
        """From 0 to the modulus, in the counter's unit."""
        return Interval(0, self.modulus)


@dataclass(frozen=True, slots=True)
class Flag:
    """A condition that holds or does not, such as an open door."""

    name: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few named states; `choices` maps each to its Chinese label."""

    name: str
    choices: dict[str, str]
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Text:
    """A short technical code in an event, such as a fault code. Never a person's data: see `Personal`."""

    name: str
    zh: str
    en: str
    max_length: int = 64


class Identity(StrEnum):
    """Whose data a personal value is; it decides how the value is masked."""

    PLATE = "plate"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Personal:
    """A value that identifies a person. Decoding replaces it by `<name>_hash` and `<name>_masked`."""

    name: str
    identity: Identity
    zh: str
    en: str


Field = Gauge | Counter | Flag | Choice
EventField = Field | Text | Personal


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at an instant, with the data that may come with it."""

    name: str
    zh: str
    en: str
    data: tuple[EventField, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """All that is true of every device of one kind.

    `reporting_period` is how often a working device sends telemetry; `plan_items` are the items of the
    renovation plan that the kind is evidence for; `standards` are the Chinese standards behind its fields, by number.
    """

    name: str
    zh: str
    en: str
    fields: tuple[Field, ...]
    events: tuple[Event, ...]
    reporting_period: timedelta
    plan_items: tuple[str, ...]
    standards: tuple[str, ...]

    def field(self, name: str) -> Field | None:
        """The field of that name, or None."""
        return next((field for field in self.fields if field.name == name), None)

    def event(self, name: str) -> Event | None:
        """The event of that name, or None."""
        return next((event for event in self.events if event.name == name), None)

    @property
    def personal(self) -> bool:
        """Whether any of its events carries a person's data."""
        return any(isinstance(item, Personal) for event in self.events for item in event.data)


def battery_v(high: float = 4.0) -> Gauge:
    """The supply voltage of a battery-powered device, in volts; most hold one 3.6 V lithium cell."""
    return Gauge("battery_v", "V", Interval(0, high), "电池电压", "battery voltage")


def signal_dbm() -> Gauge:
    """The received radio signal strength, in dBm."""
    return Gauge("signal_dbm", "dBm", Interval(-150, 0), "信号强度", "signal strength")
