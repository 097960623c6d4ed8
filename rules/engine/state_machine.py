"""The heart of the rules: what one verdict, the passing of time or a person does to one instance of a rule.

An instance is one rule on one device. `step` is pure: no clock, no I/O, no texts. All times are event times except for
silence, which is judged on the arrival clock. `docs/decisions/0003-rule-timers-in-event-time.md` gives the reasons.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from rules.engine.chattering import CALM_SO_FAR, Chatter, count, stretched
from rules.model.condition import Verdict
from rules.model.rule import OnClose, Phase, Rule, Unknown


class Reason(StrEnum):
    """What brought a transition about."""

    CONDITION = "condition"
    TIMER = "timer"
    EVENT = "event"
    NO_DATA = "silence"
    ARRIVAL = "arrival"
    SCHEDULE = "schedule"
    PARENT = "parent"
    SERVICE = "service"
    REWORDED = "reworded"
    RESOLVED = "resolved"
    RULE_CHANGED = "rule_changed"


@dataclass(frozen=True, slots=True)
class InstanceState:
    """Where one instance stands.

    `since` is when it came into its phase and `deadline` when its timer runs out. `verdict` is the latest one, and
    `last_ts` the event time of the latest that was not UNKNOWN. `sequence` counts the occurrences, of which one is
    open since `opened_at` or none is, and `chatter` how often of late. `parent` is the number of the family whose
    silence explains the open one, or of the device itself where another alert of it does; once that is over, `deadline`
    is when it has to stand for itself. `words` are those of the rule, as a hash, that the open one was told in.
    `shadow` says that the rule was on trial. `inputs` is JSON: the latest sample that held the condition and, as
    `cleared`, the latest that did not.
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
    chatter: Chatter = CALM_SO_FAR
    parent: int | None = None
    text_hash: str | None = None
    shadow: bool = False
    inputs: Mapping[str, object] = field(default_factory=dict)


class NewVerdict(NamedTuple):
    """A verdict on the condition at event time `ts`, and the JSON of the sample it was reached on.

    `seen` is the time of that sample where it was earlier, that is where a calendar has opened since.
    """

    ts: datetime
    verdict: Verdict
    reason: Reason
    sample: Mapping[str, object]
    seen: datetime | None = None


class Tick(NamedTuple):
    """Time has come to `now`, and everything received until then has been judged.

    `resumed_at` is when we began to see the present, after a start or a standstill. A deadline that had passed by then
    says nothing without a sample since. A sample that itself shows that time has come to it leaves that out.
    """

    now: datetime
    resumed_at: datetime | None = None


class Close(NamedTuple):
    """A person says that the occurrence is over."""

    now: datetime


class PhaseChange(NamedTuple):
    """A change of phase, `at` an event time, into the state `state`."""

    from_phase: Phase
    at: datetime
    reason: Reason
    state: InstanceState


class ParentCleared(NamedTuple):
    """What explained a silence is over: at `until` it stands for itself. None: it is not over after all."""

    until: datetime | None


class Withdrawal(NamedTuple):
    """The device is no longer in service; what it shows concerns nobody."""

    now: datetime


Input = NewVerdict | Tick | Close | ParentCleared | Withdrawal
Outcome = tuple[InstanceState, tuple[PhaseChange, ...]]


def step(rule: Rule, state: InstanceState, new: Input) -> Outcome:
    """Moves one instance on, and says through which phases it went.

    What a sample says depends on the phase that it finds. The caller therefore lets time come to the sample first, by
    a tick, and only then judges it: so the outcome does not depend on when, or how often, time is looked at.
    """
    match new:
        case Tick():
            return _pass(rule, state, new)
        case Close(now):
            return _close(state, now)
        case Withdrawal(now):
            gone = state.phase is not Phase.NORMAL
            return _enter(replace(state, verdict=None), Phase.NORMAL, now, Reason.SERVICE) if gone else (state, ())
        case ParentCleared(until):
            return (state if state.parent is None else replace(state, deadline=until)), ()
        case NewVerdict():
            return _apply_verdict(rule, state, new)


def _apply_verdict(rule: Rule, state: InstanceState, new: NewVerdict) -> Outcome:
    late = state.last_ts is not None and new.ts < state.last_ts
    if late and (new.reason is Reason.CONDITION or (new.reason is Reason.EVENT and not new.verdict)):
        # What was so before the latest evidence says nothing about now; but nothing that happened may get lost.
        return state, ()
    state, changes = _follow(rule, state, new)
    if rule.is_instantaneous and new.verdict:
        state, more = _follow(rule, state, new._replace(verdict=False))
        changes += more
    return state, changes


def _follow(rule: Rule, state: InstanceState, new: NewVerdict) -> Outcome:
    seen, verdict = _see(rule, state, new), new.verdict
    outcome: Outcome = seen, ()
    match state.phase:
        case Phase.NORMAL:
            outcome = _start(rule, seen, new, Phase.PENDING) if verdict else (state, ())
        case Phase.PENDING if verdict:
            outcome = _sustain(rule, state, seen, new)
        case Phase.PENDING if verdict is False or rule.unknown is Unknown.RESET:
            outcome = _enter(seen, Phase.NORMAL, new.ts, new.reason)
        case Phase.ACTIVE if verdict is False:
            outcome = _start(rule, seen, new, Phase.RECOVERING)
        case Phase.RECOVERING if verdict is False:
            outcome = _sustain(rule, state, seen, new)
        case Phase.RECOVERING | Phase.LATCHED if verdict:
            outcome = _enter(seen, Phase.ACTIVE, new.ts, new.reason)
        case Phase.MUTED if verdict and new.reason is Reason.EVENT:
            # A person closed one happening; an event says that it has happened again.
            outcome = _start(rule, seen, new, Phase.PENDING)
        case Phase.MUTED if verdict is False:
            outcome = _enter(seen, Phase.NORMAL, new.ts, new.reason)
        case Phase.LATCHED | Phase.MUTED:
            outcome = state, ()
    return outcome


def _see(rule: Rule, state: InstanceState, new: NewVerdict) -> InstanceState:
    """The state with the verdict noted, in the same phase."""
    if new.verdict is None:
        return state if state.verdict is None else replace(state, verdict=None)
    inputs = {name: part for name, part in state.inputs.items() if name != "cleared"}
    if not new.verdict:
        inputs["cleared"] = new.sample
    elif not rule.is_set_by_event or new.reason in {Reason.EVENT, Reason.SCHEDULE}:
        # What an event told stays in the inputs while measurements merely confirm it.
        inputs = dict(new.sample)
    seen = new.seen or new.ts
    last_ts = seen if state.last_ts is None else max(seen, state.last_ts)
    return replace(state, verdict=new.verdict, last_ts=last_ts, inputs=inputs)


def _start(rule: Rule, seen: InstanceState, new: NewVerdict, waiting: Phase) -> Outcome:
    """Starts the timer of the phase `waiting`, or does without where the rule has no delay."""
    delay = delay_of(rule, seen, waiting)
    if not delay:
        return _complete(rule, seen, waiting, new.ts, new.reason)
    return _enter(seen, waiting, new.ts, new.reason, delay)


def _sustain(rule: Rule, state: InstanceState, seen: InstanceState, new: NewVerdict) -> Outcome:
    """One more sample for a timer that runs: it goes on, begins anew after a gap, or is through at last."""
    gap = _gap(rule, state.phase)
    if state.deadline is None or state.last_ts is None:
        raise ValueError(f"{state.rule} on device {state.device_id} is {state.phase} without a timer: restore it anew")
    if gap is not None and new.ts - state.last_ts > gap:
        return replace(seen, since=new.ts, deadline=new.ts + delay_of(rule, state, state.phase)), ()
    if state.verdict is not None:
        return seen, ()
    if rule.unknown is Unknown.PAUSE:
        return replace(seen, deadline=state.deadline + (new.ts - state.last_ts)), ()
    if new.ts >= state.deadline:
        return _complete(rule, seen, state.phase, new.ts, new.reason)
    return seen, ()


def closes_at(rule: Rule, state: InstanceState) -> datetime | None:
    """When the calendar of the rule closes on the instance, or None where that changes nothing."""
    closing = {Phase.PENDING} if rule.on_close is OnClose.HOLD else {Phase.PENDING, Phase.ACTIVE, Phase.RECOVERING}
    if rule.schedule is None or state.since is None or state.phase not in closing:
        return None
    span = rule.schedule.span(state.since)
    return span.end if span.open else state.since


def _pass(rule: Rule, state: InstanceState, new: Tick) -> Outcome:
    """Lets time come to a tick: the timer runs out, the calendar closes, whichever comes first."""
    closing = closes_at(rule, state)
    if closing is None or new.now < closing:
        return _run_out(rule, state, new)
    if state.deadline is not None and state.deadline < closing:
        onward, changes = _run_out(rule, state, new)
        if changes:
            onward, more = _pass(rule, onward, new)
            return onward, changes + more
    unseen = replace(state, verdict=None)
    if state.phase is Phase.PENDING:
        return _enter(unseen, Phase.NORMAL, closing, Reason.SCHEDULE)
    return _complete(rule, unseen, Phase.RECOVERING, closing, Reason.SCHEDULE)


def _run_out(rule: Rule, state: InstanceState, new: Tick) -> Outcome:
    """Lets the timer run out at its deadline, if it is past and what it waits for held without a gap until then."""
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
    """Enters the phase behind `waiting`, that is behind pending or behind recovering."""
    if waiting is Phase.PENDING:
        at = _not_before(state, at)
        chatter = count(state.chatter, at)
        opened = replace(state, sequence=state.sequence + 1, opened_at=at, chatter=chatter, text_hash=rule.text_hash)
        return _enter(opened, Phase.ACTIVE, at, reason)
    return _enter(state, Phase.LATCHED if rule.latch else Phase.NORMAL, at, reason)


def _close(state: InstanceState, now: datetime) -> Outcome:
    if state.opened_at is None:
        return state, ()
    over = state.phase is not Phase.ACTIVE
    return _enter(state, Phase.NORMAL if over else Phase.MUTED, now, Reason.RESOLVED)


def fresh(rule: Rule, device_id: int) -> InstanceState:
    """An instance of which nothing has been seen yet."""
    return InstanceState(rule.name, rule.version, device_id, shadow=rule.shadow)


def carry_over(rule: Rule | None, state: InstanceState, now: datetime) -> Outcome:
    """An instance under the rules that are in force now; None where its rule is gone.

    With the same logic it stays as it is, and an open occurrence takes over other words. With another it goes back to
    normal; its occurrences stay counted, so that their ids never recur.
    """
    if rule is None or rule.version != state.rule_version:
        return _reset(rule, state, now)
    if state.opened_at is None or state.text_hash == rule.text_hash:
        return state, ()
    reworded = replace(state, text_hash=rule.text_hash)
    change = PhaseChange(state.phase, _not_before(state, now), Reason.REWORDED, reworded)
    return reworded, () if state.text_hash is None else (change,)


def _reset(rule: Rule | None, state: InstanceState, now: datetime) -> Outcome:
    anew = (
        InstanceState(state.rule, state.rule_version, state.device_id) if rule is None else fresh(rule, state.device_id)
    )
    anew = replace(anew, since=now, sequence=state.sequence)
    if state.phase is Phase.NORMAL:
        return anew, ()
    told = replace(anew, inputs=state.inputs, shadow=state.shadow)
    return anew, (PhaseChange(state.phase, now, Reason.RULE_CHANGED, told),)


def _enter(state: InstanceState, phase: Phase, at: datetime, reason: Reason, delay: timedelta | None = None) -> Outcome:
    at = _not_before(state, at)
    open_still = phase in {Phase.ACTIVE, Phase.RECOVERING, Phase.LATCHED}
    entered = replace(
        state,
        phase=phase,
        since=at,
        deadline=None if delay is None else at + delay,
        opened_at=state.opened_at if open_still else None,
        parent=state.parent if open_still else None,
    )
    return entered, (PhaseChange(state.phase, at, reason, entered),)


def _not_before(state: InstanceState, at: datetime) -> datetime:
    """A late sample may be older than a timer that has run out; an instance never moves back in time."""
    return at if state.since is None else max(at, state.since)


def delay_of(rule: Rule, state: InstanceState, waiting: Phase) -> timedelta:
    """How long the instance stays in the phase `waiting`, pending or recovering."""
    return rule.on_delay if waiting is Phase.PENDING else stretched(rule.off_delay, state.chatter)


def _gap(rule: Rule, waiting: Phase) -> timedelta | None:
    return rule.max_gap_pending if waiting is Phase.PENDING else rule.max_gap_recovering
