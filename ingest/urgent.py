"""Urgent messages, which may raise a critical alert. They do not wait in the spool behind older data."""

import re
from collections.abc import Callable, Iterator

from rules.model.condition import All, Any, Compare, Condition
from rules.model.rule import RulePack, Severity


def urgency_of(pack: RulePack) -> Callable[[bytes], bool]:
    """Return the function that tells from a payload, without decoding it, whether a critical rule may react to it.

    It looks for the events and the flags of critical rules. Numbers beyond a limit are not seen: they wait their turn.
    """
    critical = [rule for rule in pack.rules if rule.severity is Severity.CRITICAL]
    events = {name for rule in critical for name, verdict in rule.event_verdicts.items() if verdict}
    flags = {name for rule in critical for name in _flags(rule.when)}
    patterns = [rf'"{name}"' for name in sorted(events)] + [rf'"{name}"\s*:\s*true' for name in sorted(flags)]
    if not patterns:
        return lambda _: False
    search = re.compile("|".join(patterns).encode()).search
    return lambda payload: search(payload) is not None


def _flags(condition: Condition) -> Iterator[str]:
    """Yield the flags that a condition wants to be true."""
    match condition:
        case Compare(field=name, how="equals", limit=True):
            yield name
        case All(parts) | Any(parts):
            for part in parts:
                yield from _flags(part)
        case _:
            return
