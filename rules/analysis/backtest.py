"""Shows a rule pack the past: what the very engine that runs live decides over samples that were recorded."""

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
from rules.model.rule import Phase, RulePack, Severity
from rules.model.sample import Sample
from rules.model.submeters import submeters_by_master

OPEN = frozenset({Phase.ACTIVE, Phase.RECOVERING, Phase.LATCHED})
"""The phases in which an alert is open."""

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)


class Arrival(NamedTuple):
    """A sample as it arrived, with the kind of its device."""

    kind: str
    sample: Sample


class Span(NamedTuple):
    """From an instant up to, not including, another."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class BacktestAlert:
    """An alert that the rules raise: its condition came about at `opened_at`, and it was decided at `raised_at`.

    `ended_at` is None while it is open. Of one that is `suppressed` as it is raised nobody is notified.
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
        """For how long it was open by `until`."""
        return min(self.ended_at or until, until) - self.opened_at


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """What a rule pack makes of a span of history: what it was shown, and the alerts in the order of their raising."""

    span: Span
    samples: int
    device_ids: frozenset[int]
    alerts: tuple[BacktestAlert, ...]


def backtest(
    pack: RulePack,
    arrivals: Iterable[Arrival],
    span: Span,
    devices: Mapping[int, Device],
    paused: Sequence[Span] = (),
) -> BacktestResult:
    """Runs a rule pack over history, beginning without a memory of what was before.

    Args:
        pack: The rules.
        arrivals: What arrived within the span, in the order of arrival.
        span: The history looked at.
        devices: The devices that it is about, by id.
        paused: When our own ingestion was behind or away, so that nobody's silence counted.
    """
    seen: set[int] = set()
    count = 0

    def counted() -> Iterator[Arrival]:
        nonlocal count
        for arrival in arrivals:
            count += 1
            seen.add(arrival.sample.device_id)
            yield arrival

    engine = fresh_engine(pack, span.start, devices)
    found = collect_alerts(replay(engine, counted(), span, paused))
    return BacktestResult(span, count, frozenset(seen), found)


def fresh_engine(pack: RulePack, start: datetime, devices: Mapping[int, Device]) -> Engine:
    """An engine without a memory, over these devices, as ingest would make it for them."""
    known, of_households = with_device_groups(devices), submeters_by_master(devices.values())
    return Engine(pack, start, known.__getitem__, of_households.get, groups=DeviceGroups(devices.values()))


def replay(
    engine: Engine, arrivals: Iterable[Arrival], span: Span, paused: Sequence[Span] = ()
) -> Iterator[Transition]:
    """Lets an engine live through history: it judges what arrived, and time passes in whole seconds, as it does live.

    The transitions are those that were decided live, decision times apart, if the engine began as the live one did.
    Seconds in which nothing is due are left out, for they change nothing.
    """
    pauses = sorted(paused)
    ticked_at = _whole_second(span.start)
    yield from engine.tick(ticked_at, _is_live(ticked_at, pauses))
    minute = ticked_at + _MINUTE
    for kind, sample in arrivals:
        now, due = sample.received_at, engine.next_due()
        if minute <= now or (due is not None and due <= now):
            for at in _seconds_of_interest(engine, ticked_at, now):
                yield from engine.tick(at, _is_live(at, pauses))
                ticked_at = at
            minute = ticked_at + _MINUTE
        yield from engine.evaluate(sample, kind, now)
    for at in _seconds_of_interest(engine, ticked_at, span.end):
        yield from engine.tick(at, _is_live(at, pauses))


def _seconds_of_interest(engine: Engine, ticked_at: datetime, last: datetime) -> Iterator[datetime]:
    """The whole seconds in which something is due, and one in each minute: ingestion may stand still or go on."""
    while True:
        due, minute = engine.next_due(), ticked_at + _MINUTE
        ticked_at = minute if due is None else min(minute, max(ticked_at + _SECOND, _whole_second(due)))
        if ticked_at > last:
            return
        yield ticked_at


def _whole_second(at: datetime) -> datetime:
    """The first whole second that is not before `at`."""
    whole = at.replace(microsecond=0)
    return whole if whole == at else whole + _SECOND


def _is_live(at: datetime, pauses: Sequence[Span]) -> bool:
    return not any(span.start <= at < span.end for span in pauses)


def collect_alerts(transitions: Iterable[Transition]) -> tuple[BacktestAlert, ...]:
    """The alerts that transitions tell of, in the order in which they were raised."""
    found: dict[UUID, BacktestAlert] = {}
    for told in transitions:
        if told.alert_id is None:
            continue
        if told.to_phase is Phase.ACTIVE and told.from_phase not in OPEN:
            found[told.alert_id] = BacktestAlert(
                id=told.alert_id,
                rule=told.rule,
                device_id=told.device_id,
                severity=told.severity,
                title=told.title,
                message=told.message,
                opened_at=told.at,
                raised_at=told.decided_at,
                suppressed=bool(told.suppressed),
            )
        elif told.reason is Reason.PARENT and told.alert_id in found:  # it stands for itself from now on
            found[told.alert_id] = replace(found[told.alert_id], raised_at=told.decided_at, suppressed=False)
        elif told.to_phase not in OPEN and told.alert_id in found:
            found[told.alert_id] = replace(found[told.alert_id], ended_at=told.at)
    return tuple(found.values())
