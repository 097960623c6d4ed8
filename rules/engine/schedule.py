"""What follows when the calendar of a rule opens: its condition is judged anew by what was last known of a device.

Nothing new has been measured then. What was known counts as long as it would without a calendar, that is for the `gap`
of the rule, and a delay starts with the opening.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import NamedTuple, Protocol

from devices.kind import Value
from rules.engine.compiled import CompiledRule
from rules.engine.device_state import LiveState, last_values
from rules.engine.state_machine import Input, InstanceState, NewVerdict, Reason, Tick
from rules.engine.transition import Transition
from rules.model.calendar import Calendar
from rules.model.condition import Verdict
from rules.model.rule import Phase, Rule
from rules.model.sample import Sample


class Known(NamedTuple):
    """What was last known of a device: the newest telemetry and events, and the values that are remembered."""

    last_ts: datetime | None
    event_ts: Mapping[str, datetime]
    values: Mapping[str, Value]
    withdrawn: bool = False

    @classmethod
    def of(cls, live: LiveState, kept: tuple[str, ...]) -> "Known":
        """What is remembered of a device; `kept` are the names of the values."""
        return cls(live.last_ts, live.event_ts, last_values(kept, live), live.withdrawn)


class _Opening(NamedTuple):
    at: datetime
    rule: str
    calendar: Calendar
    compiled: CompiledRule


class Judging(Protocol):
    """What of the engine an opening needs."""

    def instance(self, rule_name: str, device_id: int) -> InstanceState | None:
        """Where a rule stands on a device."""

    def come_to(self, time: Tick, state: InstanceState, rule: Rule, now: datetime) -> list[Transition]:
        """Lets event time come to one instance."""

    def advance(self, rule: Rule, device_id: int, new: Input, now: datetime) -> list[Transition]:
        """Moves one instance on."""


class Openings:
    """The openings that are to come, and of which devices the rules with a calendar have been shown anything.

    Args:
        engine: Moves the instances on.
        scheduled: The rules with a calendar.
        now: The time of the start. Where a calendar is open, its opening may have been missed and is looked at again.
    """

    def __init__(self, engine: Judging, scheduled: Iterable[CompiledRule], now: datetime) -> None:
        self._engine = engine
        self._next = []
        self._devices: dict[str, set[int]] = defaultdict(set)
        for compiled in scheduled:
            if compiled.rule.schedule:
                span = compiled.rule.schedule.span(now)
                at = span.start if span.open else span.end
                self._next.append(_Opening(at, compiled.rule.name, compiled.rule.schedule, compiled))
        heapify(self._next)

    @property
    def next_due(self) -> datetime | None:
        """When the first is; None where no rule has a calendar."""
        return self._next[0].at if self._next else None

    def watch(self, kind: str, device_id: int) -> None:
        """Remembers that a device of the kind has been heard."""
        self._devices[kind].add(device_id)

    def take(self, now: datetime) -> Iterator[tuple[datetime, CompiledRule, list[int]]]:
        """The openings that have come, each once, with the rule and the devices that it concerns."""
        while self._next and self._next[0].at <= now:
            opening = heappop(self._next)
            closed = opening.calendar.span(opening.calendar.span(opening.at).end)
            heappush(self._next, opening._replace(at=closed.end))
            yield opening.at, opening.compiled, sorted(self._devices[opening.compiled.rule.kind])

    def catch_up(
        self, sample: Sample, scheduled: Iterable[CompiledRule], known: Known, now: datetime
    ) -> list[Transition]:
        """Lets the calendars open that opened between what was known before and a sample, before it is judged."""
        return [
            transition
            for compiled in scheduled
            for opened in _missed(compiled, known, sample.ts)
            for transition in self.reopen(compiled, sample.device_id, known, Tick(opened), now)
        ]

    def reopen(
        self, compiled: CompiledRule, device_id: int, known: Known, opening: Tick, now: datetime
    ) -> list[Transition]:
        """Judges one device anew at an opening."""
        if known.withdrawn:
            return []
        rule, state = compiled.rule, self._engine.instance(compiled.rule.name, device_id)
        transitions = self._engine.come_to(opening, state, rule, now) if state else []
        state = self._engine.instance(rule.name, device_id)
        if state and state.last_ts and state.last_ts >= opening.now:
            # A sample has brought it to light already, and says more than what was known before.
            return transitions
        new = _evaluate_at_opening(compiled, state.phase if state else Phase.NORMAL, known, opening.now)
        return transitions + self._engine.advance(rule, device_id, new, now) if new else transitions


def _missed(compiled: CompiledRule, known: Known, up_to: datetime) -> Iterator[datetime]:
    """The openings since something was last known of the device, as long as that still counts."""
    since = _since(compiled, known)
    if compiled.rule.schedule and since is not None:
        gap = compiled.rule.max_gap_pending
        yield from compiled.rule.schedule.openings(since, up_to if gap is None else min(up_to, since + gap))


def _evaluate_at_opening(compiled: CompiledRule, phase: Phase, known: Known, opened: datetime) -> NewVerdict | None:
    """The verdict of what is known at an opening; None where it says nothing."""
    since, rule = _since(compiled, known), compiled.rule
    if since is None or since >= opened or (rule.max_gap_pending is not None and opened - since > rule.max_gap_pending):
        return None
    verdict = _verdict(compiled, phase, known, since)
    if verdict is None:
        return None
    names = rule.compared_fields | rule.placeholders
    values = {name: value for name, value in sorted(known.values.items()) if name in names}
    told = {"ts": since.isoformat(), "values": values, "opened_at": opened.isoformat()}
    return NewVerdict(opened, verdict, Reason.SCHEDULE, told, seen=since)


def _since(compiled: CompiledRule, known: Known) -> datetime | None:
    rule = compiled.rule
    if rule.is_instantaneous or rule.repeat_conditions:
        return None
    if not rule.is_set_by_event:
        return known.last_ts
    return max((known.event_ts[name] for name in rule.event_verdicts if name in known.event_ts), default=None)


def _verdict(compiled: CompiledRule, phase: Phase, known: Known, since: datetime) -> Verdict:
    if not compiled.rule.is_set_by_event:
        test = compiled.when if phase is Phase.NORMAL else compiled.holding
        return test(known.values) if test else None
    held = any(verdict and known.event_ts.get(name) == since for name, verdict in compiled.rule.event_verdicts.items())
    measured = compiled.holding if known.last_ts is not None and known.last_ts > since else None
    return held and not (measured and measured(known.values) is False)
