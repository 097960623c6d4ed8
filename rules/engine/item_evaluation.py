"""Evaluation of the items of a device in the order of event time: telemetry, events, and the openings between them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from devices.device import Device
from devices.kind import Value
from rules.derived.pipeline import compare_submeters, derive
from rules.derived.repeats import EVENT
from rules.engine.compiled import CompiledRule
from rules.engine.device_state import LiveState, last_values, merge_values
from rules.engine.instances import Instances
from rules.engine.schedule import KnownData, missed_openings, verdict_at_opening
from rules.engine.state_machine import InstanceState, NewVerdict, Reason, Tick, closes_at
from rules.engine.transition import Apply, Transition, describe_sample
from rules.model.condition import Verdict
from rules.model.rule import Phase, Rule
from rules.model.sample import Sample
from rules.model.submeters import SubMeters


class ItemEvaluation(NamedTuple):
    """The evaluation of items; it writes the states that it is given, and the instances through `apply`.

    Attributes:
        instances: The instances of the rules.
        live: The states of all devices.
        devices: Returns a registered device by its id.
        submeters_of: Returns the household meters below a master meter by its id.
        apply: Applies an input to an instance.
    """

    instances: Instances
    live: Mapping[int, LiveState]
    devices: Callable[[int], Device]
    submeters_of: Callable[[int], SubMeters | None]
    apply: Apply

    def evaluate(self, item: Sample, state: LiveState, now: datetime) -> list[Transition]:
        """Evaluate the item that follows all earlier ones of its device, and update the state of the device."""
        rules, values = state.rules, item.values
        if item.event is not None:
            return self.evaluate_event(item, rules.events.get(item.event, ()), state, now)
        if rules.observers.of_telemetry:
            state.derived, values = derive(rules.observers, state.derived, item.ts, values, state.replacements)
            if rules.balances and (submeters := self.submeters_of(item.device_id)):
                meters = (self.live.get(meter) for meter in submeters.meters)
                states = [meter.derived for meter in meters if meter is not None and meter.derived]
                state.derived, balances = compare_submeters(rules.balances, submeters, states, state.derived, item)
                values = {**values, **balances}
        transitions = self.evaluate_telemetry(item, values, state, now)
        state.last_ts = item.ts
        if rules.retained_fields:
            state.retained_values = merge_values(rules.retained_fields, item.values, state.retained_values)
        return transitions

    def evaluate_telemetry(
        self, item: Sample, values: Mapping[str, Value], state: LiveState, now: datetime
    ) -> list[Transition]:
        """Evaluate telemetry by its own values and its derived values."""
        rules = state.rules
        transitions: list[Transition] = []
        if rules.scheduled:
            transitions += self._make_up_openings(rules.scheduled, item, KnownData.of(state), now)
        instances = self.instances.of(item.device_id)
        for name, when, compiled in rules.telemetry:
            instance = instances.get(name)
            if instance is not None and (instance.deadline is not None or compiled.rule.schedule):
                transitions += self.advance_time(Tick(item.ts), instance, compiled.rule, now)
                instance = instances.get(name)
            verdict: Verdict
            if instance is None or instance.phase is Phase.NORMAL:
                if when is None or when(values) is not True:
                    continue
                verdict = True
            else:
                test = compiled.while_pending if instance.phase is Phase.PENDING else compiled.while_open
                if test is None:
                    continue
                verdict = test(values)
                if not (verdict or compiled.telemetry_ends or instance.phase is Phase.PENDING):
                    continue
            rule = compiled.rule
            if rule.schedule and not rule.schedule.is_open(item.ts):
                continue
            inputs = describe_sample(rule, item._replace(values=values), last_values(state))
            transitions += self.apply(rule, item.device_id, NewVerdict(item.ts, verdict, Reason.CONDITION, inputs), now)
        return transitions

    def evaluate_event(
        self, item: Sample, concerned: Iterable[Rule], state: LiveState, now: datetime
    ) -> list[Transition]:
        """Evaluate an event by the rules `concerned`; for each of them it must be the newest of its events."""
        event, rules, derived = item.event or "", state.rules, dict[str, Value]()
        if rules.observers.of_events:
            state.derived, derived = derive(rules.observers, state.derived, item.ts, {EVENT: event})
        transitions: list[Transition] = []
        if scheduled := [compiled for compiled in rules.scheduled if event in compiled.rule.event_verdicts]:
            transitions += self._make_up_openings(scheduled, item, KnownData.of(state), now)
        for rule in concerned:
            required = rule.repeat_conditions.get(event)
            if has_newer_event(rule, item, state) or (required and not any(derived.get(name) for name in required)):
                continue
            instance = self.instances.of(item.device_id).get(rule.name)
            if instance is not None:
                transitions += self.advance_time(Tick(item.ts), instance, rule, now)
            if rule.schedule and not rule.schedule.is_open(item.ts):
                continue
            inputs = describe_sample(rule, item, last_values(state))
            new = NewVerdict(item.ts, rule.event_verdicts[event], Reason.EVENT, inputs)
            transitions += self.apply(rule, item.device_id, new, now)
        newest = state.event_ts.get(event)
        state.event_ts = {**state.event_ts, event: item.ts if newest is None else max(item.ts, newest)}
        return transitions

    def _make_up_openings(
        self, scheduled: Iterable[CompiledRule], item: Sample, known: KnownData, now: datetime
    ) -> list[Transition]:
        """Open the calendars that opened between the last known data of a device and an item of it."""
        transitions: list[Transition] = []
        for opened_at, compiled in missed_openings(scheduled, known, item.ts):
            transitions += self.open(compiled, item.device_id, known, Tick(opened_at), now)
        return transitions

    def open(
        self, compiled: CompiledRule, device_id: int, known: KnownData, opening: Tick, now: datetime
    ) -> list[Transition]:
        """Evaluate a rule on the last known data of a device, as its calendar opens."""
        if known.withdrawn:
            return []
        rule, instance = compiled.rule, self.instances.of(device_id).get(compiled.rule.name)
        transitions = self.advance_time(opening, instance, rule, now) if instance else []
        new = verdict_at_opening(compiled, self.instances.of(device_id).get(rule.name), known, opening.now)
        return transitions + self.apply(rule, device_id, new, now) if new else transitions

    def advance_time(self, time: Tick, instance: InstanceState, rule: Rule, now: datetime) -> list[Transition]:
        """Advance the event time of one instance, before input of that time is applied."""
        closes = closes_at(rule, instance) if rule.schedule else None
        if (instance.deadline is None or instance.deadline > time.now) and (closes is None or closes > time.now):
            return []
        return self.apply(rule, instance.device_id, time, now)


def has_newer_event(rule: Rule, item: Sample, state: LiveState) -> bool:
    """Return whether an event of the rule that is newer than this one has been evaluated."""
    return any(item.ts < state.event_ts[name] for name in rule.event_verdicts if name in state.event_ts)
