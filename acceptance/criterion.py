"""Types of a criterion: its measure, its target share, and the source of that target."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum


class Basis(StrEnum):
    """Origin of a threshold. A chosen number is never presented as a requirement."""

    REGULATION = "regulation"
    CONTRACT = "contract"
    CHOSEN = "chosen"


class Medium(StrEnum):
    """Metered medium, a column of the coverage matrix."""

    WATER = "water"
    ELECTRICITY = "electricity"
    GAS = "gas"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Share of registered households with a working meter of their own.

    A meter works if its latest reading of `register` is at most `fresh` old at the end of the window.
    """

    medium: Medium
    kind: str
    register: str
    fresh: timedelta


@dataclass(frozen=True, slots=True)
class ReadSuccess:
    """Share of expected readings of `register` that arrived, late ones included: one for each reporting period."""

    kind: str
    register: str


@dataclass(frozen=True, slots=True)
class OnlineRate:
    """Share of reporting periods with a message from the device, by the server's clock."""

    kind: str


@dataclass(frozen=True, slots=True)
class EventDelivery:
    """Share of events that arrived within `limit` after they happened."""

    kind: str
    events: tuple[str, ...]
    limit: timedelta


@dataclass(frozen=True, slots=True)
class WitnessedDelivery:
    """Share of witnessed tests whose event arrived within `limit`.

    Only a record made by the person who triggered an alarm shows that it never arrived, so life-safety rests on this.
    """

    kind: str
    events: tuple[str, ...]
    limit: timedelta


@dataclass(frozen=True, slots=True)
class Inspection:
    """Inspection of a `requirement` by a person. A requirement that no device kind measures yet is inspected, too."""

    requirement: str


@dataclass(frozen=True, slots=True)
class Target:
    """Required share, shortest sufficient window, and smallest sufficient n."""

    at_least: Decimal
    window: timedelta
    minimum_sample: int


Measured = Coverage | ReadSuccess | OnlineRate | EventDelivery | WitnessedDelivery


@dataclass(frozen=True, slots=True)
class MeasuredCriterion:
    """Criterion with evidence from devices.

    A `required` criterion counts in every community. Any other counts where a device of its kind is registered and does
    not apply elsewhere. `basis` is the origin of the target share; `source` also names a limit from another source.
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
    """Criterion decided by a person."""

    id: str
    plan_items: tuple[str, ...]
    title: str
    measure: Inspection
    basis: Basis
    source: str


Criterion = MeasuredCriterion | ManualCriterion
