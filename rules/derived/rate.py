"""Change per time: `{rate: energy_kwh, per: 1h, above: 20}`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from devices.kind import Counter, Gauge, Interval, Value
from rules.derived.counter import Counting
from rules.derived.naming import named_gap
from rules.model.derived_value import ComparableValue, DerivedValue, Observe, OneFieldValue, State
from rules.model.duration import in_chinese, microseconds, spell

_HOUR = timedelta(hours=1)
_ANY_RATE = 1e9


_Base = tuple[float, int, int, float | None]
"""Level, time and register of the sample that the next one is compared with, and the last rate."""


@dataclass(frozen=True, slots=True)
class Rate(OneFieldValue, ComparableValue):
    """Change from sample to sample, scaled to the time `per`; for a counter its consumption.

    Samples closer together than half a reporting `period` count as one, for the steps of a register are coarse. Over a
    gap longer than `gap` the rate is unknown, unless a counter stood still in it. While a register runs backwards its
    rate is unknown, too; the next one is net of that.
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
    def needs(self) -> tuple[DerivedValue, ...]:
        """Derived values that it is made of."""
        return (Counting(self.of),) if isinstance(self.of, Counter) else ()

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """Return JSON such as `{rate: energy_kwh, per: 1h, above: 20}`."""
        return {"rate": self.of.name, "per": spell(self.per), how: limit}

    def observer(self) -> Observe:
        """Return the function that observes the samples."""
        level_of = _total(self.of) if isinstance(self.of, Counter) else _value(self.of)
        per, least, gap = microseconds(self.per), microseconds(self.period / 2), microseconds(self.gap)
        counts = isinstance(self.of, Counter)

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
            now = level_of(values)
            if now is None:
                return state, None
            level, register = now
            base: _Base | None = state
            if base is None or base[2] != register or (at - base[1] > gap and not (counts and level == base[0])):
                return (level, at, register, None), None
            before, since, _, rate = base
            if at - since < least:
                return base, rate
            if counts and level < before:
                return base, None
            rate = (level - before) / (at - since) * per
            return (level, at, register, rate), rate

        return observe


_LevelOf = Callable[[Mapping[str, Any]], tuple[float, int] | None]


def _value(gauge: Gauge) -> _LevelOf:
    """Return the function that takes the value of a gauge as level, on register 0."""
    name = gauge.name

    def level(values: Mapping[str, Any]) -> tuple[float, int] | None:
        value = values.get(name)
        return None if value is None else (value, 0)

    return level


def _total(counter: Counter) -> _LevelOf:
    """Return the function that takes the consumption of a counter as level, with its register."""
    name = Counting(counter).field.name

    def level(values: Mapping[str, Any]) -> tuple[float, int] | None:
        counted = values.get(name)
        return None if counted is None else counted[1][2:4]

    return level
