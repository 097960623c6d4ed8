"""Change per time: `{rate: energy_kwh, per: 1h, above: 20}`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from devices.kind import Counter, Gauge, Interval
from rules.condition import Observe, State, Value
from rules.duration import in_chinese, microseconds, spell
from rules.tracks.counter import CountState, counting, restored_count
from rules.tracks.naming import named_gap

_HOUR = timedelta(hours=1)
_ANY_RATE = 1e9


_Seen = tuple[float, int, int, float | None, CountState | None]
"""Level, time and register of the sample that the next one is compared with, the last rate, and a counter's count."""


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

    def worded(self, how: str, limit: object) -> dict[str, object]:
        """As in `{rate: energy_kwh, per: 1h, above: 20}`."""
        return {"rate": self.of.name, "per": spell(self.per), how: limit}

    def observer(self) -> Observe:
        """Makes the function that takes the next sample."""
        name, level_of = self.of.name, _levels(self.of)
        per, least, gap = microseconds(self.per), microseconds(self.period / 2), microseconds(self.gap)

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
            value = values.get(name)
            if value is None:
                return state, None
            seen: _Seen | None = state
            count, level, register = level_of(seen and seen[4], at, value)  # type: ignore[arg-type]
            if level is None:
                return seen and (*seen[:4], count), None
            if seen is None or seen[2] != register or at - seen[1] > gap:
                return (level, at, register, None, count), None
            before, since, _, rate, _ = seen
            if at - since < least:
                return (before, since, register, rate, count), rate
            rate = (level - before) / (at - since) * per
            return (level, at, register, rate, count), rate

        return observe

    def restored(self, stored: Sequence[Any]) -> State:
        """The state that was stored as JSON."""
        level, at, register, rate, counted = stored
        return level, at, register, rate, restored_count(counted)


_Level = tuple[CountState | None, float | None, int]


def _levels(field: Gauge | Counter) -> Callable[[CountState | None, int, float], _Level]:
    """What to take differences of: the value itself, or what a counter has consumed, and on which register."""
    if isinstance(field, Gauge):
        return lambda _, _at, value: (None, value, 0)
    count = counting(field)

    def level(before: CountState | None, at: int, value: float) -> _Level:
        now = count(before, at, value)
        _, _, total, register, suspect = now
        return now, (total if suspect is None else None), register

    return level
