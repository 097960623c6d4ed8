"""Shares and their bounds."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acceptance.figure import Figure, wilson_lower_bound


@st.composite
def figures(draw: st.DrawFn) -> Figure:
    total = draw(st.integers(1, 10_000_000))
    return Figure(draw(st.integers(0, total)), total, draw(st.integers(1, total)))


# Published values, which take 1.96 for the quantile.
@pytest.mark.parametrize(
    ("share", "n", "bound"),
    [(0, 100, 0), (1, 100, 0.963005), (0.9, 100, 0.825634), (0.1, 100, 0.055229), (1, 1, 0.206543)],
)
def test_the_bound_agrees_with_published_values(share, n, bound):
    assert wilson_lower_bound(share, n) == pytest.approx(bound, abs=1e-5)


@given(st.floats(0, 1), st.integers(1, 10**9))
def test_the_bound_solves_its_defining_equation(share, n):
    bound = wilson_lower_bound(share, n)
    z = 1.959963984540054
    assert (share - bound) ** 2 == pytest.approx(z**2 * bound * (1 - bound) / n, rel=1e-4, abs=1e-9)


@given(figures())
def test_the_bound_lies_between_zero_and_the_share(figure):
    assert 0 <= figure.lower_bound <= figure.share <= 1


@given(figures())
def test_one_more_success_never_lowers_share_or_bound(figure):
    better = Figure(min(figure.passed + 1, figure.total), figure.total, figure.units)
    assert better.share >= figure.share
    assert better.lower_bound >= figure.lower_bound


@given(figures(), st.decimals(0, 1, places=4))
def test_a_figure_that_reaches_a_share_still_reaches_it_with_more_successes(figure, share):
    better = Figure(min(figure.passed + 1, figure.total), figure.total, figure.units)
    assert better.reaches(share) or not figure.reaches(share)


def test_forty_meters_do_not_look_like_four_thousand():
    few, many = Figure(26_746, 26_880, 40), Figure(2_674_600, 2_688_000, 4_000)
    assert few.share == many.share == Decimal("0.9950")
    assert few.lower_bound < Decimal("0.91")
    assert many.lower_bound > Decimal("0.992")


def test_a_share_is_rounded_down_and_compared_exactly():
    almost = Figure(99_999, 100_000, 100_000)
    assert almost.share == Decimal("0.9999")
    assert not almost.reaches(Decimal(1))
    assert Figure(197, 200, 200).reaches(Decimal("0.985"))


@pytest.mark.parametrize(("passed", "total", "units"), [(2, 1, 1), (-1, 1, 1), (0, 0, 0), (1, 2, 3)])
def test_an_impossible_share_is_refused(passed, total, units):
    with pytest.raises(ValueError, match="not a share"):
        Figure(passed, total, units)
