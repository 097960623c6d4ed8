"""A master meter against the meters below it: `{field: volume_m3, compared_with: households, over: 24h, ...}`.

Every meter keeps what it counted in the last whole window, a day of the city for instance. Where a reading stands on
each side of the window's end, the register at the end lies between them. The windows are compared once the last of them
has been over for `settle`, when the master meter reports: a household that is late by less raises no false alert.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from devices.kind import Counter, Gauge, Interval
from rules.condition import Observe, State, Value
from rules.duration import in_chinese, microseconds, spell
from rules.tracks.counter import CountState, counting, restored_count
from rules.tracks.naming import named_gap

HOUSEHOLDS = "households"
_ENOUGH = 0.9  # of the meters below; who has not reported is taken to have used as much as the others
_CITY = timedelta(hours=8)  # ahead of UTC, all year round
_MANY = 1e9


class Window(NamedTuple):
    """What a meter has counted; tracks keep it as a plain tuple.

    `begun` is the total at the begin of the window that runs, None where a gap or another register hides it.
    `increase` was counted in the whole window `number`. Of a master meter, `compared` is the window that was compared
    last and `found` what came of it.
    """

    counted: CountState
    begun: float | None = None
    number: int | None = None
    increase: float | None = None
    compared: int | None = None
    found: float | None = None


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

    def worded(self, how: str, limit: object) -> dict[str, object]:
        """As in `{field: volume_m3, compared_with: households, over: 1d, settle: 6h, ratio: {above: 1.1}}`."""
        window = {"over": spell(self.over), "settle": spell(self.settle)}
        return {"field": self.of.name, "compared_with": HOUSEHOLDS, **window, self.how: {how: limit}}

    def observer(self) -> Observe:
        """Makes the function that takes the next sample of any meter; what comes of it, `balance` says."""
        name, count, gap = self.of.name, counting(self.of), microseconds(self.gap)

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
            value = values.get(name)
            if value is None:
                return state, None
            if state is None:
                return tuple(Window(count(None, at, value))), None  # type: ignore[arg-type]
            before = Window(*state)
            now = count(before.counted, at, value)  # type: ignore[arg-type]
            _, since, _, register, _ = before.counted
            if now[4] is not None:
                after = before._replace(counted=now)
            elif now[3] != register or at - since > gap:
                after = before._replace(counted=now, begun=None)
            else:
                after = self._pass(before, now)
            return tuple(after), None

        return observe

    def _pass(self, before: Window, now: CountState) -> Window:
        """Goes on to a reading without a gap, which may be the first of another window."""
        (_, since, earlier, _, _), (_, at, total, _, _) = before.counted, now
        number = self._number(since)
        if self._number(at) == number:
            return before._replace(counted=now)
        at_end = earlier + (total - earlier) * (self._begin(number + 1) - since) / (at - since)
        if before.begun is None:
            return before._replace(counted=now, begun=at_end)
        return before._replace(counted=now, begun=at_end, number=number, increase=at_end - before.begun)

    def _number(self, at: int) -> int:
        return (at + microseconds(_CITY)) // microseconds(self.over)

    def _begin(self, number: int) -> int:
        return number * microseconds(self.over) - microseconds(_CITY)

    def balance(self, state: State, at: int, below: Iterable[State], meters: int) -> tuple[State, float | None]:
        """Compares a master meter that reports now with the meters below it.

        Args:
            state: That of the master meter, with its sample observed.
            at: The time of its sample, in microseconds.
            below: The states of the meters below that have ever reported.
            meters: How many meters there are below, one at least.
        """
        master, due = Window(*state), self._number(at - microseconds(self.settle)) - 1
        if master.compared == due and master.found is not None:
            return state, master.found
        if master.number != due or master.increase is None:
            return state, None
        counted = (Window(*one) for one in below if one is not None)
        known = [one.increase for one in counted if one.number == due and one.increase is not None]
        if len(known) < meters * _ENOUGH:
            return state, None
        total = sum(known) * meters / len(known)
        if self.how == "ratio" and not total:
            return state, None
        found = master.increase - total if self.how == "difference" else master.increase / total
        return tuple(master._replace(compared=due, found=found)), found

    def restored(self, stored: Sequence[Any]) -> State:
        """The state that was stored as JSON."""
        count, *rest = stored
        return restored_count(count), *rest


def usual_settling(over: timedelta) -> timedelta:
    """How long a window settles where the rule says nothing else: a quarter of its length."""
    return over / 4
