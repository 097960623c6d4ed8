"""Conditions: the closed vocabulary of `when` and `until`, and their verdicts on one telemetry sample.

A verdict is TRUE (`True`), FALSE (`False`) or UNKNOWN (`None`), combined by Kleene's strong logic. A comparison is one
function here and one line in `COMPARISONS`; `rules.language.read_condition` reads it from rule files.

A condition on more than one sample compares a derived value (`rules.model.derived_value`) like a field of the sample.
So conditions have no state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from devices.kind import Value
from rules.model.derived_value import ComparableValue, DerivedValue
from rules.model.duration import spell

Verdict = bool | None
Test = Callable[[Mapping[str, Value]], Verdict]


@dataclass(frozen=True, slots=True)
class Compare:
    """Comparison of a field, or of the derived value of that name, with a limit.

    `how` is a key of `COMPARISONS`, `limit` one value or, for `outside`, two numbers.
    """

    field: str
    how: str
    limit: Value | tuple[float, float]
    derived: ComparableValue | None = None


@dataclass(frozen=True, slots=True)
class Happens:
    """Any of these events; with a derived value, only from the repetition on that makes it TRUE."""

    events: tuple[str, ...]
    derived: ComparableValue | None = None


@dataclass(frozen=True, slots=True)
class NoData:
    """No fresh sample for a number of reporting periods, and `jitter` on top. Rule files say `silent`."""

    periods: int
    period: timedelta
    jitter: timedelta

    @property
    def after(self) -> timedelta:
        """Time after the last arrival from which a device has no data."""
        return self.periods * self.period + self.jitter


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Any:
    """At least one part holds."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Condition"


Condition = Compare | Happens | NoData | All | Any | Not


def _above(field: str, limit: float) -> Test:
    def test(values: Mapping[str, Value]) -> Verdict:
        value = values.get(field)
        return None if value is None else value > limit  # type: ignore[operator]

    return test


def _below(field: str, limit: float) -> Test:
    def test(values: Mapping[str, Value]) -> Verdict:
        value = values.get(field)
        return None if value is None else value < limit  # type: ignore[operator]

    return test


def _equals(field: str, limit: Value) -> Test:
    def test(values: Mapping[str, Value]) -> Verdict:
        value = values.get(field)
        return None if value is None else value == limit

    return test


def _outside(field: str, limit: tuple[float, float]) -> Test:
    low, high = limit

    def test(values: Mapping[str, Value]) -> Verdict:
        value = values.get(field)
        return None if value is None else not low <= value <= high  # type: ignore[operator]

    return test


COMPARISONS: Mapping[str, Callable[..., Test]] = {
    "above": _above,
    "below": _below,
    "equals": _equals,
    "outside": _outside,
}


def negate(verdict: Verdict) -> Verdict:
    """Return TRUE for FALSE, FALSE for TRUE, and UNKNOWN for UNKNOWN."""
    return None if verdict is None else not verdict


def _every(tests: tuple[Test, ...]) -> Test:
    def test(values: Mapping[str, Value]) -> Verdict:
        verdict: Verdict = True
        for part in tests:
            one = part(values)
            if one is False:
                return False
            if one is None:
                verdict = None
        return verdict

    return test


def _some(tests: tuple[Test, ...]) -> Test:
    def test(values: Mapping[str, Value]) -> Verdict:
        verdict: Verdict = False
        for part in tests:
            one = part(values)
            if one is True:
                return True
            if one is None:
                verdict = None
        return verdict

    return test


def compile_test(condition: Condition) -> Test:
    """Return the function that evaluates the condition on the values of one telemetry sample.

    An event is an instant of its own. So the part of a condition that waits for one is FALSE on telemetry.
    """
    match condition:
        case Compare(field, how, limit, _):
            return COMPARISONS[how](field, limit)
        case All(parts):
            return _every(tuple(map(compile_test, parts)))
        case Any(parts):
            return _some(tuple(map(compile_test, parts)))
        case Not(part):
            inner = compile_test(part)
            return lambda values: negate(inner(values))
        case Happens() | NoData():
            return lambda _: False


def as_json(condition: Condition) -> dict[str, object]:
    """Return the condition in the words of a rule file, with one spelling of numbers and durations."""
    match condition:
        case Compare(field, how, limit, derived):
            plain = list(limit) if isinstance(limit, tuple) else limit
            return derived.as_json(how, plain) if derived else {"field": field, how: plain}
        case Happens(events, derived):
            return derived.as_json("equals", limit=True) if derived else {"event": list(events)}
        case NoData(periods, period, jitter):
            return {"silent": {"periods": periods, "period": spell(period), "jitter": spell(jitter)}}
        case All(parts):
            return {"all": [as_json(part) for part in parts]}
        case Any(parts):
            return {"any": [as_json(part) for part in parts]}
        case Not(part):
            return {"not": as_json(part)}


def as_words(condition: Condition) -> str:
    """Return the condition as one line of a rule file."""
    return _spelled(as_json(condition))


def _spelled(plain: object) -> str:
    match plain:
        case Mapping():
            return f"{{{', '.join(f'{key}: {_spelled(value)}' for key, value in plain.items())}}}"
        case [one] if isinstance(one, str):
            return one
        case list():
            return f"[{', '.join(map(_spelled, plain))}]"
        case bool():
            return str(plain).lower()
        case float():
            return f"{plain:.12g}"
        case _:
            return str(plain)


def leaves(condition: Condition) -> tuple[Compare | Happens | NoData, ...]:
    """Return the parts other than combinations, in the order of the rule file."""
    match condition:
        case All(parts) | Any(parts):
            return tuple(leaf for part in parts for leaf in leaves(part))
        case Not(part):
            return leaves(part)
        case _:
            return (condition,)


def fields_of(condition: Condition) -> tuple[str, ...]:
    """Return the fields that the condition compares, each once."""
    return tuple(dict.fromkeys(leaf.field for leaf in leaves(condition) if isinstance(leaf, Compare)))


def needed_fields(condition: Condition, *, verdict: bool = True) -> frozenset[str]:
    """Return the fields that a telemetry sample must have for the condition to reach this verdict."""
    match condition:
        case All(parts) | Any(parts):
            needed = [needed_fields(part, verdict=verdict) for part in parts]
            every = verdict is isinstance(condition, All)
            return frozenset().union(*needed) if every else frozenset.intersection(*needed)
        case Not(part):
            return needed_fields(part, verdict=not verdict)
        case Compare(field, derived=derived):
            return frozenset({field, *(derived.reads if derived and len(derived.reads) == 1 else ())})
        case _:
            return frozenset()


def events_of(condition: Condition) -> tuple[str, ...]:
    """Return the events that the condition waits for, each once."""
    happens = (leaf for leaf in leaves(condition) if isinstance(leaf, Happens))
    return tuple(dict.fromkeys(event for leaf in happens for event in leaf.events))


def derived_values_of(condition: Condition) -> dict[str, DerivedValue]:
    """Return the derived values that the condition compares, by name."""
    parts = (leaf for leaf in leaves(condition) if isinstance(leaf, Compare | Happens))
    return {leaf.derived.field.name: leaf.derived for leaf in parts if leaf.derived}


def repeat_conditions_of(condition: Condition) -> dict[str, tuple[str, ...]]:
    """Return the derived values of which one must be TRUE for an event to count, by event.

    An event that counts at once is left out.
    """
    happens = [leaf for leaf in leaves(condition) if isinstance(leaf, Happens)]
    at_once = {event for leaf in happens if not leaf.derived for event in leaf.events}
    return {
        event: tuple(leaf.derived.field.name for leaf in happens if leaf.derived and event in leaf.events)
        for event in events_of(condition)
        if event not in at_once
    }
