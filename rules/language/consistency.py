"""Contradictions between the conditions of a rule."""

from collections.abc import Iterable, Iterator
from itertools import pairwise, product

from devices.kind import Choice, DeviceKind, Flag, Value
from rules.model.condition import (
    Compare,
    Condition,
    as_words,
    compile_test,
    derived_values_of,
    events_of,
    fields_of,
    leaves,
)


def contradictions(when: Condition, until: Condition | None, kind: DeviceKind) -> Iterator[tuple[str, str]]:
    """Yield each reason why an alert could never be raised, never end, or end while its cause lasts.

    A comparison changes its verdict only at its limit. For each field it is therefore enough to try both ends of the
    possible range, each limit, and one value between any two neighbours.

    Yields:
        The key to correct and the message.
    """
    if fields_of(when) and not events_of(when) and not _can_hold(when, kind):
        yield "when", f"`when` can never hold: no values meet {as_words(when)}; write other limits"
    if until is None:
        return
    both = set(events_of(when)) & set(events_of(until))
    if both:
        yield "until", f"`{min(both)}` cannot both open and end an alert: take it out of `when` or `until`"
    if fields_of(until) and not events_of(until) and not _can_hold(until, kind):
        yield (
            "until",
            f"`until` can never hold, no alert would end: no values meet {as_words(until)}; write other limits",
        )
    if len({*fields_of(when), *fields_of(until)}) == 1:
        opens, ends = compile_test(when), compile_test(until)
        for values in _cases((when, until), kind):
            if opens(values) and ends(values):
                (name, value), *_ = values.items()
                shown = f"{value:g}" if isinstance(value, float) else value
                yield (
                    "until",
                    f"`until` overlaps `when`: at {name} {shown} both hold; leave a band between the two limits",
                )
                return


def _can_hold(condition: Condition, kind: DeviceKind) -> bool:
    test = compile_test(condition)
    return any(test(values) for values in _cases((condition,), kind))


def _cases(conditions: tuple[Condition, ...], kind: DeviceKind) -> Iterator[dict[str, Value]]:
    names = tuple(dict.fromkeys(name for condition in conditions for name in fields_of(condition)))
    compared = [leaf for condition in conditions for leaf in leaves(condition) if isinstance(leaf, Compare)]
    for values in product(*(_points(name, compared, kind) for name in names)):
        yield dict(zip(names, values, strict=True))


def _points(name: str, compared: Iterable[Compare], kind: DeviceKind) -> list[Value]:
    derived_values = {name: derived for leaf in compared for name, derived in derived_values_of(leaf).items()}
    field = derived_values[name].field if name in derived_values else kind.field(name)
    if field is None:
        raise ValueError(
            f"{kind.name} has no field {name}: read the condition with rules.language.read_condition first"
        )
    if isinstance(field, Flag):
        return [False, True]
    if isinstance(field, Choice):
        return list(field.choices)
    limits = (leaf.limit for leaf in compared if leaf.field == name)
    numbers = {
        *field.possible,
        *(float(part) for limit in limits for part in (limit if isinstance(limit, tuple) else (limit,))),
    }
    ordered = sorted(numbers)
    return [*ordered, *((low + high) / 2 for low, high in pairwise(ordered))]
