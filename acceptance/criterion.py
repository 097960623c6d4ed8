"""What a criterion is: a measure, the share it must reach, and where that number comes from."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum


class Basis(StrEnum):
    """Where a threshold comes from. A chosen number is never presented as a requirement."""

    REGULATION = "regulation"
    CONTRACT = "contract"
    CHOSEN = "chosen"


class Medium(StrEnum):
    """What a household is metered for, one column of the coverage matrix each."""

    WATER = "water"
    ELECTRICITY = "electricity"
    GAS = "gas"


@dataclass(frozen=True, slots=True)
class Coverage:
    """The share of registered households that have a meter of their own which works.

    A meter works when its latest reading of `register` is at most `fresh` old at the end of the window.
    """

    medium: Medium
    kind: str
    register: str
    fresh: timedelta


@dataclass(frozen=True, slots=True)
class ReadSuccess:
    """The share of expected readings of `register` that arrived, late ones included: one a reporting period."""

    kind: str
    register: str


@dataclass(frozen=True, slots=True)
class OnlineRate:
    """The share of reporting periods in which anything was received from a device, by our own clock."""

    kind: str


@dataclass(frozen=True, slots=True)
class EventDelivery:
    """The share of events that arrived within `limit` of the instant they happened."""

    kind: str
    events: tuple[str, ...]
    limit: timedelta


@dataclass(frozen=True, slots=True)
class Inspection:
    """A person looks; `requirement` says at what. Also what no device kind measures yet."""

    requirement: str


@dataclass(frozen=True, slots=True)
class Target:
    """The share that must be reached, the shortest window that can show it, and the smallest n that counts."""

    at_least: Decimal
    window: timedelta
    minimum_sample: int


Measured = Coverage | ReadSuccess | OnlineRate | EventDelivery


@dataclass(frozen=True, slots=True)
class MeasuredCriterion:
    """A criterion that devices give evidence for.

    `required` says that its plan items need it in every community; otherwise it counts only where a device of its
    kind is registered. `basis` is that of the target's share; a limit from another source is named in `source`.
    """

    id: str
    plan_items: tuple[str, ...]
    title: str
    measure: Measured
    target: Target
    basis: Basis
    source: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class ManualCriterion:
    """A criterion that a person decides."""

    id: str
    plan_items: tuple[str, ...]
    title: str
    measure: Inspection
    basis: Basis
    source: str


Criterion = MeasuredCriterion | ManualCriterion
