"""Urgent messages, which may raise a critical alert. They do not wait in the spool behind older data."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator

from pydantic_core import from_json

from rules.model.condition import All, Any, Compare, Condition, Not, Test, compile_test
from rules.model.rule import RulePack, Severity


def urgency_of(pack: RulePack) -> Callable[[bytes], bool]:
    """Return the function that tells from a payload, without decoding it, whether a critical rule may react to it.

    It looks for the events of critical rules, and for the fields that they compare: flags, choices and numbers. A value
    derived from many readings is not seen.
    """
    critical = [rule for rule in pack.rules if rule.severity is Severity.CRITICAL]
    events = sorted({name for rule in critical for name, verdict in rule.event_verdicts.items() if verdict})
    tests: dict[str, list[Test]] = defaultdict(list)
    for rule in critical:
        for name, test in _comparisons(rule.when):
            tests[name].append(test)
    if not events and not tests:
        return lambda _: False
    names = rf'"(?:{"|".join(events) or "(?!)"})"'
    values = rf'"({"|".join(sorted(tests)) or "(?!)"})"\s*:\s*([^\s,}}\]]+)'
    find = re.compile(f"{names}|{values}".encode()).finditer

    def holds(name: str, value: bytes) -> bool:
        try:
            values = {name: from_json(value)}
            return any(test(values) for test in tests[name])
        except (ValueError, TypeError):
            return False  # no value of this field: decoding will refuse it

    def is_urgent(payload: bytes) -> bool:
        found = (match.groups() for match in find(payload))
        return any(name is None or holds(name.decode(), value) for name, value in found)

    return is_urgent


def _comparisons(condition: Condition, *, wanted: bool = True) -> Iterator[tuple[str, Test]]:
    """Yield the fields that a condition compares, each with the test that makes for it; not `wanted`, against it."""
    match condition:
        case Compare(field=name, derived=None):
            yield name, compile_test(condition if wanted else Not(condition))
        case All(parts) | Any(parts):
            for part in parts:
                yield from _comparisons(part, wanted=wanted)
        case Not(part):
            yield from _comparisons(part, wanted=not wanted)
        case _:
            return
