"""Summary of a backtest: alerts by rule, day and device, and the load of each community."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from devices.device import Device
from devices.local_time import CITY
from rules.analysis.alarm_load import AlarmLoad, Goal, assess_goals, chattering, long_standing, measure_load
from rules.analysis.backtest import BacktestAlert, BacktestResult, Span
from rules.model.device_group import with_device_groups
from rules.model.rule import Rule, RulePack, Severity
from rules.model.subject_zh import subject_of


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """Alerts of one rule; `standing` counts those open for over a day, `longest_s` is the longest duration in seconds.

    The `suppressed` ones are explained by another alert and not notified.
    """

    rule: str
    kind: str
    title: str
    severity: Severity
    alerts: int
    suppressed: int
    devices: int
    standing: int
    chattering: int
    longest_s: float


@dataclass(frozen=True, slots=True)
class DaySummary:
    """Alerts raised on one local day."""

    day: date
    alerts: int
    severities: Mapping[Severity, int]
    peak: int


@dataclass(frozen=True, slots=True)
class DeviceSummary:
    """Alerts of one device, and their number by rule; `subject` is the device with its place, for people."""

    community: str
    device: str
    subject: str
    alerts: int
    rules: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CommunitySummary:
    """Load of the alerts of one community on its property manager."""

    community: str
    load: AlarmLoad
    goals: tuple[Goal, ...]

    @property
    def met(self) -> bool:
        """Whether no goal is missed."""
        return not any(goal.met is False for goal in self.goals)


@dataclass(frozen=True, slots=True)
class Summary:
    """Summary of a backtest, without rules and devices that raised nothing; most alerts first."""

    start: datetime
    end: datetime
    samples: int
    late_samples: int
    devices: int
    rules: int
    alerts: int
    by_rule: tuple[RuleSummary, ...]
    by_day: tuple[DaySummary, ...]
    by_device: tuple[DeviceSummary, ...]
    communities: tuple[CommunitySummary, ...]

    @property
    def is_loaded(self) -> bool:
        """Whether much of the history was loaded later, so that its alerts gather at the time of the loading."""
        return self.late_samples * 10 > self.samples

    @property
    def met(self) -> bool:
        """Whether every community meets every goal."""
        return all(each.met for each in self.communities)


def summarise(result: BacktestResult, pack: RulePack, devices: Mapping[int, Device]) -> Summary:
    """Count the alerts of a backtest by device, including groups of devices."""
    devices = with_device_groups(devices)
    span, alerts = result.span, result.alerts
    by_rule, by_day = defaultdict[str, list[BacktestAlert]](list), defaultdict[date, list[BacktestAlert]](list)
    by_device, by_community = defaultdict[int, list[BacktestAlert]](list), defaultdict[str, list[BacktestAlert]](list)
    for device_id in result.device_ids:
        by_community[devices[device_id].community] = []
    for alert in alerts:
        by_rule[alert.rule].append(alert)
        by_day[alert.raised_at.astimezone(CITY).date()].append(alert)
        by_device[alert.device_id].append(alert)
        by_community[devices[alert.device_id].community].append(alert)
    rules = (_of_rule(rule, by_rule[rule.name], span) for rule in pack.rules if rule.name in by_rule)
    of_devices = (_of_device(devices[device_id], own) for device_id, own in by_device.items())
    return Summary(
        start=span.start,
        end=span.end,
        samples=result.samples,
        late_samples=result.late_samples,
        devices=len(result.device_ids),
        rules=len(pack.rules),
        alerts=len(alerts),
        by_rule=tuple(sorted(rules, key=lambda each: -each.alerts)),
        by_day=tuple(_of_day(day, own, span) for day, own in sorted(by_day.items())),
        by_device=tuple(sorted(of_devices, key=lambda each: (-each.alerts, each.community, each.device))),
        communities=tuple(_of_community(name, own, span) for name, own in sorted(by_community.items())),
    )


def _of_rule(rule: Rule, alerts: Sequence[BacktestAlert], span: Span) -> RuleSummary:
    return RuleSummary(
        rule=rule.name,
        kind=rule.kind,
        title=rule.title,
        severity=rule.severity,
        alerts=len(alerts),
        suppressed=sum(alert.suppressed for alert in alerts),
        devices=len({alert.device_id for alert in alerts}),
        standing=len(long_standing(alerts, span.end)),
        chattering=len(chattering(alerts)),
        longest_s=max(alert.lasted(span.end) for alert in alerts).total_seconds(),
    )


def _of_day(day: date, alerts: Sequence[BacktestAlert], span: Span) -> DaySummary:
    severities = dict(Counter(alert.severity for alert in alerts))
    return DaySummary(day, len(alerts), severities, measure_load(alerts, span).peak)


def _of_device(device: Device, alerts: Sequence[BacktestAlert]) -> DeviceSummary:
    rules = Counter(alert.rule for alert in alerts)
    subject = subject_of(device)
    return DeviceSummary(device.community, device.name, subject, len(alerts), dict(rules.most_common()))


def _of_community(community: str, alerts: Sequence[BacktestAlert], span: Span) -> CommunitySummary:
    load = measure_load(alerts, span)
    return CommunitySummary(community, load, assess_goals(load))
