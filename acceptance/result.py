"""What a verification finds, as frozen data."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto

from acceptance.coverage import Matrix
from acceptance.criterion import Criterion
from acceptance.figure import Figure
from acceptance.plan_items import PlanItem
from store.telemetry.evidence import Community, RegisteredDevice, Window


class Verdict(StrEnum):
    """How one criterion ends. Missing evidence is never a pass."""

    PASS = auto()
    FAIL = auto()
    INSUFFICIENT_DATA = auto()
    MANUAL = auto()


class Outcome(StrEnum):
    """How a whole verification ends; with simulated devices it is never more than a demonstration."""

    PASS = auto()
    FAIL = auto()
    INSUFFICIENT_DATA = auto()
    DEMO = auto()


class Reason(StrEnum):
    """Why the data do not suffice."""

    WINDOW_OPEN = auto()
    WINDOW_SHORT = auto()
    NO_HOUSEHOLDS = auto()
    NO_DEVICES = auto()
    SAMPLE_SMALL = auto()


@dataclass(frozen=True, slots=True)
class DeviceFigure:
    """One device's part of a figure; `last_at` and `gap` (its longest silence) where slots are measured."""

    device: RegisteredDevice
    passed: int
    total: int
    last_at: datetime | None = None
    gap: Window | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One criterion: its verdict, the figure behind it, and the devices behind that.

    `counted` says whether it takes part in the outcome: a person's criterion does not, nor one that no device is
    registered for and no community needs. `shortfalls` are the devices below the target, the worst first. `silence` is
    a time in which every device of the criterion was silent.
    """

    criterion: Criterion
    verdict: Verdict
    counted: bool = False
    reason: Reason | None = None
    figure: Figure | None = None
    devices: int = 0
    simulated_devices: int = 0
    shortfalls: tuple[DeviceFigure, ...] = ()
    silence: Window | None = None


@dataclass(frozen=True, slots=True)
class ItemResult:
    """A plan item, with the worst verdict of its criteria and the number of devices that are evidence for it."""

    item: PlanItem
    verdict: Verdict
    devices: int


@dataclass(frozen=True, slots=True)
class Report:
    """A whole verification. Everything but `generated_at` follows from the evidence and the criteria."""

    community: Community
    window: Window
    generated_at: datetime
    criteria_version: str
    outcome: Outcome
    demo: bool
    items: tuple[ItemResult, ...]
    results: tuple[Result, ...]
    matrix: Matrix
    devices: tuple[RegisteredDevice, ...]
    excluded: tuple[RegisteredDevice, ...]
