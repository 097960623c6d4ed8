"""Results of a verification, as frozen data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto

from acceptance.coverage import Matrix
from acceptance.criterion import Criterion
from acceptance.figure import Figure
from acceptance.plan_items import PlanItem
from store.telemetry.evidence import Community, RegisteredDevice
from store.telemetry.window import Window
from store.telemetry.witnessed_tests import WitnessedTestRow


class Verdict(StrEnum):
    """Verdict of one criterion. Missing evidence is never a pass.

    `NOT_APPLICABLE` says that a criterion does not concern the community, such as gas where no gas meter is registered.
    """

    PASS = auto()
    FAIL = auto()
    INSUFFICIENT_DATA = auto()
    MANUAL = auto()
    NOT_APPLICABLE = auto()


class Outcome(StrEnum):
    """Outcome of a verification; with simulated devices it is always a demonstration."""

    PASS = auto()
    FAIL = auto()
    INSUFFICIENT_DATA = auto()
    DEMO = auto()


class Reason(StrEnum):
    """Reason for insufficient data."""

    WINDOW_OPEN = auto()
    WINDOW_SHORT = auto()
    NO_HOUSEHOLDS = auto()
    NO_DEVICES = auto()
    NO_TESTS = auto()
    SAMPLE_SMALL = auto()


@dataclass(frozen=True, slots=True)
class DeviceFigure:
    """Share of one device in a figure; `last_at` and the longest `gap` only for measures of slots."""

    device: RegisteredDevice
    passed: int
    total: int
    last_at: datetime | None = None
    gap: Window | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """Criterion with its verdict, its figure, and the devices behind the figure.

    Only a `counted` criterion affects the outcome: one that applies and is measured. `shortfalls` are the devices below
    the target, the worst first. `common_gap` is a period in which no device of the criterion sent data.
    """

    criterion: Criterion
    verdict: Verdict
    counted: bool = False
    reason: Reason | None = None
    figure: Figure | None = None
    devices: int = 0
    simulated_devices: int = 0
    shortfalls: tuple[DeviceFigure, ...] = ()
    common_gap: Window | None = None


@dataclass(frozen=True, slots=True)
class ItemResult:
    """Plan item with the worst verdict of its criteria, and the number of its devices by kind."""

    item: PlanItem
    verdict: Verdict
    devices: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Refused:
    """Messages and fields of a device that Anju refused for one reason; `device` is None where it is not known."""

    device: RegisteredDevice | None
    reason: str
    times: int


@dataclass(frozen=True, slots=True)
class Report:
    """Complete verification. Everything except `generated_at` follows from evidence and criteria."""

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
    witnessed: tuple[WitnessedTestRow, ...]
    refused: tuple[Refused, ...]
    waiting: int
