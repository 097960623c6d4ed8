"""A master meter against its sub-meters: `{field: volume_m3, compared_with: households, over: 24h, ...}`.

Every meter keeps its consumption in the last whole window, such as a day of the city. The register at the end of a
window is interpolated between the readings before and after it. The windows are compared when the master meter reports
and the window has been over for `settle`. A sub-meter that is late by less raises no false alert.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from devices.kind import Counter, Gauge, Interval, Value
from rules.derived.counter import Counting
from rules.derived.naming import named_gap
from rules.model.derived_value import ComparableValue, DerivedValue, Observe, OneFieldValue, State
from rules.model.duration import in_chinese, microseconds, spell

HOUSEHOLDS = "households"
_ENOUGH = 0.9  # of the sub-meters; one that has not reported is taken to have used as much as the others
_CITY = microseconds(timedelta(hours=8))  # ahead of UTC, all year round
_MANY = 1e9


class WindowState(NamedTuple):
    """Consumption of a meter by windows. States hold it as a plain tuple.

    Attributes:
        begun: Total at the begin of the current window; None where a gap or another register hides it.
        number: Number of the last whole window.
        increase: Consumption in that window.
    """

    begun: float | None = None
    number: int | None = None
    increase: float | None = None


@dataclass(frozen=True, slots=True)
class ClosedWindow(OneFieldValue):
    """Consumption of a meter in the last whole window of the length `over`, for balances to compare."""

    of: Counter
    over: timedelta
    period: timedelta
    gap: timedelta

    @property
    def field(self) -> Gauge:
        """Name of the state, such as `volume_m3_closed_1d`; it has no value of its own."""
        name = f"{self.of.name}_closed_{spell(self.over)}{named_gap(self.gap, self.period)}"
        return Gauge(name, self.of.unit, Interval(0, _MANY), f"上一{in_chinese(self.over)}{self.of.zh}", self.of.en)

    @property
    def needs(self) -> tuple[DerivedValue, ...]:
        """Derived values that it is made of."""
        return (Counting(self.of),)

    def observer(self) -> Observe:
        """Return the function that observes the samples."""
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
class Balance(OneFieldValue, ComparableValue):
    """Consumption of a master meter against that of its household meters, in windows of the length `over`.

    Attributes:
        of: The counter.
        how: `difference` (master minus households) or `ratio` (master by households).
        over: Length of a window.
        settle: Time after the end of a window before it is compared.
        scope: Master meters that are compared: of a `building`, of a `community`, or with `device` both.
        period: Reporting period of the kind.
        gap: Longest gap between two readings.
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
        """The difference or ratio, such as `volume_m3_minus_households_1d`."""
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
    def needs(self) -> tuple[DerivedValue, ...]:
        """Derived values that it is made of."""
        return (ClosedWindow(self.of, self.over, self.period, self.gap),)

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """Return JSON such as `{field: volume_m3, compared_with: households, over: 1d, ratio: {above: 1.1}}`."""
        window = {"over": spell(self.over), "settle": spell(self.settle)}
        return {"field": self.of.name, "compared_with": HOUSEHOLDS, **window, self.how: {how: limit}}

    def observer(self) -> Observe:
        """Return a function without effect: `balance` computes the value, from the states of several meters."""
        return lambda state, _at, _values: (state, None)

    def balance(
        self, state: State, at: int, master: State, submeters: Iterable[State], meters: int
    ) -> tuple[State, float | None]:
        """Compare a master meter that reports now with its sub-meters.

        Args:
            state: Number of the window that was compared last, and its balance.
            at: Time of the sample of the master meter, in microseconds.
            master: State of its `ClosedWindow`, after the sample.
            submeters: States of the `ClosedWindow` of each sub-meter that has ever reported.
            meters: Number of sub-meters, one at least.

        Returns:
            The next state, and the balance; None while it is unknown.
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
        balance = increase - total if self.how == "difference" else increase / total
        return (due, balance), balance


def usual_settling(over: timedelta) -> timedelta:
    """Return the time that a window settles unless the rule sets another: a quarter of its length."""
    return over / 4
