"""A value that stays as it is, such as a stuck register: `{field: valve_state, stays: 3d}`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from struct import Struct

from devices.kind import Choice, Field, Flag
from rules.condition import Observe, State, Value
from rules.duration import in_chinese, microseconds, spell
from rules.tracks.naming import named_gap
from rules.tracks.packed import from_text

# A value that was seen without a gap from an instant to another; and whether it was seen to begin then.
_SINCE = Struct("<dqq?")


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

    def worded(self, how: str, limit: object) -> dict[str, object]:
        """As in `{field: valve_state, stays: 3d}`."""
        return {"field": self.of.name, "stays": spell(self.length)}

    def observer(self) -> Observe:
        """Makes the function that takes the next sample."""
        name, number_of = self.of.name, _numbers(self.of)
        length, gap = microseconds(self.length), microseconds(self.gap)

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
            if name not in values:
                return state, None
            value = number_of(values[name])
            if state is None:
                return _SINCE.pack(value, at, at, False), None
            before, since, last, begun = _SINCE.unpack(state)
            if at - last > gap:
                return _SINCE.pack(value, at, at, False), None
            if value != before:
                return _SINCE.pack(value, at, at, True), False
            lasted = at - since >= length
            return _SINCE.pack(value, since, at, begun), lasted if lasted or begun else None

        return observe

    def restored(self, stored: str) -> State:
        """The state that was stored as JSON."""
        return from_text(stored)


def _numbers(field: Field) -> Callable[[Value], float]:
    """A function that tells the values of a field apart by numbers."""
    if isinstance(field, Choice):
        return {choice: float(number) for number, choice in enumerate(field.choices)}.__getitem__  # type: ignore[return-value]
    return float
