"""Change per time: `{rate: energy_kwh, per: 1h, above: 20}`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import isnan, nan
from struct import Struct

from devices.kind import Counter, Gauge, Interval
from rules.condition import Observe, State, Value
from rules.duration import in_chinese, microseconds, spell
from rules.tracks.counter import COUNT, Count, counting
from rules.tracks.naming import named_gap
from rules.tracks.packed import from_text

_HOUR = timedelta(hours=1)
_ANY_RATE = 1e9

# The sample that the next one is compared with: its level, time and register, and the last rate, NaN where it is not
# known. Before it stands the `Count` where a counter is read.
_SEEN = Struct("<dqid")


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
            count, level, register = level_of(state, at, value)  # type: ignore[arg-type]
            seen = state[-_SEEN.size :] if state else b""
            if level is None:
                return count + seen, None
            if not seen:
                return count + _SEEN.pack(level, at, register, nan), None
            before, since, then, rate = _SEEN.unpack(seen)
            if then != register or at - since > gap:
                return count + _SEEN.pack(level, at, register, nan), None
            if at - since < least:
                return count + seen, None if isnan(rate) else rate
            rate = (level - before) / (at - since) * per
            return count + _SEEN.pack(level, at, register, rate), rate

        return observe

    def restored(self, stored: str) -> State:
        """The state that was stored as JSON."""
        return from_text(stored)


_Level = tuple[bytes, float | None, int]


def _levels(field: Gauge | Counter) -> Callable[[State, int, float], _Level]:
    """What to take differences of: the value itself, or what a counter has consumed, and on which register.

    Before them comes what is to be kept for it, which the state begins with.
    """
    if isinstance(field, Gauge):
        return lambda _, _at, value: (b"", value, 0)
    count = counting(field)

    def level(state: State, at: int, value: float) -> _Level:
        now = count(Count(*COUNT.unpack_from(state)) if state else None, at, value)
        return COUNT.pack(*now), (None if now.suspected else now.total), now.register

    return level
