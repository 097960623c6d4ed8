"""Backtest of a rule pack: the same decisions as live, with fewer ticks."""

from datetime import timedelta

from hypothesis import given

from laws import examples
from rules.analysis.backtest import Arrival, Span, backtest, replay
from rules.engine.engine import Engine
from rules.model.rule import RulePack
from tests.unit.rules_fixtures.world import (
    DEVICE,
    RESTORED,
    START,
    at,
    event,
    event_rule,
    no_data_rule,
    outcome,
    rule,
    telemetry,
    volts,
)
from tests.unit.test_rules_laws import courses, rules

KIND = DEVICE.kind


def arrivals(samples):
    return [Arrival(KIND, sample) for sample in samples]


def replayed(pack, samples, end, paused=()):
    engine = Engine(pack, START, lambda _: DEVICE)
    return list(replay(engine, arrivals(samples), Span(START, at(end)), paused))


def run(samples, *of, end=600, paused=()):
    result = backtest(RulePack(of), arrivals(samples), Span(START, at(end)), {DEVICE.id: DEVICE}, paused)
    return [(alert.rule, (alert.opened_at - START).seconds // 60) for alert in result.alerts]


@examples(25)
@given(rules, courses())
def test_a_replay_gives_the_same_as_a_tick_in_every_second(one_rule, samples):
    pack, end = RulePack((one_rule, no_data_rule())), 240
    live, transitions = Engine(pack, START, lambda _: DEVICE), []
    seconds = [(START + timedelta(seconds=second), 0, None) for second in range(end * 60 + 1)]
    for now, _, sample in sorted([*seconds, *((s.received_at, 1, s) for s in samples)], key=lambda entry: entry[:2]):
        transitions += live.evaluate(sample, KIND, now) if sample else live.tick(now, caught_up=True)
    assert outcome(replayed(pack, samples, end)) == outcome(transitions)


def test_missing_data_raises_an_alert_even_without_data_of_other_devices():
    assert run([volts(0, 230)], no_data_rule()) == [("meter_silent", 50)]
    assert run([volts(0, 230), volts(300, 230)], no_data_rule()) == [("meter_silent", 50), ("meter_silent", 350)]


def test_missing_data_does_not_count_while_ingest_was_paused():
    pause = Span(at(10), at(200))
    assert run([volts(0, 230), volts(205, 230)], no_data_rule(), end=240, paused=[pause]) == []
    assert run([volts(0, 230)], no_data_rule(), end=260, paused=[pause]) == [("meter_silent", 250)]


def test_decisions_after_the_last_sample_count_until_the_end():
    high = [volts(minute, 245) for minute in range(10)]
    assert run(high, rule(), end=60) == [("voltage_high", 10)]
    assert run(high, rule(), end=9.5) == []


def test_an_alert_has_its_end_and_the_result_its_samples_and_devices():
    samples = [volts(minute, 245 if 5 <= minute < 20 else 230) for minute in range(40)]
    result = backtest(RulePack((rule(),)), arrivals(samples), Span(START, at(40)), {DEVICE.id: DEVICE})
    [alert] = result.alerts
    assert (alert.opened_at, alert.ended_at, alert.raised_at) == (at(15), at(25), at(15))
    assert (result.samples, result.device_ids) == (40, {DEVICE.id})
    assert alert.lasted(at(40)) == at(25) - at(15)
    assert alert.lasted(at(18)) == at(18) - at(15)


def test_a_released_alert_counts_from_its_release():
    mains_lost = event_rule(until=RESTORED, explains_silence=True)
    samples = [volts(0, 230), event(10, "power_lost"), event(300, "power_restored")]
    result = backtest(
        RulePack((mains_lost, no_data_rule())), arrivals(samples), Span(START, at(400)), {DEVICE.id: DEVICE}
    )
    [_, silence] = result.alerts
    assert (silence.suppressed, silence.opened_at) == (False, at(50))
    assert at(320) < silence.raised_at < at(321)


def test_late_samples_raise_nothing_as_live():
    late = [telemetry(minute, delay=100, voltage_v=245) for minute in range(1, 30)]
    assert run(sorted([volts(60, 230), *late], key=lambda sample: sample.received_at), rule()) == []


def test_an_event_is_an_alert_of_its_own():
    assert run([event(3, "power_lost")], event_rule()) == [("power_lost", 3)]
