"""Windows of event time: `{over: 24h, minimum: flow_m3_h, above: 0.01}`.

A window has 24 slots, or one a reading where that is fewer, and so begins up to one slot early. Its value is unknown
where samples do not cover it: the device is new, or had no data for longer than `gap`. Only `count` counts on through
a gap, for the lack of samples is its subject, and `increase` through one at whose ends the register is the same.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import inf, isnan, nan
from struct import Struct
from typing import Any, Literal, NamedTuple

from devices.kind import Counter, Field, Gauge, Interval, Value
from rules.derived.counter import Counting
from rules.derived.naming import named_gap
from rules.model.derived_value import ComparableValue, DerivedValue, Observe, OneFieldValue, State
from rules.model.duration import in_chinese, microseconds, spell

SLOTS = 24
_MANY = 1e12
_FOR_EVER = timedelta(days=100 * 365)


class Lane(NamedTuple):
    """One number that a window is folded into, slot by slot.

    Attributes:
        part: Part of every sample in the fold, such as 1 for a count; None for the value of the sample.
        fold: Joins an older with a newer number.
        all_of: Joins the numbers of all slots.
        vacant: Number of a slot without samples, neutral for `all_of`.
        code: Type code of `struct`.
    """

    part: float | None
    fold: Callable[[float, float], float]
    all_of: Callable[[Iterable[float]], float]
    vacant: float
    code: Literal["d", "f"] = "d"


def _add(old: float, new: float) -> float:
    return old + new


def _older(old: float, _: float) -> float:
    return old


def _oldest(parts: Iterable[float]) -> float:
    return next((part for part in parts if not isnan(part)), nan)


_LEAST = Lane(None, min, min, inf)
_GREATEST = Lane(None, max, max, -inf)
_SUM = Lane(None, _add, sum, 0.0)
_COUNT = Lane(1.0, _add, sum, 0.0, "f")
_OLDEST = Lane(None, _older, _oldest, nan)


class Aggregate(NamedTuple):
    """How the samples of a window make a value: by one lane, or by two and a function of their folds."""

    zh: str
    lanes: tuple[Lane, ...]
    whole: Callable[[float, float], float] | None = None


AGGREGATES: Mapping[str, Aggregate] = {
    "minimum": Aggregate("最小值", (_LEAST,)),
    "maximum": Aggregate("最大值", (_GREATEST,)),
    "sum": Aggregate("合计", (_SUM,)),
    "count": Aggregate("读数次数", (_COUNT,)),
    "mean": Aggregate("平均值", (_SUM, _COUNT), lambda total, count: total / count),
    "range": Aggregate("变化幅度", (_LEAST, _GREATEST), lambda least, greatest: greatest - least),
    "increase": Aggregate("增加量", (_OLDEST,)),
}


Slots = tuple[int, int, float, float, bytes]
"""State of one lane of a window.

In this order: begin of the samples without a gap, time of the last, fold of the current slot, fold of all older slots,
and the folds of the older slots, packed into a ring.
"""

Slide = Callable[[Slots | None, int, float], tuple[Slots, float | None]]


def _sliding(lane: Lane, length: timedelta, slots: int, gap: timedelta | None) -> Slide:
    """Return the function that takes the next sample into a lane; without a `gap`, no gap ends the window."""
    constant, fold, all_of, vacant, code = lane
    slot = Struct(code)
    pack, first, one_vacant = slot.pack, slot.unpack_from, slot.pack(vacant)
    chooses = fold in {min, max}
    span, longest, size = microseconds(length), microseconds(gap or _FOR_EVER), slots * len(one_vacant)
    width = -(-span // slots)

    def slide(before: Slots | None, at: int, value: float) -> tuple[Slots, float | None]:
        part = value if constant is None else constant
        if before is None or at - before[1] > longest:
            return (at, at, part, vacant, one_vacant * slots), None
        since, last, now, older, ring = before
        passed = at // width - last // width
        if not passed:
            part = fold(now, part)
        elif passed == 1 and chooses and first(ring)[0] != older:
            # The fold was chosen from a slot other than the one that leaves.
            ring, older = ring[slot.size :] + pack(now), fold(older, now)
        else:
            ring = (ring + pack(now) + one_vacant * min(passed - 1, slots))[-size:]
            older = all_of(memoryview(ring).cast(code))
        after = since, at, part, older, ring
        if at - since < span:
            return after, None
        return after, part if isnan(older) else fold(older, part)

    return slide


@dataclass(frozen=True, slots=True)
class WindowAggregate(OneFieldValue, ComparableValue):
    """Aggregate of a field over the last `length`; `how` is a key of `AGGREGATES`.

    `period` is the reporting period, `gap` the longest gap that leaves the window covered.
    """

    of: Field
    how: str
    length: timedelta
    period: timedelta
    gap: timedelta

    @property
    def field(self) -> Gauge:
        """The value of the window, such as `flow_m3_h_minimum_24h`."""
        return Gauge(
            f"{self.of.name}_{self.how}_{spell(self.length)}{named_gap(self.gap, self.period)}",
            self.of.unit if isinstance(self.of, Gauge | Counter) and self.how != "count" else "1",
            self._possible,
            f"{in_chinese(self.length)}内{self.of.zh}{AGGREGATES[self.how].zh}",
            f"{self.of.en}, {self.how} over {spell(self.length)}",
        )

    @property
    def _possible(self) -> Interval:
        match self.of, self.how:
            case Counter(per_hour=per_hour), "increase":
                return Interval(0, per_hour * (self.length / timedelta(hours=1)))
            case Gauge(possible=(low, high)), "range":
                return Interval(0, high - low)
            case Gauge(possible=(low, _)), "sum":
                return Interval(0 if low >= 0 else -_MANY, _MANY)
            case Gauge(possible=possible), "minimum" | "maximum" | "mean":
                return possible
            case _:
                return Interval(0, _MANY)

    @property
    def needs(self) -> tuple[DerivedValue, ...]:
        """Derived values that it is made of."""
        return (Counting(self.of),) if isinstance(self.of, Counter) and self.how == "increase" else ()

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """Return JSON such as `{over: 24h, minimum: flow_m3_h, above: 0.01}`."""
        return {"over": spell(self.length), self.how: self.of.name, how: limit}

    def observer(self) -> Observe:
        """Return the function that observes the samples."""
        name, aggregate = self.of.name, AGGREGATES[self.how]
        gap = None if self.how in {"count", "increase"} else self.gap
        slots = max(1, min(SLOTS, self.length // self.period))
        slides = tuple(_sliding(lane, self.length, slots, gap) for lane in aggregate.lanes)
        if isinstance(self.of, Counter) and self.how == "increase":
            return _increase(self.of, slides[0], microseconds(self.gap))
        whole = aggregate.whole
        if whole is None:
            return _single(name, slides[0])
        first, second = slides

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
            value = values.get(name)
            if value is None:
                return state, None
            one, other = state or (None, None)
            one, fold = first(one, at, value)  # type: ignore[arg-type]
            other, other_fold = second(other, at, value)  # type: ignore[arg-type]
            return (one, other), None if fold is None or other_fold is None else whole(fold, other_fold)

        return observe


def _single(name: str, slide: Slide) -> Observe:
    """Return the observer of a window with one lane; its fold is the value."""

    def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
        value = values.get(name)
        return (state, None) if value is None else slide(state, at, value)  # type: ignore[arg-type]

    return observe


def _increase(counter: Counter, slide: Slide, gap: int) -> Observe:
    """Return the observer of the consumption of a counter.

    It starts anew after an unknown difference, and after a gap in which the register counted: when is unknown.
    """
    name, decimals = Counting(counter).field.name, counter.decimals

    def observe(state: State, at: int, values: Mapping[str, Any]) -> tuple[State, Value | None]:
        counted = values.get(name)
        if counted is None:
            return state, None
        before, now = counted
        total = now[2]
        goes_on = before and before[3] == now[3] and (at - before[1] <= gap or before[2] == total)
        slots, oldest = slide(state if goes_on else None, at, total)
        return slots, None if oldest is None else round(total - oldest, decimals)

    return observe
