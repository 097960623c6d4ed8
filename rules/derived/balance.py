"""A master meter against its sub-meters: `{field: volume_m3, compared_with: households, over: 24h, ...}`.

Every meter keeps its consumption in the last whole windows, such as days of the city. The register at the end of a
window is interpolated between the readings before and after it. A window is compared when the master meter reports, the
window has been over for `settle`, and the slower side has reported it too. The newest such window counts.
"""

from collections import defaultdict
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
# A meter that reports once a day is compared one day later, and a lost report costs another.
_KEPT = timedelta(days=3)
MISSING = "missing"
# Of each way of comparing: its part of the name, and the end of the label in Chinese and in English.
_NAMES = {
    "difference": ("minus", "之差", "master meter minus household meters, {}"),
    "ratio": ("per", "之比", "master meter by household meters, {}"),
    MISSING: ("missing_of", "凑不齐读数的次数", "windows of {} without enough readings of master and household meters"),
}


class WindowState(NamedTuple):
    """Consumption of a meter by windows. States hold it as a plain tuple.

    Attributes:
        begun: Total at the begin of the current window; None where a gap or another register hides it.
        increases: Numbers of the last whole windows with the consumption in each, oldest first; windows that a gap or
            another register hides are left out.
    """

    begun: float | None = None
    increases: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ClosedWindow(OneFieldValue):
    """Consumption of a meter in the last whole windows of the length `over`, for balances to compare."""

    of: Counter
    over: timedelta
    period: timedelta
    gap: timedelta

    @property
    def field(self) -> Gauge:
        """Name of the state, such as `volume_m3_windows_1d`; it has no value of its own."""
        name = f"{self.of.name}_windows_{spell(self.over)}{named_gap(self.gap, self.period)}"
        return Gauge(name, self.of.unit, Interval(0, _MANY), f"上一{in_chinese(self.over)}{self.of.zh}", self.of.en)

    @property
    def needs(self) -> tuple[DerivedValue, ...]:
        """Derived values that it is made of."""
        return (Counting(self.of),)

    def observer(self) -> Observe:
        """Return the function that observes the samples."""
        name, gap, over = Counting(self.of).field.name, microseconds(self.gap), microseconds(self.over)
        kept = kept_windows(self.over)

        def observe(state: State, _at: int, values: Mapping[str, Any]) -> tuple[State, Value | None]:
            counted = values.get(name)
            if counted is None or counted[0] is None:
                return state, None
            (_, since, earlier, before), (_, at, total, register) = counted[0][:4], counted[1][:4]
            begun, increases = state or WindowState()
            if register != before or (at - since > gap and total != earlier):
                return (None, increases), None
            first, current = (since + _CITY) // over, (at + _CITY) // over
            if first == current:
                return state, None
            known = list(increases)
            for number in range(first, current):
                end = (number + 1) * over - _CITY
                at_end = earlier + (total - earlier) * (end - since) / (at - since)
                if begun is not None:
                    known.append((number, at_end - begun))
                begun = at_end
            return (begun, tuple(one for one in known if one[0] >= current - kept)), None

        return observe


@dataclass(frozen=True, slots=True)
class Balance(OneFieldValue, ComparableValue):
    """Consumption of a master meter against that of its household meters, in windows of the length `over`.

    Attributes:
        of: The counter.
        how: `difference` (master minus households), `ratio` (master by households), or `missing` (number of windows
            that have settled since the newest one with enough readings to be compared).
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
        """The difference, the ratio or the number, such as `volume_m3_minus_households_1d`."""
        difference = self.how == "difference"
        most = self.of.per_hour * (self.over / timedelta(hours=1)) if difference else _MANY
        how, zh, en = _NAMES[self.how]
        waits = "" if self.settle == usual_settling(self.over) else f"_settle_{spell(self.settle)}"
        of = "" if self.scope == "device" else f"_{self.scope}"
        return Gauge(
            f"{self.of.name}_{how}_{HOUSEHOLDS}{of}_{spell(self.over)}{waits}" + named_gap(self.gap, self.period),
            self.of.unit if difference else "1",
            Interval(-_MANY if difference else 0, most),
            f"{in_chinese(self.over)}内{self.of.zh}总表与分户表{zh}",
            f"{self.of.en}, {en.format(spell(self.over))}",
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
            state: Number of the window that was compared last, and its balance. Before the first comparison the window
                of the first sample stands for it, which is not whole, without a balance.
            at: Time of the sample of the master meter, in microseconds.
            master: State of its `ClosedWindow`, after the sample.
            submeters: States of the `ClosedWindow` of each sub-meter that has ever reported.
            meters: Number of sub-meters, one at least.

        Returns:
            The next state, and the balance; None while it is unknown.
        """
        over = microseconds(self.over)
        due = (at - microseconds(self.settle) + _CITY) // over - 1
        compared, balance = state or ((at + _CITY) // over, None)
        newer = None
        if balance is None or compared < due:
            _, increases = master or WindowState()
            candidates = {
                number: increase
                for number, increase in increases
                if number <= due and (balance is None or number > compared)
            }
            newer = self._newest(candidates, submeters, meters) if candidates else None
        if newer:
            compared, balance = newer
        if self.how == MISSING:
            return (compared, balance), float(max(due - compared, 0))
        return (compared, balance), balance if newer or compared == due else None

    def _newest(
        self, candidates: Mapping[int, float], submeters: Iterable[State], meters: int
    ) -> tuple[int, float] | None:
        """Return the newest window of the master meter that enough sub-meters know, with its balance."""
        known: defaultdict[int, list[float]] = defaultdict(list)
        for one in submeters:
            for number, increase in WindowState(*one).increases if one is not None else ():
                if number in candidates:
                    known[number].append(increase)
        for number in sorted(known, reverse=True):
            total = sum(known[number]) * meters / len(known[number])
            if len(known[number]) >= meters * _ENOUGH and (total or self.how != "ratio"):
                increase = candidates[number]
                return number, increase / total if self.how == "ratio" else increase - total
        return None


def kept_windows(over: timedelta) -> int:
    """Return the number of whole windows that a meter keeps: those of three days, three at least."""
    return max(3, -(-_KEPT // over))


def usual_settling(over: timedelta) -> timedelta:
    """Return the time that a window settles unless the rule sets another: a quarter of its length."""
    return over / 4
