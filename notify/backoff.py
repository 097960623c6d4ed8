"""When to try a channel again, and when to give a notice up."""

from datetime import timedelta

from rules.model.rule import Severity

MOST_ATTEMPTS = 10
_FIRST_S = 5.0
_LONGEST_S = 300.0
_LONGEST_ASKED_S = 3600.0


def delay(failures: int, asked_s: float | None, chance: float) -> timedelta:
    """How long to leave a channel alone.

    Args:
        failures: How many times in a row it has failed, at least once.
        asked_s: How long its receiver wants to be left alone, if it said so.
        chance: From 0 to 1; spreads those who failed together over half to all of the time.
    """
    own_s = min(_FIRST_S * 2.0 ** min(failures - 1, 16), _LONGEST_S) * (1 + chance) / 2
    return timedelta(seconds=max(own_s, min(asked_s or 0.0, _LONGEST_ASKED_S)))


def asks_for_help(attempts: int, severity: str) -> bool:
    """Whether the fallback is told although there will be more attempts: a critical alert can't wait for the last."""
    return severity == Severity.CRITICAL and attempts >= 3
