"""Backtest of a rule pack over recorded samples, on the engine that runs live."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from devices.device import Device
from rules.engine.engine import Engine
from rules.engine.state_machine import Reason
from rules.engine.transition import Transition
from rules.model.device_group import DeviceGroups, with_device_groups
from rules.model.rule import OPEN_PHASES, RulePack, Severity
from rules.model.sample import Sample
from rules.model.submeters import submeters_by_master

GATHERING_TIME = timedelta(seconds=5)
"""Time that a notice of less than critical severity waits for others of the same cause; see `notify.enqueue`."""

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
# Longer than meters that upload once a day take.
_LATE = timedelta(hours=25)


class Arrival(NamedTuple):
    """An arrived sample and the kind of its device."""

    kind: str
    sample: Sample


class Span(NamedTuple):
    """A half-open interval of time: `end` is not part of it."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class BacktestAlert:
    """An alert raised in a backtest.

    Attributes:
        opened_at: Time at which the condition was met for long enough.
        raised_at: Time of the decision, or of the release from suppression.
        ended_at: Time of the end, or None while open.
        suppressed: Whether the alert was not notified.
    """

    id: UUID
    rule: str
    device_id: int
    severity: Severity
    title: str
    message: str
    opened_at: datetime
    raised_at: datetime
    ended_at: datetime | None = None
    suppressed: bool = False

    def lasted(self, until: datetime) -> timedelta:
        """Return the duration for which the alert was open by `until`."""
        return min(self.ended_at or until, until) - self.opened_at


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """Result of a backtest; `alerts` are in the order of their raising.

    `late_samples` arrived over 25 hours after the time of their device, as loaded history does.
    """

    span: Span
    samples: int
    late_samples: int
    device_ids: frozenset[int]
    alerts: tuple[BacktestAlert, ...]


def backtest(
    pack: RulePack,
    arrivals: Iterable[Arrival],
    span: Span,
    devices: Mapping[int, Device],
    paused: Sequence[Span] = (),
) -> BacktestResult:
    """Run a rule pack over history, starting without any state.

    Args:
        pack: The rules.
        arrivals: The samples of the span, in the order of arrival.
        span: The span of history.
        devices: The devices of the samples by id.
        paused: The spans in which ingest was down or behind, so that the absence of data did not count.
    """
    device_ids: set[int] = set()
    count = late = 0

    def counted() -> Iterator[Arrival]:
        nonlocal count, late
        for arrival in arrivals:
            count += 1
            late += arrival.sample.received_at - arrival.sample.ts > _LATE
            device_ids.add(arrival.sample.device_id)
            yield arrival

    engine = fresh_engine(pack, span.start, devices)
    alerts = collect_alerts(replay(engine, counted(), span, paused))
    return BacktestResult(span, count, late, frozenset(device_ids), alerts)


def fresh_engine(pack: RulePack, start: datetime, devices: Mapping[int, Device]) -> Engine:
    """Return an engine without state for these devices, as ingest would create it for them."""
    all_devices, submeters = with_device_groups(devices), submeters_by_master(devices.values())
    return Engine(pack, start, all_devices.__getitem__, submeters.get, groups=DeviceGroups(devices.values()))


def replay(
    engine: Engine, arrivals: Iterable[Arrival], span: Span, paused: Sequence[Span] = ()
) -> Iterator[Transition]:
    """Run an engine over history: evaluate each arrival, and tick in whole seconds as ingest does.

    Apart from `decided_at` the transitions equal the live ones, if the engine starts with the live state. Seconds
    without a due timer are skipped, since their ticks change nothing.
    """
    pauses = sorted(paused)
    ticked_at = _whole_second(span.start)
    yield from engine.tick(ticked_at, _is_caught_up(ticked_at, pauses))
    minute = ticked_at + _MINUTE
    for kind, sample in arrivals:
        now, due = sample.received_at, engine.next_due()
        if minute <= now or (due is not None and due <= now):
            for at in _seconds_of_interest(engine, ticked_at, now):
                yield from engine.tick(at, _is_caught_up(at, pauses))
                ticked_at = at
            minute = ticked_at + _MINUTE
        yield from engine.evaluate(sample, kind, now)
    for at in _seconds_of_interest(engine, ticked_at, span.end):
        yield from engine.tick(at, _is_caught_up(at, pauses))


def _seconds_of_interest(engine: Engine, ticked_at: datetime, last: datetime) -> Iterator[datetime]:
    """Yield the whole seconds with a due timer, and one a minute, since ingest may pause or resume."""
    while True:
        due, minute = engine.next_due(), ticked_at + _MINUTE
        ticked_at = minute if due is None else min(minute, max(ticked_at + _SECOND, _whole_second(due)))
        if ticked_at > last:
            return
        yield ticked_at


def _whole_second(at: datetime) -> datetime:
    """Return the first whole second not before `at`."""
    whole = at.replace(microsecond=0)
    return whole if whole == at else whole + _SECOND


def _is_caught_up(at: datetime, pauses: Sequence[Span]) -> bool:
    return not any(span.start <= at < span.end for span in pauses)


def collect_alerts(transitions: Iterable[Transition]) -> tuple[BacktestAlert, ...]:
    """Return the alerts of transitions in the order of their raising."""
    alerts: dict[UUID, BacktestAlert] = {}
    for transition in transitions:
        alert_id = transition.alert_id
        if alert_id is None:
            continue
        if transition.raises:
            alerts[alert_id] = BacktestAlert(
                id=alert_id,
                rule=transition.rule,
                device_id=transition.device_id,
                severity=transition.severity,
                title=transition.title,
                message=transition.message,
                opened_at=transition.at,
                raised_at=transition.decided_at,
                suppressed=bool(transition.suppressed),
            )
        elif alert_id in alerts:
            if transition.reason is Reason.REVOKED:
                del alerts[alert_id]
            else:
                alerts[alert_id] = _changed(alerts[alert_id], transition)
    return tuple(alerts.values())


def _changed(alert: BacktestAlert, transition: Transition) -> BacktestAlert:
    """Return an alert after a transition of it, which may take back its end or give it another beginning."""
    if transition.reason is Reason.RECOUNTED:
        return replace(alert, message=transition.message)
    if transition.reason is Reason.MERGED:
        unnoticed = alert.suppressed or transition.decided_at - alert.raised_at < GATHERING_TIME
        return replace(alert, suppressed=unnoticed)
    if transition.reason is Reason.PARENT:  # released from its suppression
        return replace(alert, raised_at=transition.decided_at, suppressed=False)
    if transition.reason is Reason.REORDERED:
        alert = replace(alert, opened_at=transition.at, title=transition.title, message=transition.message)
    return replace(alert, ended_at=None if transition.to_phase in OPEN_PHASES else transition.at)
