"""The state machine of one instance: one rule on one device.

`step` applies one input to it: a verdict, the time, a decision of a person. It is pure: no clock, no I/O, no texts. All
times are event times, except for no-data rules, which run by arrival time. The reasons are in
`docs/decisions/0003-rule-timers-in-event-time.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from rules.engine.chattering import NO_CHATTER, Chatter, count_alert, extended_off_delay
from rules.model.condition import Verdict
from rules.model.rule import OPEN_PHASES, OnClose, Phase, Rule, Severity, Unknown
from rules.model.sample import LATENESS, lateness


class Reason(StrEnum):
    """Cause of a transition; `rewound`, `reordered` and `revoked` are in `docs/decisions/0015-order-of-arrival.md`."""

    CONDITION = "condition"
    TIMER = "timer"
    EVENT = "event"
    NO_DATA = "silence"
    ARRIVAL = "arrival"
    SCHEDULE = "schedule"
    PARENT = "parent"
    MERGED = "merged"
    RECOUNTED = "recounted"
    SERVICE = "service"
    REWORDED = "reworded"
    RESOLVED = "resolved"
    RULE_CHANGED = "rule_changed"
    REWOUND = "rewound"
    REORDERED = "reordered"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class InstanceState:
    """State of one instance.

    Attributes:
        rule: The rule.
        rule_version: Version of the rule that the state was reached by.
        device_id: The device.
        phase: The phase.
        since: Time of entry into the phase.
        deadline: Time at which the timer of the phase runs out. In the phase active: time at which an alert whose
            parent has cleared is released, that is notified on its own.
        verdict: The latest verdict.
        last_ts: Event time of the latest verdict other than UNKNOWN.
        sequence: Number of alerts so far, with the open one.
        opened_at: Time at which the open alert was raised; None while none is open.
        chatter: Recent alerts, for the detection of chattering.
        parent: Parent alert that suppresses this one: the id of a device group, or of the device itself where another
            alert of the device explains the lack of data.
        text_hash: Hash of severity and texts that the open alert was notified with.
        shadow: Whether the rule was on trial.
        raised_late: Whether the data of a critical alert came beyond the bound on lateness: it is latched at its end.
        revoked: Numbers of alerts that late data have revoked; no other alert gets them.
        inputs: JSON of the latest sample that held the condition and, under `cleared`, of the latest that did not.
    """

    rule: str
    rule_version: str
    device_id: int
    phase: Phase = Phase.NORMAL
    since: datetime | None = None
    deadline: datetime | None = None
    verdict: Verdict = None
    last_ts: datetime | None = None
    sequence: int = 0
    opened_at: datetime | None = None
    chatter: Chatter = NO_CHATTER
    parent: int | None = None
    text_hash: str | None = None
    shadow: bool = False
    raised_late: bool = False
    revoked: tuple[int, ...] = ()
    inputs: Mapping[str, object] = field(default_factory=dict)


class NewVerdict(NamedTuple):
    """A verdict on the condition at event time `ts`, with the JSON of its sample.

    `sample_ts` is the time of the sample if it is earlier: a calendar has opened since.
    """

    ts: datetime
    verdict: Verdict
    reason: Reason
    sample: Mapping[str, object]
    sample_ts: datetime | None = None


class Tick(NamedTuple):
    """Time has come to `now`, and everything received by then has been evaluated.

    `resumed_at` is the time at which ingest caught up, after a start or a pause. A deadline before it needs a sample
    since then. It is None where a sample itself is the reason for the tick.
    """

    now: datetime
    resumed_at: datetime | None = None


class Close(NamedTuple):
    """A person has closed the alert."""

    now: datetime


class PhaseChange(NamedTuple):
    """A change of phase at the event time `at`, with the state after it."""

    from_phase: Phase
    at: datetime
    reason: Reason
    state: InstanceState


class ParentCleared(NamedTuple):
    """The parent alert of an alert has cleared.

    The alert is released at `until`: from then on it is notified on its own. None cancels the release.
    """

    until: datetime | None


class ParentRaised(NamedTuple):
    """Another alert, raised at `at`, suppresses the alert: that of the device group or of the device `parent`."""

    parent: int
    at: datetime


class Recount(NamedTuple):
    """More devices of a group are affected at `now` than the open alert says; `values` are the new numbers."""

    values: Mapping[str, object]
    now: datetime


class Withdrawal(NamedTuple):
    """The device is withdrawn, that is being commissioned or retired: no rule applies to it."""

    now: datetime


Input = NewVerdict | Tick | Close | ParentCleared | ParentRaised | Recount | Withdrawal
Outcome = tuple[InstanceState, tuple[PhaseChange, ...]]


def step(rule: Rule, state: InstanceState, new: Input) -> Outcome:
    """Apply one input to an instance.

    The verdict of a sample depends on the phase that it finds. The caller therefore applies a tick of the sample's time
    before it evaluates the sample. So the outcome does not depend on when, or how often, the engine ticks.

    Returns:
        The state after the input, and the phase changes on the way to it.
    """
    match new:
        case Tick():
            return _advance_time(rule, state, new)
        case Close(now):
            return _close(rule, state, now)
        case Withdrawal(now):
            if state.phase is Phase.NORMAL:
                return state, ()
            return _enter(replace(state, verdict=None), Phase.NORMAL, now, Reason.SERVICE)
        case ParentCleared() | ParentRaised() | Recount():
            return _update(state, new)
        case NewVerdict():
            return _apply_verdict(rule, state, new)


def _apply_verdict(rule: Rule, state: InstanceState, new: NewVerdict) -> Outcome:
    late = state.last_ts is not None and new.ts < state.last_ts
    if late and (new.reason is Reason.CONDITION or (new.reason is Reason.EVENT and not new.verdict)):
        # Older than the latest evidence, it is no evidence of the present. An event of `when` must not get lost.
        return state, ()
    if rule.is_instantaneous and new.verdict and state.phase is Phase.RECOVERING:
        return _recur(rule, state, new), ()
    state, changes = _change_phase(rule, state, new)
    if rule.is_instantaneous and new.verdict:
        state, more = _change_phase(rule, state, new._replace(verdict=False))
        changes += more
    return state, changes


def _recur(rule: Rule, state: InstanceState, new: NewVerdict) -> InstanceState:
    """Return the state after one more event of the same alert: its end moves, and nothing else changes for a person."""
    again = _record(rule, _record(rule, state, new), new._replace(verdict=False))
    due = new.ts + delay_of(rule, again, Phase.RECOVERING)
    if state.deadline is not None and due <= state.deadline:
        return again
    return replace(again, since=new.ts, deadline=due)


def _change_phase(rule: Rule, state: InstanceState, new: NewVerdict) -> Outcome:
    updated, verdict = _record(rule, state, new), new.verdict
    outcome: Outcome = updated, ()
    match state.phase:
        case Phase.NORMAL:
            outcome = _start(rule, updated, new, Phase.PENDING) if verdict else (state, ())
        case Phase.PENDING if verdict:
            outcome = _sustain(rule, state, updated, new)
        case Phase.PENDING if verdict is False or rule.unknown is Unknown.RESET:
            outcome = _enter(updated, Phase.NORMAL, new.ts, new.reason)
        case Phase.ACTIVE if verdict is False:
            outcome = _start(rule, updated, new, Phase.RECOVERING)
        case Phase.RECOVERING if verdict is False:
            outcome = _sustain(rule, state, updated, new)
        case Phase.RECOVERING | Phase.LATCHED if verdict:
            outcome = _enter(updated, Phase.ACTIVE, new.ts, new.reason)
        case Phase.MUTED if verdict and new.reason is Reason.EVENT:
            # A person closed the alert of an earlier event; this is another one.
            outcome = _start(rule, updated, new, Phase.PENDING)
        case Phase.MUTED if verdict is False:
            outcome = _enter(updated, Phase.NORMAL, new.ts, new.reason)
        case Phase.LATCHED | Phase.MUTED:
            outcome = state, ()
    return outcome


def _record(rule: Rule, state: InstanceState, new: NewVerdict) -> InstanceState:
    """Return the state with the new verdict, in the same phase."""
    if new.verdict is None:
        return state if state.verdict is None else replace(state, verdict=None)
    inputs = {name: part for name, part in state.inputs.items() if name != "cleared"}
    if not new.verdict:
        inputs["cleared"] = new.sample
    elif not rule.is_set_by_event or new.reason in {Reason.EVENT, Reason.SCHEDULE}:
        # The data of an event stay in the inputs while telemetry merely confirms it.
        inputs = dict(new.sample)
    sample_ts = new.sample_ts or new.ts
    last_ts = sample_ts if state.last_ts is None else max(sample_ts, state.last_ts)
    return replace(state, verdict=new.verdict, last_ts=last_ts, inputs=inputs)


def _start(rule: Rule, updated: InstanceState, new: NewVerdict, waiting: Phase) -> Outcome:
    """Start the timer of the phase `waiting`, or pass the phase where the rule has no delay."""
    delay = delay_of(rule, updated, waiting)
    if not delay:
        return _complete(rule, updated, waiting, new.ts, new.reason)
    return _enter(updated, waiting, new.ts, new.reason, delay)


def _sustain(rule: Rule, state: InstanceState, updated: InstanceState, new: NewVerdict) -> Outcome:
    """Apply one more sample to a running timer: it goes on, restarts after a gap, or runs out."""
    gap = _gap(rule, state.phase)
    if state.deadline is None or state.last_ts is None:
        raise ValueError(f"{state.rule} on device {state.device_id} is {state.phase} without a timer: restore it anew")
    if gap is not None and new.ts - state.last_ts > gap:
        return replace(updated, since=new.ts, deadline=new.ts + delay_of(rule, state, state.phase)), ()
    if state.verdict is not None:
        return updated, ()
    if rule.unknown is Unknown.PAUSE:
        return replace(updated, deadline=state.deadline + (new.ts - state.last_ts)), ()
    if new.ts >= state.deadline:
        return _complete(rule, updated, state.phase, new.ts, new.reason)
    return updated, ()


def closes_at(rule: Rule, state: InstanceState) -> datetime | None:
    """Return the time at which the calendar closes on the instance; None where closing changes nothing."""
    closing = {Phase.PENDING} if rule.on_close is OnClose.HOLD else {Phase.PENDING, Phase.ACTIVE, Phase.RECOVERING}
    if rule.schedule is None or state.since is None or state.phase not in closing:
        return None
    span = rule.schedule.span(state.since)
    return span.end if span.open else state.since


def _advance_time(rule: Rule, state: InstanceState, new: Tick) -> Outcome:
    """Advance the time to a tick: the timer runs out and the calendar closes, in the order of time."""
    closing = closes_at(rule, state)
    if closing is None or new.now < closing:
        return _run_out_timer(rule, state, new)
    if state.deadline is not None and state.deadline < closing:
        advanced, changes = _run_out_timer(rule, state, new)
        if changes:
            advanced, more = _advance_time(rule, advanced, new)
            return advanced, changes + more
    unknown = replace(state, verdict=None)
    if state.phase is Phase.PENDING:
        return _enter(unknown, Phase.NORMAL, closing, Reason.SCHEDULE)
    return _complete(rule, unknown, Phase.RECOVERING, closing, Reason.SCHEDULE)


def _run_out_timer(rule: Rule, state: InstanceState, new: Tick) -> Outcome:
    """Let the timer run out if its deadline has passed and its verdict held without a gap until then."""
    if state.phase is Phase.ACTIVE and state.deadline and new.now >= state.deadline:
        return _enter(replace(state, parent=None), Phase.ACTIVE, state.deadline, Reason.PARENT)
    due, last = state.deadline, state.last_ts
    if due is None or last is None or new.now < due or state.verdict is not (state.phase is Phase.PENDING):
        return state, ()
    gap = _gap(rule, state.phase)
    if gap is not None and (due - last > gap or (new.resumed_at and due < new.resumed_at)):
        return state, ()
    return _complete(rule, state, state.phase, due, Reason.TIMER)


def _complete(rule: Rule, state: InstanceState, waiting: Phase, at: datetime, reason: Reason) -> Outcome:
    """Enter the phase that follows `waiting`: active after pending, latched or normal after recovering."""
    if waiting is Phase.PENDING:
        at = not_before(state, at)
        opened = replace(
            state,
            sequence=_next_sequence(state),
            opened_at=at,
            chatter=count_alert(state.chatter, at),
            text_hash=rule.text_hash,
            raised_late=rule.severity is Severity.CRITICAL and not rule.no_data and lateness(state.inputs) > LATENESS,
        )
        return _enter(opened, Phase.ACTIVE, at, reason)
    return _enter(state, Phase.LATCHED if rule.latch or state.raised_late else Phase.NORMAL, at, reason)


def _next_sequence(state: InstanceState) -> int:
    sequence = state.sequence + 1
    while sequence in state.revoked:
        sequence += 1
    return sequence


def _update(state: InstanceState, new: ParentCleared | ParentRaised | Recount) -> Outcome:
    """Update what suppresses an alert, or the numbers that it quotes; the phase stays."""
    if isinstance(new, ParentCleared):
        return (state if state.parent is None else replace(state, deadline=new.until)), ()
    if isinstance(new, Recount):
        counted = replace(state, inputs={**state.inputs, "values": new.values})
        return counted, (PhaseChange(state.phase, not_before(state, new.now), Reason.RECOUNTED, counted),)
    merged = replace(state, parent=new.parent, deadline=None if state.phase is Phase.ACTIVE else state.deadline)
    return merged, (PhaseChange(state.phase, not_before(state, new.at), Reason.MERGED, merged),)


def _close(rule: Rule, state: InstanceState, now: datetime) -> Outcome:
    """Close the alert by hand. While its condition holds it is muted, unless people could be hurt."""
    if state.opened_at is None:
        return state, ()
    is_muted = state.phase is Phase.ACTIVE and rule.severity is not Severity.CRITICAL
    return _enter(state, Phase.MUTED if is_muted else Phase.NORMAL, now, Reason.RESOLVED)


def new_instance(rule: Rule, device_id: int) -> InstanceState:
    """Return the state of an instance without any input so far."""
    return InstanceState(rule.name, rule.version, device_id, shadow=rule.shadow)


def _enter(state: InstanceState, phase: Phase, at: datetime, reason: Reason, delay: timedelta | None = None) -> Outcome:
    at = not_before(state, at)
    stays_open = phase in OPEN_PHASES
    entered = replace(
        state,
        phase=phase,
        since=at,
        deadline=None if delay is None else at + delay,
        opened_at=state.opened_at if stays_open else None,
        parent=state.parent if stays_open else None,
    )
    return entered, (PhaseChange(state.phase, at, reason, entered),)


def not_before(state: InstanceState, at: datetime) -> datetime:
    """Return `at`, or the time of the phase if `at` is earlier: an instance never moves back in time.

    A late sample can be older than a timer that has run out.
    """
    return at if state.since is None else max(at, state.since)


def delay_of(rule: Rule, state: InstanceState, waiting: Phase) -> timedelta:
    """Return the time that an instance spends in the phase `waiting`, pending or recovering."""
    return rule.on_delay if waiting is Phase.PENDING else extended_off_delay(rule.off_delay, state.chatter)


def _gap(rule: Rule, waiting: Phase) -> timedelta | None:
    return rule.max_gap_pending if waiting is Phase.PENDING else rule.max_gap_recovering
