"""A value that stays as it is, such as a stuck register: `{field: valve_state, stays: 3d}`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from devices.kind import Field, Flag, Value
from rules.derived.naming import named_gap
from rules.model.condition import DerivedValue, Observe, State
from rules.model.duration import in_chinese, microseconds, spell


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Whether a field has kept one value for `length`.

    It is known to have, once it was seen so without a `gap` in between, and known not to have since it last changed.
    """

    of: Field
    length: timedelta
    period: timedelta
    gap: timedelta

    @property
    def field(self) -> Flag:
        """Whether it has, such as `valve_state_stays_3d`."""
        return Flag(
            f"{self.of.name}_stays_{spell(self.length)}{named_gap(self.gap, self.period)}",
            f"{self.of.zh} {in_chinese(self.length)}没有变化",
            f"{self.of.en} unchanged for {spell(self.length)}",
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields that it is made of."""
        return (self.of.name,)

    @property
    def needs(self) -> tuple[DerivedValue, ...]:
        """The tracks whose values it takes."""
        return ()

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """As in `{field: valve_state, stays: 3d}`."""
        return {"field": self.of.name, "stays": spell(self.length)}

    def observer(self) -> Observe:
        """Makes the function that takes the next sample.

        It keeps the value, since when and until when it was seen without a gap, and whether it was seen to begin.
        """
        name, length, gap = self.of.name, microseconds(self.length), microseconds(self.gap)

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
