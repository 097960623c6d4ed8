"""A value that does not change, such as a stuck register: `{field: valve_state, stays: 3d}`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from devices.kind import Counter, Field, Flag, Value
from rules.derived.counter import Counting
from rules.derived.naming import named_gap
from rules.model.derived_value import ComparableValue, DerivedValue, Observe, OneFieldValue, State
from rules.model.duration import in_chinese, microseconds, spell


@dataclass(frozen=True, slots=True)
class Unchanged(OneFieldValue, ComparableValue):
    """Whether a field has had one value for `length`.

    It is TRUE once samples without a gap longer than `gap` have shown it, and FALSE from a change on. A counter that
    stands still across a gap has counted nothing in it, so that no gap is too long for it.
    """

    of: Field
    length: timedelta
    period: timedelta
    gap: timedelta

    @property
    def field(self) -> Flag:
        """The flag, such as `valve_state_stays_3d`."""
        return Flag(
            f"{self.of.name}_stays_{spell(self.length)}{named_gap(self.gap, self.period)}",
            f"{self.of.zh} {in_chinese(self.length)}没有变化",
            f"{self.of.en} unchanged for {spell(self.length)}",
        )

    @property
    def needs(self) -> tuple[DerivedValue, ...]:
        """Derived values that it is made of."""
        return (Counting(self.of),) if isinstance(self.of, Counter) else ()

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """Return JSON such as `{field: valve_state, stays: 3d}`."""
        return {"field": self.of.name, "stays": spell(self.length)}

    def observer(self) -> Observe:
        """Return the function that observes the samples.

        The state is the value, its first and last time without a gap, and whether a change to it has been observed.
        """
        length = microseconds(self.length)
        if isinstance(self.of, Counter):
            return _standstill(self.of, length)
        name, gap = self.of.name, microseconds(self.gap)

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
            value = values.get(name)
            if value is None:
                return state, None
            if state is None or at - state[2] > gap:
                return (value, at, at, False), None
            before, since, _, begun = state
            if value != before:
                return (value, at, at, True), False
            lasted = at - since >= length
            return (before, since, at, begun), lasted if lasted or begun else None

        return observe


def _standstill(counter: Counter, length: int) -> Observe:
    """Return the observer of a counter. It starts anew after an unknown difference."""
    name = Counting(counter).field.name

    def observe(state: State, at: int, values: Mapping[str, Any]) -> tuple[State, Value | None]:
        counted = values.get(name)
        if counted is None:
            return state, None
        before, now = counted
        if state is None or before is None or before[3] != now[3]:
            return (now[0], at, at, False), None
        if before[2] != now[2]:
            return (now[0], at, at, True), False
        _, since, _, begun = state
        lasted = at - since >= length
        return (now[0], since, at, begun), lasted if lasted or begun else None

    return observe
