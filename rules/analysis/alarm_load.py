"""Alarm load of a rule pack, measured against the goals for alarm systems.

The figures are those of ANSI/ISA-18.2 and EEMUA 191, for the one property manager of a community. A notice disturbs a
person, and each rule sends at most one in half a minute. `info` requires no response and is notified only by an
explicit route, so in the terms of ISA-18.2 it is no alarm. The peak counts the ten minutes after each notice. Floods
are counted in fixed steps of ten minutes: a flood begins with more than ten notices in a step and lasts until a step
has fewer than five.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import NamedTuple

from devices.local_time import CITY
from rules.analysis.backtest import BacktestAlert, Span
from rules.model.rule import Severity

TEN_MINUTES = timedelta(minutes=10)
SAME_CAUSE_EVERY = timedelta(seconds=30)
"""Least time between two notices of one rule in a community; `notify` groups the alerts in between."""

STANDING = timedelta(hours=24)
_ROUND = time(9)
"""Time of day at which a person goes through the open alerts on a working day and assigns each."""

_SATURDAY = 5
_CHATTER = timedelta(seconds=60)
_FLOOD_BEGINS, _FLOOD_ENDS = 10, 5
_FEW = 20
"""Least number of notices for a meaningful distribution over the priorities."""

_SHARES = {"low": 0.80, "medium": 0.15, "high": 0.05}
_PRIORITY = {Severity.WARNING: "low", Severity.MAJOR: "medium", Severity.CRITICAL: "high"}
_NEAR = 0.10

Instance = tuple[str, int]
"""A rule and the id of a device."""


class Notice(NamedTuple):
    """A notice for alerts of one rule, at one time."""

    at: datetime
    severity: Severity


@dataclass(frozen=True, slots=True)
class AlarmLoad:
    """Load of the notified alerts of a span on one person.

    Attributes:
        alerts: Notified alerts.
        notices: Notices; alerts of one rule within half a minute share one.
        average: Notices in ten minutes.
        peak: Most notices in any ten minutes, and `peak_at` the start of these.
        flood: Share of the time in flood.
        standing: Most alerts at one time that were open and unassigned for over a day, if a person assigns all open
            alerts at nine on working days.
        unattended: The same, if no alert is ever assigned.
        chattering: Instances raised three times within a minute.
        priorities: Shares of low, medium and high priority among the notices.
    """

    alerts: int
    notices: int
    average: float
    peak: int
    peak_at: datetime | None
    flood: float
    standing: int
    unattended: int
    chattering: tuple[Instance, ...]
    priorities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal with the measured and the wanted figure as text; `met` is None below the least number of notices."""

    name: str
    found: str
    wanted: str
    met: bool | None


def measure_load(alerts: Sequence[BacktestAlert], span: Span) -> AlarmLoad:
    """Measure the load of the alerts of one person over a span."""
    alerts = [alert for alert in alerts if alert.severity in _PRIORITY and not alert.suppressed]
    notices = notices_for(alerts)
    times = [notice.at for notice in notices]
    peak, peak_at = _peak(times)
    return AlarmLoad(
        alerts=len(alerts),
        notices=len(times),
        average=len(times) / max((span.end - span.start) / TEN_MINUTES, 1.0),
        peak=peak,
        peak_at=peak_at,
        flood=_flood(times, span),
        standing=_most_for_a_day(
            (alert.opened_at, min(_end(alert, span), next_round(alert.opened_at))) for alert in alerts
        ),
        unattended=_most_for_a_day((alert.opened_at, _end(alert, span)) for alert in alerts),
        chattering=chattering(alerts),
        priorities=_priorities(notices),
    )


def assess_goals(load: AlarmLoad) -> tuple[Goal, ...]:
    """Compare a load with the goals."""
    spread = " / ".join(f"{100 * load.priorities.get(name, 0):.0f}" for name in _SHARES)
    near = all(abs(load.priorities.get(name, 0) - share) <= _NEAR for name, share in _SHARES.items())
    waiting = f"{load.standing} ({load.unattended} if nobody ever looked)"
    when = f" ({load.peak_at.astimezone(CITY):%F %H:%M})" if load.peak_at and load.peak > 1 else ""
    return (
        Goal("notices in 10 minutes, average", f"{load.average:.3f}", "about 1", load.average <= 1),
        Goal("notices in 10 minutes, peak", f"{load.peak}{when}", "at most 10", load.peak <= _FLOOD_BEGINS),
        Goal("time in flood", f"{100 * load.flood:.2f} %", "under 1 %", load.flood < 0.01),
        Goal("chattering", str(len(load.chattering)), "none", not load.chattering),
        Goal("open in nobody's hands for over 24 hours", waiting, "fewer than 5", load.standing < 5),
        Goal("low / medium / high priority, %", spread, "near 80 / 15 / 5", None if load.notices < _FEW else near),
    )


def notices_for(alerts: Sequence[BacktestAlert]) -> list[Notice]:
    """Return the notices for alerts: the first of a rule at once, later ones together after a pause."""
    last_notices: dict[str, datetime] = {}
    notices = []
    for alert in sorted(alerts, key=lambda alert: alert.raised_at):
        last = last_notices.get(alert.rule)
        if last is not None and alert.raised_at <= last:
            continue  # the notice that is already due includes it
        due = alert.raised_at if last is None else max(alert.raised_at, last + SAME_CAUSE_EVERY)
        last_notices[alert.rule] = due
        notices.append(Notice(due, alert.severity))
    return sorted(notices)


def chattering(alerts: Sequence[BacktestAlert]) -> tuple[Instance, ...]:
    """Return the instances raised three times within a minute."""
    opened: dict[Instance, list[datetime]] = defaultdict(list)
    for alert in alerts:
        opened[alert.rule, alert.device_id].append(alert.opened_at)
    return tuple(
        sorted(
            instance
            for instance, times in opened.items()
            if any(third - first <= _CHATTER for first, third in zip(times, times[2:], strict=False))
        )
    )


def next_round(after: datetime) -> datetime:
    """Return the next time at which a person goes through the list of open alerts."""
    local = after.astimezone(CITY)
    at = datetime.combine(local.date(), _ROUND, CITY)
    while at <= local or at.weekday() >= _SATURDAY:
        at += timedelta(days=1)
    return at


def long_standing(alerts: Sequence[BacktestAlert], until: datetime) -> list[BacktestAlert]:
    """Return the alerts open for over a day."""
    return [alert for alert in alerts if alert.lasted(until) > STANDING]


def _peak(times: Sequence[datetime]) -> tuple[int, datetime | None]:
    """Return the most notices within ten minutes, and the first start of such ten minutes."""
    counted = ((bisect_left(times, first + TEN_MINUTES) - number, first) for number, first in enumerate(times))
    return max(counted, key=lambda count: count[0], default=(0, None))


def _flood(times: Sequence[datetime], span: Span) -> float:
    steps = max(-((span.start - span.end) // TEN_MINUTES), 1)
    counted = Counter((at - span.start) // TEN_MINUTES for at in times)
    flooded, last, in_flood = 0, -1, False
    for step in sorted(counted):
        if in_flood and step > last + 1:
            in_flood = False
        in_flood = counted[step] > _FLOOD_BEGINS or (in_flood and counted[step] >= _FLOOD_ENDS)
        flooded += in_flood
        last = step
    return flooded / steps


def _end(alert: BacktestAlert, span: Span) -> datetime:
    return alert.opened_at + alert.lasted(span.end)


def _most_for_a_day(waits: Iterable[tuple[datetime, datetime]]) -> int:
    """Return the most of these waits at one time, counting each from a day after its start."""
    long = [(start + STANDING, end) for start, end in waits if end - start > STANDING]
    changes = [change for start, end in long for change in ((start, 1), (end, -1))]
    most = now = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


def _priorities(notices: Sequence[Notice]) -> dict[str, float]:
    counted = Counter(_PRIORITY[notice.severity] for notice in notices)
    return {name: counted[name] / len(notices) for name in _SHARES} if notices else {}
