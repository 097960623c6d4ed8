"""Change per time: `{rate: energy_kwh, per: 1h, above: 20}`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from devices.kind import Counter, Gauge, Interval, Value
from rules.derived.counter import Counting
from rules.derived.naming import named_gap
from rules.model.condition import DerivedValue, Observe, State
from rules.model.duration import in_chinese, microseconds, spell

_HOUR = timedelta(hours=1)
_ANY_RATE = 1e9


_Seen = tuple[float, int, int, float | None]
"""Level, time and register of the sample that the next one is compared with, and the last rate."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The change from sample to sample, scaled to the time `per`; for a counter its consumption.

    Samples closer together than half a reporting `period` are taken as one, for the steps of a register are coarse.
    Over more than `gap` nothing is known.
    """

    of: Gauge | Counter
    per: timedelta
    period: timedelta
    gap: timedelta

    @property
    def field(self) -> Gauge:
        """The rate, such as `energy_kwh_rate_1h`."""
        if isinstance(self.of, Counter):
            possible = Interval(0, self.of.per_hour * (self.per / _HOUR))
        else:
            possible = Interval(-_ANY_RATE, _ANY_RATE)
        return Gauge(
            f"{self.of.name}_rate_{spell(self.per)}{named_gap(self.gap, self.period)}",
            f"{self.of.unit}/{spell(self.per).removeprefix('1')}",
            possible,
            f"{self.of.zh}每 {in_chinese(self.per)}变化",
            f"{self.of.en}, change per {spell(self.per)}",
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields that it is made of."""
        return (self.of.name,)

    @property
    def needs(self) -> tuple[DerivedValue, ...]:
        """The tracks whose values it takes."""
        return (Counting(self.of),) if isinstance(self.of, Counter) else ()

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """As in `{rate: energy_kwh, per: 1h, above: 20}`."""
        return {"rate": self.of.name, "per": spell(self.per), how: limit}

    def observer(self) -> Observe:
        """Makes the function that takes the next sample."""
        level_of = _consumed(self.of) if isinstance(self.of, Counter) else _measured(self.of)
        per, least, gap = microseconds(self.per), microseconds(self.period / 2), microseconds(self.gap)

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
            now = level_of(values)
            if now is None:
                return state, None
            level, register = now
            seen: _Seen | None = state
            if seen is None or seen[2] != register or at - seen[1] > gap:
                return (level, at, register, None), None
            before, since, _, rate = seen
            if at - since < least:
                return seen, rate
            rate = (level - before) / (at - since) * per
            return (level, at, register, rate), rate

        return observe


_LevelOf = Callable[[Mapping[str, Any]], tuple[float, int] | None]


def _measured(gauge: Gauge) -> _LevelOf:
    """What to take differences of, and on which register: the value itself."""
    name = gauge.name

    def level(values: Mapping[str, Any]) -> tuple[float, int] | None:
        value = values.get(name)
        return None if value is None else (value, 0)

    return level


def _consumed(counter: Counter) -> _LevelOf:
    """What to take differences of, and on which register: what the counter has consumed."""
    name = Counting(counter).field.name

    def level(values: Mapping[str, Any]) -> tuple[float, int] | None:
        counted = values.get(name)
        return None if counted is None else counted[1][2:4]

    return level
