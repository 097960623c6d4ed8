"""Measured share, k of n, with its confidence bound."""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from math import sqrt

_Z = 1.959963984540054
"""97.5 % quantile of the normal distribution, for a two-sided confidence of 95 %."""

_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Figure:
    """Share of `passed` in `total`, from `units` independent observations.

    Readings of one meter depend on each other, so a share of readings has as many units as meters: 40 meters with
    30,000 readings count as 40. Shares are rounded down, never up to a threshold.
    """

    passed: int
    total: int
    units: int

    def __post_init__(self) -> None:
        """Validate the numbers.

        Raises:
            ValueError: `passed` exceeds `total`, or there is no observation.
        """
        if not (0 <= self.passed <= self.total and 0 < self.units <= self.total):
            raise ValueError(f"not a share: {self.passed} of {self.total} from {self.units} units")

    @property
    def share(self) -> Decimal:
        """Share from 0 to 1, with four decimals."""
        return (Decimal(self.passed) / Decimal(self.total)).quantize(_PLACES, ROUND_FLOOR)

    @property
    def lower_bound(self) -> Decimal:
        """Lower end of the 95 % confidence interval of the share, with four decimals."""
        return Decimal(wilson_lower_bound(self.passed / self.total, self.units)).quantize(_PLACES, ROUND_FLOOR)

    def reaches(self, share: Decimal) -> bool:
        """Return whether the exact share is at least `share`."""
        return Fraction(self.passed, self.total) >= Fraction(share)


def wilson_lower_bound(share: float, n: int) -> float:
    """Return the lower end of the score interval of a share from `n` independent observations, from 0 to `share`.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal of the
    American Statistical Association 22 (1927), pages 209-212.
    """
    spread = _Z * sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return min(share, max(0.0, (share + _Z**2 / (2 * n) - spread) / (1 + _Z**2 / n)))
