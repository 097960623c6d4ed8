"""Conditions, three-valued, and durations in rule files and in Chinese."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.model.condition import (
    All,
    Any,
    Compare,
    Condition,
    Happens,
    Not,
    as_json,
    compile_test,
    events_of,
    fields_of,
    negate,
)
from rules.model.duration import in_chinese, parse_duration, spell

TRUE, FALSE, UNKNOWN = (Compare(name, "equals", True) for name in ("yes", "no", "missing"))
VALUES = {"yes": True, "no": False}
VERDICTS = {TRUE: True, FALSE: False, UNKNOWN: None}


def evaluate(condition: Condition, **values):
    return compile_test(condition)(values)


@pytest.mark.parametrize(
    ("how", "limit", "value", "expected"),
    [
        ("above", 242.0, 242.1, True),
        ("above", 242.0, 242, False),
        ("below", 198.0, 197.9, True),
        ("below", 198.0, 198, False),
        ("equals", "stuck", "stuck", True),
        ("equals", "stuck", "up", False),
        ("equals", True, True, True),
        ("equals", 3.0, 3, True),
        ("outside", (198.0, 242.0), 197, True),
        ("outside", (198.0, 242.0), 243, True),
        ("outside", (198.0, 242.0), 198, False),
        ("outside", (198.0, 242.0), 242, False),
    ],
)
def test_a_comparison_is_strict_at_its_limit(how, limit, value, expected):
    assert evaluate(Compare("field", how, limit), field=value) is expected


@pytest.mark.parametrize("how", ["above", "below", "equals", "outside"])
def test_a_missing_value_is_unknown(how):
    limit = (1.0, 2.0) if how == "outside" else 1.0
    assert evaluate(Compare("field", how, limit), other=5) is None


@pytest.mark.parametrize("parts", [(a, b) for a in VERDICTS for b in VERDICTS], ids=str)
def test_combinations_follow_kleene(parts):
    verdicts = [VERDICTS[part] for part in parts]
    every = False if False in verdicts else None if None in verdicts else True
    some = True if True in verdicts else None if None in verdicts else False
    assert evaluate(All(parts), **VALUES) is every
    assert evaluate(Any(parts), **VALUES) is some


def test_the_opposite_of_unknown_is_unknown():
    assert [evaluate(Not(part), **VALUES) for part in VERDICTS] == [False, True, None]


conditions = st.recursive(
    st.sampled_from(list(VERDICTS)),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Any(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=8,
)


@given(st.lists(conditions, min_size=1, max_size=4))
def test_not_all_is_any_not(parts):
    opposite = Any(tuple(map(Not, parts)))
    assert negate(evaluate(All(tuple(parts)), **VALUES)) is evaluate(opposite, **VALUES)


@given(conditions)
def test_what_becomes_known_never_overturns_a_verdict(condition):
    before = evaluate(condition, **VALUES)
    if before is not None:
        assert all(evaluate(condition, **VALUES, missing=value) is before for value in (True, False))


@given(conditions, conditions)
def test_conditions_that_read_alike_are_alike(one, other):
    assert (as_json(one) == as_json(other)) is (one == other)


def test_on_telemetry_an_event_is_not_happening():
    assert evaluate(Any((Happens(("fault",)), FALSE)), **VALUES) is False
    assert evaluate(Any((Happens(("fault",)), TRUE)), **VALUES) is True


def test_a_condition_names_its_fields_and_events_once():
    condition = Any((Happens(("a", "b")), Happens(("b",)), All((TRUE, Not(TRUE), FALSE))))
    assert (fields_of(condition), events_of(condition)) == (("yes", "no"), ("a", "b"))


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("90s", 90), ("10m", 600), ("2h", 7_200), ("1d", 86_400)])
def test_durations_are_read(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "m", "1.5h", "-5m", "10 m", "1h30m", "05m", "１0m", "10M"])
def test_anything_else_is_no_duration(text):
    with pytest.raises(ValueError, match="write a whole number and a unit"):
        parse_duration(text)


@given(st.integers(0, 9_999_999).map(lambda seconds: timedelta(seconds=seconds)))
def test_a_duration_is_read_back_as_it_was_spelled(duration):
    assert parse_duration(spell(duration)) == duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 秒"),
        (-5, "0 秒"),
        (59, "59 秒"),
        (720, "12 分钟"),
        (5_400, "1 小时 30 分钟"),
        (86_400, "1 天"),
        (93_784, "1 天 2 小时"),
    ],
)
def test_durations_are_written_in_chinese(seconds, words):
    assert in_chinese(timedelta(seconds=seconds)) == words
