"""A field compared with another field of the same sample."""

from datetime import timedelta

import pytest

from devices.kind import Counter, Gauge, Interval
from rules.derived.compared import FieldComparison, WindowComparison
from rules.derived.window import WindowAggregate
from tests.unit.rules_fixtures.derived import Following

SUPPLY = Gauge("supply_c", "℃", Interval(0, 120), "供水温度", "supply")
RETURN = Gauge("return_c", "℃", Interval(0, 90), "回水温度", "return")
HOUR = timedelta(hours=1)
FORTH, BACK = (Counter(name, "m³", 100, name, name, per_hour=1) for name in ("forth", "back"))


@pytest.mark.parametrize(
    ("how", "values", "result"),
    [
        ("difference", {"supply_c": 60, "return_c": 45}, 15),
        ("ratio", {"supply_c": 60, "return_c": 40}, 1.5),
        ("ratio", {"supply_c": 60, "return_c": 0}, None),
        ("difference", {"supply_c": 60}, None),
        ("difference", {"return_c": 60}, None),
    ],
)
def test_two_fields_of_one_sample_are_compared_and_unknown_where_one_is_missing(how, values, result):
    assert FieldComparison(SUPPLY, RETURN, how).observer()(None, 0, values) == (None, result)


def test_windows_are_compared_once_both_are_covered():
    forth, back = (WindowAggregate(field, "increase", 2 * HOUR, HOUR, 2 * HOUR) for field in (FORTH, BACK))
    following = Following(WindowComparison(forth, back, "ratio"))
    result = [following.show(60 * hour, {"forth": 10 + hour / 2, "back": 10 + hour / 4}) for hour in range(4)]
    assert result == [None, None, 2, 2]
    assert following.show(240, {"forth": 12, "back": 10.75}) == 4


def test_a_comparison_is_described_like_a_field():
    difference, ratio = FieldComparison(SUPPLY, RETURN, "difference").field, FieldComparison(FORTH, BACK, "ratio").field
    assert (difference.name, difference.unit, difference.possible) == ("supply_c_minus_return_c", "℃", (-90, 120))
    assert (ratio.name, ratio.unit, ratio.possible) == ("forth_per_back", "1", (0, 1e9))
