"""Names of derived values: everything that makes them differ and no more, for texts may quote them."""

import re
from datetime import timedelta

from rules.model.duration import spell

_GAP = re.compile(r"_gap_[0-9]+[smhd]")


def usual_gap(period: timedelta) -> timedelta:
    """Return the gap that a rule allows unless it sets another: one report may get lost."""
    return 2 * period


def named_gap(gap: timedelta, period: timedelta) -> str:
    """Return the end of a name; empty for the usual gap."""
    return "" if gap == usual_gap(period) else f"_gap_{spell(gap)}"


def without_gaps(name: str) -> str:
    """Return the name that the value would have with the usual gap."""
    return _GAP.sub("", name)
