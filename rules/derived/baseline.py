"""A device against its own baseline: `{field: power_w, compared_with: baseline, deviations: {above: 6}}`.

The mean of every whole hour is compared with the same hour of the week in the last weeks, by the clocks of the city.
The value is its distance from their median in deviations: the median absolute deviation (MAD), scaled as for a normal
distribution. A few odd weeks move neither. Source: Iglewicz and Hoaglin, How to detect and handle outliers, 1993.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import isnan, nan
from statistics import median
from struct import Struct

from devices.kind import Gauge, Interval, Value
from rules.derived.naming import named_gap
from rules.model.derived_value import ComparableValue, Observe, OneFieldValue, State
from rules.model.duration import microseconds

BASELINE, DEVIATIONS = "baseline", "deviations"
WEEKS = 6
LEAST_WEEKS = 4
_HOURS = 7 * 24
_HOUR = microseconds(timedelta(hours=1))
_CITY = microseconds(timedelta(hours=8))  # ahead of UTC, all year round
_LIKE_NORMAL = 1.4826
_LEAST_OF_MEDIAN, _LEAST_OF_RANGE = 0.01, 0.001  # smallest deviation that counts, for a steady device
_MANY = 1e6
_WEEK = Struct(f"<{WEEKS}e")


_State = tuple[int, float, int, int, bool, float | None, bytes]
"""State of a baseline.

In this order: the current hour; sum, number and last time of its readings; whether readings have come without a gap
since before it began; the deviation of the hour before; the newest `WEEKS` means of each hour of the week. The means
are shares of the highest possible value in half precision, NaN where there are fewer.
"""


@dataclass(frozen=True, slots=True)
class Baseline(OneFieldValue, ComparableValue):
    """Distance of the last whole hour of a field from the usual one at that hour of the week, in deviations."""

    of: Gauge
    period: timedelta
    gap: timedelta

    @property
    def field(self) -> Gauge:
        """The number of deviations, such as `power_w_deviations`; below 0 for less than usual."""
        return Gauge(
            f"{self.of.name}_deviations{named_gap(self.gap, self.period)}",
            "1",
            Interval(-_MANY, _MANY),
            f"{self.of.zh}偏离往常同一时段的倍数",
            f"{self.of.en}, deviations from the usual hour of the week",
        )

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """Return JSON such as `{field: power_w, compared_with: baseline, deviations: {above: 6}}`."""
        return {"field": self.of.name, "compared_with": BASELINE, DEVIATIONS: {how: limit}}

    def observer(self) -> Observe:
        """Return the function that observes the samples."""
        name, gap = self.of.name, microseconds(self.gap)

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
            value = values.get(name)
            if value is None:
                return state, None
            hour = (at + _CITY) // _HOUR
            if state is None:
                return (hour, value, 1, at, False, None, _WEEK.pack(*[nan] * WEEKS) * _HOURS), None
            current: _State = state
            filled, total, count, last, whole, deviation, weeks = current
            steady = at - last <= gap
            if hour == filled:
                return (hour, total + value, count + 1, at, whole and steady, deviation, weeks), deviation  # type: ignore[operator]
            known = whole and steady
            if known:
                deviation, weeks = self._close(filled, total / count, weeks)
            if not known or hour != filled + 1:
                deviation = None
            return (hour, value, 1, at, steady, deviation, weeks), deviation

        return observe

    def _close(self, hour: int, mean: float, weeks: bytes) -> tuple[float | None, bytes]:
        """Compare the mean of a whole hour with those of the weeks before, and add it to them."""
        low, high = self.of.possible
        most = max(abs(low), abs(high))
        begin = hour % _HOURS * _WEEK.size
        before = _WEEK.unpack_from(weeks, begin)
        after = weeks[:begin] + _WEEK.pack(*before[1:], mean / most) + weeks[begin + _WEEK.size :]
        known = [each * most for each in before if not isnan(each)]
        if len(known) < LEAST_WEEKS:
            return None, after
        usual = median(known)
        spread = _LIKE_NORMAL * median(abs(each - usual) for each in known)
        least = max(_LEAST_OF_MEDIAN * abs(usual), _LEAST_OF_RANGE * (high - low))
        return (mean - usual) / max(spread, least), after
