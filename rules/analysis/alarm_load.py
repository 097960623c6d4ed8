"""How heavy the alerts of a rule pack are for the people who get them, against the goals for alarm systems.

The measures are those of ANSI/ISA-18.2 and EEMUA 191, for one property manager: the one of a community. What disturbs
a person is a notice, and of one rule there is at most one in half a minute. `info` asks nobody to respond, is notified
only where a route asks for it, and so is no alarm in the sense of ISA-18.2. Ten minutes are counted from each notice on
for the peak, and in fixed steps for floods: a flood begins with more than ten notices in a step, and lasts until a step
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
"""How often people are told of the alerts of one rule in a community; `notify` tells them together."""

STANDING = timedelta(hours=24)
_ROUND = time(9)
"""When somebody goes through the list of open alerts on a working day, and puts each into somebody's hands."""

_SATURDAY = 5
_CHATTER = timedelta(seconds=60)
_FLOOD_BEGINS, _FLOOD_ENDS = 10, 5
_FEW = 20
"""With fewer notices their distribution over the priorities says nothing."""

_SHARES = {"low": 0.80, "medium": 0.15, "high": 0.05}
_PRIORITY = {Severity.WARNING: "low", Severity.MAJOR: "medium", Severity.CRITICAL: "high"}
_NEAR = 0.10

Instance = tuple[str, int]
"""A rule and the id of a device."""


class Notice(NamedTuple):
    """What a person is told at one time of the alerts of one rule."""

    at: datetime
    severity: Severity


@dataclass(frozen=True, slots=True)
class AlarmLoad:
    """What the alerts of a span ask of one person; those of which nobody is notified ask nothing.

    `average` is notices in ten minutes, `peak` the most in any ten minutes, which began at `peak_at`; `flood` is the
    share of the time in flood, `standing` the most that were open and in nobody's hands for over a day at one time, if
    the list is gone through at nine on working days, and `unattended` the most if nobody ever looks. `chattering` are
    the instances that were raised three times within a minute, and `priorities` the shares of low, medium and high
    among the notices.
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
    """One goal, what was found and what is wanted, in words; `met` is None where there is too little to judge."""

    name: str
    found: str
    wanted: str
    met: bool | None


def measure_load(alerts: Sequence[BacktestAlert], span: Span) -> AlarmLoad:
    """Measures the alerts of one person over a span."""
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
    """Holds a load against the goals."""
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
    """What people are told of alerts: at once, and those of a rule that was told of a moment ago together after it."""
    told: dict[str, datetime] = {}
    notices = []
    for alert in sorted(alerts, key=lambda alert: alert.raised_at):
        last = told.get(alert.rule)
        if last is not None and alert.raised_at <= last:
            continue  # it is told with those that wait already
        due = alert.raised_at if last is None else max(alert.raised_at, last + SAME_CAUSE_EVERY)
        told[alert.rule] = due
        notices.append(Notice(due, alert.severity))
    return sorted(notices)


def chattering(alerts: Sequence[BacktestAlert]) -> tuple[Instance, ...]:
    """The instances that were raised three times within a minute."""
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
    """When the list of open alerts is gone through next."""
    local = after.astimezone(CITY)
    at = datetime.combine(local.date(), _ROUND, CITY)
    while at <= local or at.weekday() >= _SATURDAY:
        at += timedelta(days=1)
    return at


def long_standing(alerts: Sequence[BacktestAlert], until: datetime) -> list[BacktestAlert]:
    """Those that were open for over a day."""
    return [alert for alert in alerts if alert.lasted(until) > STANDING]


def _peak(times: Sequence[datetime]) -> tuple[int, datetime | None]:
    """The most within ten minutes, and the first time that so many began."""
    counted = ((bisect_left(times, first + TEN_MINUTES) - number, first) for number, first in enumerate(times))
    return max(counted, key=lambda found: found[0], default=(0, None))


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
    """The most of these waits that had lasted for over a day at one time."""
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
