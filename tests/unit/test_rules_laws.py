"""Laws for every rule and every course of events."""

from dataclasses import replace
from datetime import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from devices.kind import Flag, Gauge, Interval
from laws import examples
from rules.analysis.backtest import collect_alerts
from rules.derived.rate import Rate
from rules.derived.repeats import RepeatedCondition, RepeatedEvents
from rules.derived.unchanged import Unchanged
from rules.derived.window import WindowAggregate
from rules.model.calendar import Calendar
from rules.model.condition import Any, Compare, Happens
from rules.model.rule import OnClose, Phase, Unknown
from rules.model.sample import LATENESS
from tests.unit.rules_fixtures.world import (
    COVER,
    DEVICE,
    HIGH,
    LOST,
    LOW_AGAIN,
    MISSING,
    RESTORED,
    World,
    at,
    event,
    minutes,
    outcome,
    rule,
    volts,
)

OPEN = {Phase.ACTIVE, Phase.RECOVERING, Phase.LATCHED}
END = 10_000

delays = st.sampled_from([0, 1, 3, 5]).map(minutes)
measured_ends = st.sampled_from([None, LOW_AGAIN])
field_rules = st.builds(
    rule,
    until=measured_ends,
    on_delay=delays,
    off_delay=delays,
    unknown=st.sampled_from(Unknown),
    latch=st.booleans(),
)
event_rules = st.one_of(
    st.builds(rule, when=st.just(LOST), until=st.sampled_from([RESTORED, LOW_AGAIN, Any((RESTORED, LOW_AGAIN))]),
              on_delay=delays, off_delay=delays, latch=st.booleans()),
    st.builds(rule, when=st.just(Happens(LOST.events, RepeatedEvents(LOST.events, 2, minutes(5)))), until=st.none(),
              on_delay=st.just(minutes(0)), off_delay=delays, latch=st.booleans()),
    st.builds(rule, when=st.just(COVER), until=st.none(), on_delay=st.just(minutes(0)), off_delay=delays,
              latch=st.booleans()),
    st.builds(rule, when=st.just(HIGH), until=st.sampled_from([RESTORED, Any((RESTORED, LOW_AGAIN))]),
              on_delay=delays, off_delay=delays, latch=st.booleans()),
    st.builds(rule, when=st.just(Any((LOST, HIGH, Compare("relay_closed", "equals", False)))), until=measured_ends,
              on_delay=delays, off_delay=delays, latch=st.booleans()),
)  # fmt: skip
VOLTAGE = Gauge("voltage_v", "V", Interval(0, 500), "电压", "voltage")
derived_values = st.sampled_from([
    WindowAggregate(VOLTAGE, "minimum", minutes(5), minutes(1), minutes(2)),
    WindowAggregate(VOLTAGE, "mean", minutes(12), minutes(1), minutes(7)),
    WindowAggregate(VOLTAGE, "count", minutes(10), minutes(1), minutes(2)),
    Rate(VOLTAGE, minutes(1), minutes(1), minutes(2)),
    Unchanged(VOLTAGE, minutes(3), minutes(1), minutes(2)),
    RepeatedCondition(HIGH, 2, minutes(10)),
])  # fmt: skip
limits = st.tuples(st.sampled_from(["above", "below"]), st.sampled_from([0.0, 4.0, 5.0, 235.0, 242.0]))


def limit_of(derived, limit):
    return ("equals", True) if isinstance(derived.field, Flag) else limit


track_rules = st.builds(
    lambda derived, limit, **rest: rule(when=Compare(derived.field.name, *limit_of(derived, limit), derived), **rest),
    derived_values,
    limits,
    until=measured_ends,
    on_delay=delays,
    off_delay=delays,
    unknown=st.sampled_from(Unknown),
    latch=st.booleans(),
)
unscheduled_rules = st.one_of(field_rules, event_rules, track_rules)
calendars = st.sampled_from([("00:04", "00:11"), ("00:12", "00:03"), ("00:01", "00:00")]).map(
    lambda times: Calendar("some", "某时", "UTC", times=tuple(map(time.fromisoformat, times)))
)
scheduled_rules = st.builds(
    lambda one_rule, calendar, on_close: replace(one_rule, schedule=calendar, on_close=on_close),
    unscheduled_rules,
    calendars,
    st.sampled_from(OnClose),
)
rules = st.one_of(unscheduled_rules, scheduled_rules)

readings = st.sampled_from([245.0, 245.0, 245.0, 240.0, 230.0, 230.0, MISSING])
happenings = st.sampled_from(["power_lost", "power_restored", "cover_opened"])
anything = st.one_of(readings, readings, happenings)
gaps = st.sampled_from([0.5, 1, 1, 1, 2, 2.5, 7])


@st.composite
def courses(draw, contents=anything):
    """Samples in the order of time: readings mostly, and the events that the rules know."""
    minute, samples = 0.0, []
    for gap, content in draw(st.lists(st.tuples(gaps, contents), max_size=25)):
        minute += gap
        samples.append(event(minute, content) if isinstance(content, str) else volts(minute, content))
    return samples


def minute_of(sample):
    return (sample.ts - at(0)) / minutes(1)


def run(one_rule, samples):
    world = World(one_rule)
    world.evaluate(*samples)
    world.tick(END)
    return outcome(world.transitions)


@given(rules, courses(), st.one_of(st.just(range(60)), st.sets(st.integers(0, 60))))
def test_ticks_inserted_anywhere_change_no_transition(one_rule, samples, ticks):
    world = World(one_rule)
    for minute, _, sample in sorted(
        [*((minute_of(s), 1, s) for s in samples), *((tick, 0, None) for tick in ticks)], key=lambda entry: entry[:2]
    ):
        if sample:
            world.evaluate(sample)
        else:
            world.tick(minute)
    world.tick(END)
    assert outcome(world.transitions) == run(one_rule, samples)


@given(rules, courses(), st.data())
def test_duplicates_change_nothing(one_rule, samples, data):
    world = World(one_rule)
    for count, sample in enumerate(samples, 1):
        world.evaluate(sample)
        stored = dict(world.stored)
        # The database knows a duplicate however old it is, the engine alone one within the bound on lateness.
        recent = [one for one in samples[:count] if sample.ts - one.ts <= LATENESS]
        for again in data.draw(st.lists(st.sampled_from(recent), max_size=3)):
            assert world.evaluate(again) == []
        assert world.stored == stored


def stop_and_restore(world, minute):
    """An engine restarted after all due timers, and caught up at once."""
    world.tick(minute)
    assert world.restart(minute=minute) == []
    assert world.tick(minute) == []


@given(rules, courses(), st.sets(st.integers(0, 25)))
def test_stopping_and_restoring_anywhere_gives_the_same_transitions(one_rule, samples, stops):
    world = World(one_rule)
    for count, sample in enumerate(samples):
        if count in stops:
            stop_and_restore(world, minute_of(sample))
        world.evaluate(sample)
    stop_and_restore(world, minute_of(samples[-1]) if samples else 0)
    world.tick(END)
    assert outcome(world.transitions) == run(one_rule, samples)


@given(unscheduled_rules, courses(), st.sets(st.integers(0, 25)))
def test_whatever_comes_due_while_nothing_runs_the_next_sample_brings_to_light(one_rule, samples, stops):
    samples = [*samples, volts(END, MISSING)]
    world = World(one_rule)
    for count, sample in enumerate(samples):
        if count in stops:
            assert world.restart(minute=minute_of(sample)) == []
            world.tick(minute_of(sample))
        world.evaluate(sample)
    world.tick(END)
    assert outcome(world.transitions) == run(one_rule, samples)


@given(rules, courses(), st.sets(st.integers(0, 25)))
def test_at_most_one_alert_is_open_and_none_comes_twice(one_rule, samples, closed_at):
    world = World(one_rule)
    for count, sample in enumerate(samples):
        world.evaluate(sample)
        if count in closed_at:
            world.close(minute_of(sample))
    opened = [
        transition
        for transition in world.transitions
        if transition.to_phase in OPEN and transition.from_phase not in OPEN
    ]
    assert [transition.sequence for transition in opened] == list(range(1, len(opened) + 1))
    assert len({transition.alert_id for transition in opened}) == len(opened)
    for before, after in pairwise(world.transitions):
        assert before.to_phase is after.from_phase
        if before.to_phase in OPEN:
            assert after.alert_id == before.alert_id


@given(field_rules, courses(), courses(st.just(MISSING)))
def test_unknown_ends_no_alert(one_rule, samples, unknowns):
    world = World(one_rule)
    last = minute_of(samples[-1]) if samples else 0
    world.evaluate(*samples, *(volts(last + minute, 245) for minute in range(1, 10)))
    assert world.phase() == "active"
    world.evaluate(*(volts(last + 10 + minute_of(sample), MISSING) for sample in unknowns))
    world.tick(END)
    assert world.phase() == "active"


@given(field_rules, courses(readings))
def test_an_alert_opens_only_after_uninterrupted_evidence_for_the_whole_delay(one_rule, samples):
    held = {sample.ts: sample.values["voltage_v"] > 242 for sample in samples if sample.values}
    for transition in run(one_rule, samples):
        if transition.to_phase is not Phase.ACTIVE or transition.from_phase not in {Phase.NORMAL, Phase.PENDING}:
            continue
        begin = transition.at
        for ts in sorted((ts for ts in held if ts <= transition.at), reverse=True):
            # A sample at the deadline itself comes after the timer.
            if not held[ts] and ts < transition.at:
                break
            if begin - ts > one_rule.allowed_gap:
                break
            begin = ts if held[ts] else begin
        assert transition.at - begin >= one_rule.on_delay


@given(rules, st.permutations(range(12)), st.data())
def test_alerts_follow_each_other_in_time_whatever_the_order_of_arrival(one_rule, order, data):
    world = World(one_rule)
    for minute in order:
        content = data.draw(st.one_of(readings, happenings))
        world.evaluate(event(minute, content) if isinstance(content, str) else volts(minute, content))
        if data.draw(st.booleans()):
            world.tick(minute + 20)
    alerts = collect_alerts(world.transitions)
    times = [ts for alert in alerts for ts in (alert.opened_at, alert.ended_at) if ts]
    assert times == sorted(times)
    assert sum(alert.ended_at is None for alert in alerts) <= 1


@examples(25)
@given(rules, courses())
def test_the_same_course_gives_the_same_transitions_for_every_device(one_rule, samples):
    world = World(one_rule)
    world.evaluate(*(sample._replace(device_id=id_) for sample in samples for id_ in (DEVICE.id, 8, 9)))
    world.tick(END)
    by_device = [
        [
            (transition.from_phase, transition.to_phase, transition.at, transition.sequence)
            for transition in world.transitions
            if transition.device_id == id_
        ]
        for id_ in (DEVICE.id, 8, 9)
    ]
    assert by_device[0] == by_device[1] == by_device[2]


@given(derived_values.filter(lambda derived: getattr(derived, "how", "") in {"minimum", "mean"}), courses(readings))
def test_a_gap_never_satisfies_a_window(derived, samples):
    for transition in run(rule(when=Compare(derived.field.name, "above", 0.0, derived), on_delay=minutes(0)), samples):
        if transition.to_phase is Phase.ACTIVE and transition.from_phase is Phase.NORMAL:
            seen = [s.ts for s in samples if s.values and s.ts <= transition.at]
            covered = [ts for ts in seen if ts >= transition.at - derived.length]
            outside = [ts for ts in seen if ts <= transition.at - derived.length]
            assert outside
            assert all(later - earlier <= derived.gap for earlier, later in pairwise([outside[-1], *covered]))
