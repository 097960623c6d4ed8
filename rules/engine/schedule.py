"""Calendars of rules: an opening evaluates the condition of a rule anew, on the last known values of a device.

Nothing new has been measured at an opening. The last known values count as long as they would without a calendar, that
is for the `gap` of the rule. A delay starts at the opening.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from devices.kind import Value
from rules.engine.compiled import CompiledRule, CompiledRules
from rules.engine.device_state import LiveState, last_values
from rules.engine.state_machine import InstanceState, NewVerdict, Reason
from rules.engine.timers import Opening, Timers
from rules.model.condition import Verdict
from rules.model.rule import Phase


class KnownData(NamedTuple):
    """The last known data of a device: time of the newest telemetry, times of the newest events, retained values."""

    last_ts: datetime | None
    event_ts: Mapping[str, datetime]
    values: Mapping[str, Value]
    withdrawn: bool = False

    @classmethod
    def of(cls, live: LiveState) -> "KnownData":
        """Return the last known data in the state of a device, with the values that the rules retain."""
        return cls(live.last_ts, live.event_ts, last_values(live), live.withdrawn)


class Openings:
    """The next opening of each rule with a calendar, and the devices that it concerns.

    Args:
        compiled: The rules of all kinds.
        timers: Holds the openings.
        now: The time of the start. The engine may have missed the opening of a calendar that is open: it is due again.
    """

    def __init__(self, compiled: Iterable[CompiledRules], timers: Timers, now: datetime) -> None:
        self._timers = timers
        self._scheduled = {each.rule.name: each for rules in compiled for each in rules.scheduled}
        self._devices: dict[str, set[int]] = defaultdict(set)
        for name, each in self._scheduled.items():
            if each.rule.schedule:
                span = each.rule.schedule.span(now)
                timers.add_opening(Opening(span.start if span.open else span.end, name))

    def watch(self, kind: str, device_id: int) -> None:
        """Add a device that has sent data, of a kind with a scheduled rule."""
        self._devices[kind].add(device_id)

    def take(self, now: datetime) -> Iterator[tuple[datetime, CompiledRule, list[int]]]:
        """Yield each opening up to `now` once, with the rule and the devices of its kind."""
        for opening in self._timers.take_openings(now):
            compiled = self._scheduled[opening.rule]
            if compiled.rule.schedule:
                closing = compiled.rule.schedule.span(opening.due).end
                self._timers.add_opening(Opening(compiled.rule.schedule.span(closing).end, opening.rule))
            yield opening.due, compiled, sorted(self._devices[compiled.rule.kind])


def missed_openings(
    scheduled: Iterable[CompiledRule], known: KnownData, up_to: datetime
) -> Iterator[tuple[datetime, CompiledRule]]:
    """Yield the openings since the last known data of a device, while the data still count."""
    for compiled in scheduled:
        since = _last_evidence(compiled, known)
        if compiled.rule.schedule and since is not None:
            gap = compiled.rule.max_gap_pending
            last = up_to if gap is None else min(up_to, since + gap)
            for opened_at in compiled.rule.schedule.openings(since, last):
                yield opened_at, compiled


def verdict_at_opening(
    compiled: CompiledRule, state: InstanceState | None, known: KnownData, opened_at: datetime
) -> NewVerdict | None:
    """Return the verdict on the last known data at an opening.

    Returns:
        None where the data are too old, or a sample from after the opening has been evaluated already.
    """
    if state and state.last_ts and state.last_ts >= opened_at:
        return None
    since, rule = _last_evidence(compiled, known), compiled.rule
    if since is None or since >= opened_at:
        return None
    if rule.max_gap_pending is not None and opened_at - since > rule.max_gap_pending:
        return None
    verdict = _verdict(compiled, state.phase if state else Phase.NORMAL, known, since)
    if verdict is None:
        return None
    names = rule.compared_fields | rule.placeholders
    values = {name: value for name, value in sorted(known.values.items()) if name in names}
    sample = {"ts": since.isoformat(), "values": values, "opened_at": opened_at.isoformat()}
    return NewVerdict(opened_at, verdict, Reason.SCHEDULE, sample, sample_ts=since)


def _last_evidence(compiled: CompiledRule, known: KnownData) -> datetime | None:
    """Return the time of the last data that bear on the rule; None where an event counts only when it happens."""
    rule = compiled.rule
    if rule.is_instantaneous or rule.repeat_conditions:
        return None
    if not rule.is_set_by_event:
        return known.last_ts
    return max((known.event_ts[name] for name in rule.event_verdicts if name in known.event_ts), default=None)


def _verdict(compiled: CompiledRule, phase: Phase, known: KnownData, since: datetime) -> Verdict:
    if not compiled.rule.is_set_by_event:
        test = compiled.when if phase is Phase.NORMAL else compiled.while_open
        return test(known.values) if test else None
    holds = any(verdict and known.event_ts.get(name) == since for name, verdict in compiled.rule.event_verdicts.items())
    test = compiled.while_open if known.last_ts is not None and known.last_ts > since else None
    return holds and not (test and test(known.values) is False)
