"""A master meter against the meters below it: `{field: volume_m3, compared_with: households, over: 24h, ...}`.

Every meter keeps what it counted in the last whole window, a day of the city for instance. Where a reading stands on
each side of the window's end, the register at the end lies between them. The windows are compared once the last of them
has been over for `settle`, when the master meter reports: a household that is late by less raises no false alert.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from devices.kind import Counter, Gauge, Interval, Value
from rules.derived.counter import Counting
from rules.derived.naming import named_gap
from rules.model.condition import DerivedValue, Observe, State
from rules.model.duration import in_chinese, microseconds, spell

HOUSEHOLDS = "households"
_ENOUGH = 0.9  # of the meters below; who has not reported is taken to have used as much as the others
_CITY = microseconds(timedelta(hours=8))  # ahead of UTC, all year round
_MANY = 1e9


class WindowState(NamedTuple):
    """What a meter has counted; tracks keep it as a plain tuple.

    `begun` is the total at the begin of the window that runs, None where a gap or another register hides it, and
    `increase` was counted in the whole window `number`.
    """

    begun: float | None = None
    number: int | None = None
    increase: float | None = None


@dataclass(frozen=True, slots=True)
class ClosedWindow:
    """What a meter counted in the last whole window of the length `over`, for balances to compare."""

    of: Counter
    over: timedelta
    period: timedelta
    gap: timedelta

    @property
    def field(self) -> Gauge:
        """Under this name the state stands, such as `volume_m3_closed_1d`; it has no value of its own."""
        name = f"{self.of.name}_closed_{spell(self.over)}{named_gap(self.gap, self.period)}"
        return Gauge(name, self.of.unit, Interval(0, _MANY), f"上一{in_chinese(self.over)}{self.of.zh}", self.of.en)

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields that it is made of."""
        return (self.of.name,)

    @property
    def needs(self) -> tuple[DerivedValue, ...]:
        """The tracks whose values it takes."""
        return (Counting(self.of),)

    def observer(self) -> Observe:
        """Makes the function that takes the next sample."""
        name, gap, over = Counting(self.of).field.name, microseconds(self.gap), microseconds(self.over)

        def observe(state: State, _at: int, values: Mapping[str, Any]) -> tuple[State, Value | None]:
            counted = values.get(name)
            if counted is None or counted[0] is None:
                return state, None
            (_, since, earlier, before, _), (_, at, total, register, _) = counted
            begun, closed, increase = state or WindowState()
            if register != before or at - since > gap:
                return (None, closed, increase), None
            number = (since + _CITY) // over
            if (at + _CITY) // over == number:
                return state, None
            end = (number + 1) * over - _CITY
            at_end = earlier + (total - earlier) * (end - since) / (at - since)
            if begun is None:
                return (at_end, closed, increase), None
            return (at_end, number, at_end - begun), None

        return observe


@dataclass(frozen=True, slots=True)
class Balance:
    """What a master meter counts beyond the household meters below it, in windows of the length `over`.

    `how` is `difference` (master minus households) or `ratio` (master by households); `scope` says which master meters
    are meant: those of a `building`, those of a `community`, or by `device` both.
    """

    of: Counter
    how: str
    over: timedelta
    settle: timedelta
    scope: str
    period: timedelta
    gap: timedelta

    @property
    def field(self) -> Gauge:
        """What is compared, such as `volume_m3_minus_households_1d`."""
        difference = self.how == "difference"
        most = self.of.per_hour * (self.over / timedelta(hours=1)) if difference else _MANY
        waits = "" if self.settle == usual_settling(self.over) else f"_settle_{spell(self.settle)}"
        of = "" if self.scope == "device" else f"_{self.scope}"
        return Gauge(
            f"{self.of.name}_{'minus' if difference else 'per'}_{HOUSEHOLDS}{of}_{spell(self.over)}{waits}"
            + named_gap(self.gap, self.period),
            self.of.unit if difference else "1",
            Interval(-_MANY if difference else 0, most),
            f"{in_chinese(self.over)}内{self.of.zh}总表与分户表{'之差' if difference else '之比'}",
            f"{self.of.en}, master meter {'minus' if difference else 'by'} household meters, {spell(self.over)}",
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields that it is made of."""
        return (self.of.name,)

    @property
    def needs(self) -> tuple[DerivedValue, ...]:
        """The tracks whose values it takes."""
        return (ClosedWindow(self.of, self.over, self.period, self.gap),)

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """As in `{field: volume_m3, compared_with: households, over: 1d, settle: 6h, ratio: {above: 1.1}}`."""
        window = {"over": spell(self.over), "settle": spell(self.settle)}
        return {"field": self.of.name, "compared_with": HOUSEHOLDS, **window, self.how: {how: limit}}

    def observer(self) -> Observe:
        """Makes a function that changes nothing: what comes of a sample, `balance` says."""
        return lambda state, _at, _values: (state, None)

    def balance(
        self, state: State, at: int, master: State, submeters: Iterable[State], meters: int
    ) -> tuple[State, float | None]:
        """Compares a master meter that reports now with the meters below it.

        Args:
            state: The window of the master meter that was compared last, and what came of it.
            at: The time of its sample, in microseconds.
            master: What is `ClosedWindow` of the master meter, with its sample observed.
            submeters: What is `ClosedWindow` of the meters below that have ever reported.
            meters: How many meters there are below, one at least.
        """
        due = (at - microseconds(self.settle) + _CITY) // microseconds(self.over) - 1
        if state is not None and state[0] == due:
            return state, state[1]
        _, number, increase = master or WindowState()
        if number != due or increase is None:
            return state, None
        windows = (WindowState(*one) for one in submeters if one is not None)
        known = [one.increase for one in windows if one.number == due and one.increase is not None]
        if len(known) < meters * _ENOUGH:
            return state, None
        total = sum(known) * meters / len(known)
        if self.how == "ratio" and not total:
            return state, None
        found = increase - total if self.how == "difference" else increase / total
        return (due, found), found


def usual_settling(over: timedelta) -> timedelta:
    """How long a window settles where the rule says nothing else: a quarter of its length."""
    return over / 4
