"""How the values of tracks are named: by all that makes them differ, and no more, for texts may quote them."""

import re
from datetime import timedelta

from rules.model.duration import spell

_GAP = re.compile(r"_gap_[0-9]+[smhd]")


def usual_gap(period: timedelta) -> timedelta:
    """The gap that a rule allows where it says nothing else: one report may get lost."""
    return 2 * period


def named_gap(gap: timedelta, period: timedelta) -> str:
    """The end of a name, which is empty for the usual gap."""
    return "" if gap == usual_gap(period) else f"_gap_{spell(gap)}"


def without_gaps(name: str) -> str:
    """The name that the value would have with the usual gap."""
    return _GAP.sub("", name)
