"""Conditions: the closed vocabulary of `when` and `until`, and what each says of one telemetry sample.

A verdict is TRUE (`True`), FALSE (`False`) or UNKNOWN (`None`), combined by Kleene's strong logic. A comparison is one
function here and one line in `COMPARISONS`; `rules.language.read_condition` reads it from rule files.

What depends on more than one sample is a track: a small pure state for each device, which makes one more value of the
samples as they come. It is compared like a field of the sample, and conditions need no memory of their own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any as Anything
from typing import Protocol

from devices.kind import Flag, Gauge, Value
from rules.model.duration import spell

Verdict = bool | None
Test = Callable[[Mapping[str, Value]], Verdict]
State = Anything
"""What only its track understands: plain values, bytes and tuples, which come back as lists because states are packed
between samples. None before the first sample."""
Observe = Callable[[State, int, Mapping[str, Value]], tuple[State, Value | None]]


class DerivedValue(Protocol):
    """A value that is made of many samples; rules of a kind that ask for the same one share it.

    Its state is of bounded size, for there may be 400,000 of it.
    """

    @property
    def field(self) -> Gauge | Flag:
        """What comes of it, described like a field of the kind; its name says all that makes the track differ."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields that it is made of."""

    @property
    def needs(self) -> "tuple[DerivedValue, ...]":
        """The tracks whose values it takes, which see each sample before it does."""

    def observer(self) -> Observe:
        """Makes the function that takes the state, the time in microseconds and the values of one sample.

        It gives the next state and the value: None where it is not known, or where the sample says nothing of it.
        """


class ComparableValue(DerivedValue, Protocol):
    """A track whose value a rule can compare; the value of any other is for tracks alone."""

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """The comparison of this value in the words of a rule file."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A field against a limit; `how` is a key of `COMPARISONS`, `limit` one value or, for `outside`, two numbers.

    With a `track`, the field is the one that comes of it.
    """

    field: str
    how: str
    limit: Value | tuple[float, float]
    derived: ComparableValue | None = None


@dataclass(frozen=True, slots=True)
class Happens:
    """Any of these events; with a `track`, only once that says that it has been often enough."""

    events: tuple[str, ...]
    derived: ComparableValue | None = None


@dataclass(frozen=True, slots=True)
class NoData:
    """No fresh sample for so many reporting periods, and `jitter` on top."""

    periods: int
    period: timedelta
    jitter: timedelta

    @property
    def after(self) -> timedelta:
        """How long after the last arrival a device counts as silent."""
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
    """TRUE for FALSE and FALSE for TRUE; UNKNOWN stays UNKNOWN."""
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
    """Makes the function that judges the values of one telemetry sample, to be called for every message.

    An event is an instant of its own, so on telemetry the part of a condition that waits for one is FALSE.
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
    """The condition in the words of a rule file, with numbers and durations spelled in one way only."""
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
    """The condition as one line of a rule file."""
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
    """The parts that are not combinations, in the order in which they are written."""
    match condition:
        case All(parts) | Any(parts):
            return tuple(leaf for part in parts for leaf in leaves(part))
        case Not(part):
            return leaves(part)
        case _:
            return (condition,)


def fields_of(condition: Condition) -> tuple[str, ...]:
    """The fields that the condition reads, each once."""
    return tuple(dict.fromkeys(leaf.field for leaf in leaves(condition) if isinstance(leaf, Compare)))


def needed_fields(condition: Condition, *, verdict: bool = True) -> frozenset[str]:
    """The fields that a telemetry sample must have for the condition to come to this verdict."""
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
    """The events that the condition waits for, each once."""
    happens = (leaf for leaf in leaves(condition) if isinstance(leaf, Happens))
    return tuple(dict.fromkeys(event for leaf in happens for event in leaf.events))


def derived_values_of(condition: Condition) -> dict[str, DerivedValue]:
    """The tracks that the condition needs, by the names of their values."""
    parts = (leaf for leaf in leaves(condition) if isinstance(leaf, Compare | Happens))
    return {leaf.derived.field.name: leaf.derived for leaf in parts if leaf.derived}


def repeat_conditions_of(condition: Condition) -> dict[str, tuple[str, ...]]:
    """For each event that must repeat, the tracks of which one must say so; an event that counts at once has none."""
    happens = [leaf for leaf in leaves(condition) if isinstance(leaf, Happens)]
    at_once = {event for leaf in happens if not leaf.derived for event in leaf.events}
    return {
        event: tuple(leaf.derived.field.name for leaf in happens if leaf.derived and event in leaf.events)
        for event in events_of(condition)
        if event not in at_once
    }
