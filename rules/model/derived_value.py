"""Derived values: each is made of many samples of a device, and rules compare it like a field of one sample.

A derived value is a small pure state for each device. Its newest value is added to the values of a sample under a name
of its own, so that conditions stay pure tests of one sample. `docs/decisions/0009-what-rules-make-of-many-readings.md`
gives the reasons.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from devices.kind import Field, Flag, Gauge, Value

State = Any
"""State of a derived value: numbers, texts, bytes and tuples of them; None before the first sample.

Only the derived value itself reads it. Tuples come back as lists, because states are packed between samples.
"""

Observe = Callable[[State, int, Mapping[str, Value]], tuple[State, Value | None]]
"""Takes the state, the time in microseconds since 1970 and the values of one sample.

Returns the next state and the value: None where it is unknown, or where the sample does not bear on it.
"""


class DerivedValue(ABC):
    """Definition of a derived value; the rules of a kind share equal ones.

    Its state is of bounded size, for there may be 400,000 of it.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def field(self) -> Gauge | Flag:
        """Description like a field of the kind; its name holds everything that makes two derived values differ."""

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """Names of the fields that it is made of."""

    @property
    def needs(self) -> "tuple[DerivedValue, ...]":
        """Derived values that it is made of; they observe each sample first."""
        return ()

    @abstractmethod
    def observer(self) -> Observe:
        """Return the function that observes the samples of a device, in the order of event time."""


class ComparableValue(DerivedValue):
    """Derived value that a rule can compare. Any other is only for derived values that need it."""

    __slots__ = ()

    @abstractmethod
    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """Return the comparison of this value in the words of a rule file; `how` is a key of `COMPARISONS`."""


@dataclass(frozen=True, slots=True)
class OneFieldValue(DerivedValue):
    """Derived value of one field, `of`."""

    of: Field

    @property
    def reads(self) -> tuple[str, ...]:
        """Name of the field that it is made of."""
        return (self.of.name,)
