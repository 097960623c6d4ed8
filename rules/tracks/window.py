"""Windows of event time: `{over: 24h, minimum: flow_m3_h, above: 0.01}`.

A window is kept in slots of 1/24 of its length, and so begins up to one slot early; it never is shorter than it says.
Where it is not covered, because the device has not been seen for so long or was silent for longer than `gap` in
between, its value is not known. Only `count` is about the silence itself.
"""

from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import nan
from struct import Struct
from typing import Any, NamedTuple

from devices.kind import Counter, Field, Gauge, Interval
from rules.condition import Observe, State, Value
from rules.duration import in_chinese, microseconds, spell
from rules.tracks.counter import counting, restored_count
from rules.tracks.naming import named_gap

SLOTS = 24
_MANY = 1e12

Part = Any  # what a slot holds: one number, or a pair of numbers


class Aggregate(NamedTuple):
    """How the samples of a window become one value.

    `part` makes of a sample what a slot holds, `fold` joins an older with a newer part, and `whole` makes the value of
    the window's fold and of the newest sample. A part is one number, or two where `pair` is set.
    """

    part: Callable[[float], Part]
    fold: Callable[[Part, Part], Part]
    whole: Callable[[Part, float], float]
    zh: str
    pair: bool = False


def _plain(value: float) -> float:
    return value


def _folded(fold: float, _: float) -> float:
    return fold


AGGREGATES: Mapping[str, Aggregate] = {
    "minimum": Aggregate(_plain, min, _folded, "最小值"),
    "maximum": Aggregate(_plain, max, _folded, "最大值"),
    "sum": Aggregate(_plain, lambda old, new: old + new, _folded, "合计"),
    "count": Aggregate(lambda _: 1.0, lambda old, new: old + new, _folded, "读数次数"),
    "mean": Aggregate(
        lambda value: (value, 1.0),
        lambda old, new: (old[0] + new[0], old[1] + new[1]),
        lambda fold, _: fold[0] / fold[1],
        "平均值",
        pair=True,
    ),
    "range": Aggregate(
        lambda value: (value, value),
        lambda old, new: (min(old[0], new[0]), max(old[1], new[1])),
        lambda fold, _: fold[1] - fold[0],
        "变化幅度",
        pair=True,
    ),
    "increase": Aggregate(_plain, lambda old, _: old, lambda oldest, newest: newest - oldest, "增加量"),
}


class _Slots(NamedTuple):
    """A window: the parts of the slot that is being filled and of the `SLOTS` before it.

    Samples have come since `since` without a gap, the last at `last`. `older` is the fold of `ring`, which has NaN for
    a slot without samples; None where all are.
    """

    since: int
    last: int
    slot: int
    part: Part
    older: Part | None
    ring: bytes


def sliding(
    aggregate: Aggregate, length: timedelta, gap: timedelta | None
) -> Callable[[_Slots | None, int, float], tuple[_Slots, float | None]]:
    """Makes the function that takes the next sample into a window; without a `gap`, silence does not end it."""
    part_of, fold, whole, _, pair = aggregate
    packed = Struct("dd" if pair else "d")
    vacant = packed.pack(nan, nan) if pair else packed.pack(nan)
    span, longest = microseconds(length), None if gap is None else microseconds(gap)
    width = -(-span // SLOTS)

    def folded(ring: bytes) -> Part | None:
        older: Part | None = None
        for part in packed.iter_unpack(ring):
            if part[0] == part[0]:  # not so for the NaN of a slot without samples
                one = part if pair else part[0]
                older = one if older is None else fold(older, one)
        return older

    def slide(before: _Slots | None, at: int, value: float) -> tuple[_Slots, float | None]:
        part, slot = part_of(value), at // width
        if before is None or (longest is not None and at - before[1] > longest):
            return _Slots(at, at, slot, part, None, vacant * SLOTS), None
        since, _, filled, now, older, ring = before
        if slot == filled:
            part = fold(now, part)
        else:
            full = packed.pack(*now) if pair else packed.pack(now)
            ring = (ring + full + vacant * min(slot - filled - 1, SLOTS))[-SLOTS * packed.size :]
            older = folded(ring)
        after = _Slots(since, at, slot, part, older, ring)
        if at - since < span:
            return after, None
        return after, whole(part if older is None else fold(older, part), value)

    return slide


@dataclass(frozen=True, slots=True)
class Over:
    """A field over the last `length`, put together as `how`, a key of `AGGREGATES`, says.

    `period` is how often the field is reported, `gap` the longest time without that still leaves the window covered.
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

    def worded(self, how: str, limit: object) -> dict[str, object]:
        """As in `{over: 24h, minimum: flow_m3_h, above: 0.01}`."""
        return {"over": spell(self.length), self.how: self.of.name, how: limit}

    def observer(self) -> Observe:
        """Makes the function that takes the next sample."""
        name = self.of.name
        slide = sliding(AGGREGATES[self.how], self.length, None if self.how == "count" else self.gap)
        if isinstance(self.of, Counter) and self.how == "increase":
            return _increase(self.of, slide)

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
            value = values.get(name)
            return (state, None) if value is None else slide(state, at, value)  # type: ignore[arg-type]

        return observe

    def restored(self, stored: Sequence[Any]) -> State:
        """The state that was stored as JSON."""
        if self.how != "increase":
            return _restored_slots(stored)
        count, slots = stored
        return restored_count(count), slots and _restored_slots(slots)


def _increase(counter: Counter, slide: Callable[[_Slots | None, int, float], tuple[_Slots, float | None]]) -> Observe:
    """The window of a counter's consumption; it begins anew with every register."""
    count, name = counting(counter), counter.name

    def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
        value = values.get(name)
        if value is None:
            return state, None
        before, slots = state or (None, None)
        now = count(before, at, value)  # type: ignore[arg-type]
        if now.suspect is not None:
            return (now, slots), None
        slots, increase = slide(slots if before and now.register == before.register else None, at, now.total)
        return (now, slots), increase

    return observe


def _restored_slots(stored: Sequence[Any]) -> _Slots:
    since, last, slot, part, older, ring = stored
    return _Slots(since, last, slot, part, older, urlsafe_b64decode(ring))
