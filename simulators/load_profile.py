"""Rate over one day with its running total, such as power and energy or flow and volume."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from simulators.local_time import DAY_S, HOUR_S


class Pulse(NamedTuple):
    """Constant rate between two seconds of the day, in units per hour."""

    start_s: float
    end_s: float
    rate: float


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """Rate over one day that is constant between breakpoints.

    From second `starts[i]` of the day on, the rate is `rates[i]` units per hour; `totals[i]` is the total until then.
    The first breakpoint is second 0. The last is the end of the day and holds the day's total.
    """

    starts: tuple[float, ...]
    rates: tuple[float, ...]
    totals: tuple[float, ...]

    def rate(self, second: float) -> float:
        """Return the rate at a second of the day, in units per hour."""
        return self.rates[bisect_right(self.starts, second) - 1]

    def total(self, second: float) -> float:
        """Return the total since the day began, in units."""
        i = bisect_right(self.starts, second) - 1
        return self.totals[i] + self.rates[i] * (second - self.starts[i]) / HOUR_S

    def scaled_to(self, total: float) -> "LoadProfile":
        """Return the profile multiplied by a factor that makes the day's total `total` units.

        A profile without any rate spreads the total over the whole day.
        """
        if self.totals[-1] <= 0:
            return superpose([Pulse(0, DAY_S, total * HOUR_S / DAY_S)])
        factor = total / self.totals[-1]
        return LoadProfile(
            self.starts, tuple(rate * factor for rate in self.rates), tuple(part * factor for part in self.totals)
        )


def superpose(pulses: Iterable[Pulse]) -> LoadProfile:
    """Return the sum of pulses that may overlap; parts outside the day are cut off."""
    steps: dict[float, float] = {0.0: 0.0, float(DAY_S): 0.0}
    for pulse in pulses:
        start, end = max(pulse.start_s, 0.0), min(pulse.end_s, float(DAY_S))
        if start < end:
            steps[start] = steps.get(start, 0.0) + pulse.rate
            steps[end] = steps.get(end, 0.0) - pulse.rate
    starts = sorted(steps)
    # Adding and subtracting leaves rounding errors around zero, and a negative one would turn a register back.
    rates = [max(0.0, round(rate, 9)) for rate in accumulate(steps[start] for start in starts)]
    spans = (rate * (end - start) / HOUR_S for rate, start, end in zip(rates, starts, starts[1:], strict=False))
    return LoadProfile(tuple(starts), tuple(rates), tuple(accumulate(spans, initial=0.0)))
