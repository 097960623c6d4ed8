"""Engine of the rules: passes samples and time to the instances on all devices, and returns their transitions.

The engine holds the state of all instances in memory and does no I/O. Its owner evaluates the samples of a batch, ticks
it about once a second, and stores transitions and drained changes in the transaction of the samples. If that
transaction fails, the owner makes a new engine and restores it from the database. An engine starts paused: until the
first caught-up tick no timer runs out, and no device counts as having no data.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from devices.device import Device
from devices.kind import Value
from rules.derived.pipeline import compare_submeters, derive
from rules.derived.repeats import EVENT
from rules.engine.compiled import CompiledRule, CompiledRules, compile_rules
from rules.engine.device_state import (
    DeviceState,
    LiveState,
    from_stored,
    last_values,
    merge_values,
    to_stored,
    update_withdrawn,
)
from rules.engine.group_count import GroupCounter, rules_by_symptom
from rules.engine.group_suppression import GroupSuppression
from rules.engine.instances import InstanceChanges, Instances
from rules.engine.no_data import NoDataWatch
from rules.engine.schedule import KnownData, Openings, missed_openings, verdict_at_opening
from rules.engine.state_machine import (
    Close,
    Input,
    InstanceState,
    NewVerdict,
    ParentCleared,
    Reason,
    Tick,
    Withdrawal,
    closes_at,
    new_instance,
    step,
)
from rules.engine.timers import Clock, Timer, Timers
from rules.engine.transition import Transition, describe_sample, transition_of
from rules.model.condition import Verdict
from rules.model.device_group import DeviceGroups
from rules.model.rule import Phase, Rule, RulePack
from rules.model.sample import Sample
from rules.model.submeters import SubMeters
from rules.model.virtual_kinds import DEVICE_GROUP

_NO_RULES = compile_rules(())


class Engine:
    """All instances of a rule pack.

    Args:
        pack: The rules in force.
        now: The time of the start. Earlier time does not count towards the lack of data.
        devices: Returns a registered device by its id, for texts and alert ids.
        submeters_of: Returns the household meters below a master meter by its id; None for any other device.
        groups: The device groups; without them there is no group suppression.
        clock: The clock of the engine that this one replaces, with other rules.
        spooled: Returns whether data of a device has arrived that waits to be evaluated: it is not without data.
    """

    def __init__(
        self,
        pack: RulePack,
        now: datetime,
        devices: Callable[[int], Device],
        submeters_of: Callable[[int], SubMeters | None] = lambda _: None,
        *,
        groups: DeviceGroups | None = None,
        clock: Clock | None = None,
        spooled: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._rules = {rule.name: rule for rule in pack.rules}
        self._compiled = {kind: compile_rules(pack.of_kind(kind)) for kind in {rule.kind for rule in pack.rules}}
        self._devices = devices
        self._submeters_of = submeters_of
        self._paused, self._resumed_at, self._ticked_at = clock or Clock(paused=True, resumed_at=now, ticked_at=now)
        self._timers = Timers()
        self._openings = Openings(self._compiled.values(), self._timers, now)
        self._instances = Instances()
        self._live: dict[int, LiveState] = {}
        self._new_values: dict[int, Mapping[str, Value]] = {}
        self._no_data = NoDataWatch(self._live, self._compiled, devices, self._instances, self._timers, spooled=spooled)
        counter = GroupCounter(devices, rules_by_symptom(pack.rules), self._instances, self._no_data)
        self._groups = GroupSuppression(
            groups or DeviceGroups(), self._rules, counter, self._apply, self._evaluate_group, self._resumed_at
        )

    @property
    def clock(self) -> Clock:
        """The clock, for an engine with other rules that replaces this one."""
        return Clock(self._paused, self._resumed_at, self._ticked_at)

    def instance(self, rule_name: str, device_id: int) -> InstanceState | None:
        """Return the state of a rule on a device; None where it is normal and always was."""
        return self._instances.of(device_id).get(rule_name)

    def evaluate(self, sample: Sample, kind_name: str, now: datetime) -> list[Transition]:
        """Evaluate one new sample of a device of that kind; `now` is the time of the decision.

        Telemetry that is not newer than the newest of its device, and an event that is not newer than the newest of its
        name, change nothing.
        """
        rules = self._compiled.get(kind_name, _NO_RULES)
        if rules.for_master_meters is not None and self._submeters_of(sample.device_id):
            rules = rules.for_master_meters
        live = self._live.get(sample.device_id)
        if live is None:
            live = self._live[sample.device_id] = LiveState(withdrawn=self._is_withdrawn(sample.device_id))
            if rules.scheduled:
                self._openings.watch(kind_name, sample.device_id)
        if live.withdrawn:
            rules = _NO_RULES
        if sample.event is not None:
            return self._evaluate_event(sample, sample.event, rules, live, now)
        if live.last_ts is not None and sample.ts <= live.last_ts:
            return []
        values = sample.values
        if rules.observers:
            replacements = self._devices(sample.device_id).replacements
            live.derived, values = derive(rules.observers, live.derived, sample.ts, values, replacements)
            if rules.balances and (submeters := self._submeters_of(sample.device_id)):
                states = [one.derived for meter in submeters.meters if (one := self._live.get(meter)) and one.derived]
                live.derived, balances = compare_submeters(rules.balances, submeters, states, live.derived, sample)
                values = {**values, **balances}
        transitions = self._evaluate_telemetry(sample, values, rules, live, now)
        if rules.no_data_rules and sample.received_at - sample.ts <= rules.freshness:
            transitions += self._end_no_data(sample, rules, live, now)
        live.last_ts = sample.ts
        if rules.retained_fields:
            live.retained_values = merge_values(rules.retained_fields, sample.values, live.retained_values)
        new_values = self._new_values.get(sample.device_id)
        self._new_values[sample.device_id] = {**new_values, **sample.values} if new_values else sample.values
        return transitions

    def _evaluate_telemetry(
        self, sample: Sample, values: Mapping[str, Value], rules: CompiledRules, live: LiveState, now: datetime
    ) -> list[Transition]:
        """Evaluate telemetry by its own values and its derived values."""
        transitions: list[Transition] = []
        if rules.scheduled:
            transitions += self._make_up_openings(rules.scheduled, sample, KnownData.of(live, rules), now)
        states = self._instances.of(sample.device_id)
        for name, when, compiled in rules.telemetry:
            state = states.get(name)
            if state is not None and (state.deadline is not None or compiled.rule.schedule):
                transitions += self._advance_time(Tick(sample.ts), state, compiled.rule, now)
                state = states.get(name)
            verdict: Verdict
            if state is None or state.phase is Phase.NORMAL:
                if when is None or when(values) is not True:
                    continue
                verdict = True
            else:
                test = compiled.while_pending if state.phase is Phase.PENDING else compiled.while_open
                if test is None:
                    continue
                verdict = test(values)
                if not (verdict or compiled.telemetry_ends or state.phase is Phase.PENDING):
                    continue
            rule = compiled.rule
            if rule.schedule and not rule.schedule.is_open(sample.ts):
                continue
            inputs = describe_sample(rule, sample._replace(values=values), last_values(rules.retained_fields, live))
            new = NewVerdict(sample.ts, verdict, Reason.CONDITION, inputs)
            transitions += self._apply(rule, sample.device_id, new, now)
        return transitions

    def _evaluate_event(
        self, sample: Sample, event: str, rules: CompiledRules, live: LiveState, now: datetime
    ) -> list[Transition]:
        concerned = rules.events.get(event, ())
        newest_of_name = live.event_ts.get(event)
        if not concerned or (newest_of_name is not None and sample.ts <= newest_of_name):
            return []
        derived: Mapping[str, Value] = {}
        if rules.observers:
            live.derived, derived = derive(rules.observers, live.derived, sample.ts, {EVENT: event})
        transitions: list[Transition] = []
        if scheduled := [compiled for compiled in rules.scheduled if event in compiled.rule.event_verdicts]:
            transitions += self._make_up_openings(scheduled, sample, KnownData.of(live, rules), now)
        for rule in concerned:
            newest = max((ts for ts in map(live.event_ts.get, rule.event_verdicts) if ts), default=sample.ts)
            required = rule.repeat_conditions.get(event)
            if sample.ts < newest or (required and not any(derived.get(name) for name in required)):
                continue
            state = self.instance(rule.name, sample.device_id)
            if state is not None:
                transitions += self._advance_time(Tick(sample.ts), state, rule, now)
            if rule.schedule and not rule.schedule.is_open(sample.ts):
                continue
            inputs = describe_sample(rule, sample, last_values(rules.retained_fields, live))
            new = NewVerdict(sample.ts, rule.event_verdicts[event], Reason.EVENT, inputs)
            transitions += self._apply(rule, sample.device_id, new, now)
        live.event_ts = {**live.event_ts, event: sample.ts}
        self._new_values.setdefault(sample.device_id, {})
        return transitions

    def _end_no_data(self, sample: Sample, rules: CompiledRules, live: LiveState, now: datetime) -> list[Transition]:
        """End the no-data alerts of a device that has sent a fresh sample."""
        transitions: list[Transition] = []
        states = self._instances.of(sample.device_id)
        for rule, no_data in rules.no_data_rules:
            state = states.get(rule.name)
            if state is not None and state.verdict:
                if sample.received_at - sample.ts > no_data.after:
                    continue
                inputs = describe_sample(rule, sample, last_values(rules.retained_fields, live))
                new = NewVerdict(sample.received_at, False, Reason.ARRIVAL, inputs)
                transitions += self._apply(rule, sample.device_id, new, now)
            elif live.last_arrival is not None:
                continue
            self._timers.add_check(sample.received_at + no_data.after, rule.name, sample.device_id)
        live.last_arrival = sample.received_at
        self._groups.hear(sample.device_id)
        return transitions

    def _evaluate_group(
        self, group_id: int, ts: datetime, values: Mapping[str, Value], now: datetime
    ) -> list[Transition]:
        sample = Sample(group_id, ts, now, values)
        return self._evaluate_telemetry(sample, values, self._compiled[DEVICE_GROUP.name], LiveState(), now)

    def tick(self, now: datetime, caught_up: bool) -> list[Transition]:
        """Advance the time to `now`: timers run out, calendars open, devices without data get an alert.

        Args:
            now: The current time, not before that of any earlier tick.
            caught_up: Whether everything received until now has been evaluated. While it has not, because ingest lags
                or the broker is away, the engine is paused. No-data rules count from the tick that resumes it.
        """
        if not caught_up:
            self._paused = True
            return []
        if self._paused:
            self._paused, self._resumed_at, self._groups.resumed_at = False, now, now
        self._ticked_at = now
        self._no_data.check_due(self._rules, self._resumed_at, now)
        transitions: list[Transition] = []
        for opened_at, compiled, device_ids in self._openings.take(now):
            for device_id in device_ids:
                known = KnownData.of(self._live[device_id], self._compiled[compiled.rule.kind])
                transitions += self._open(compiled, device_id, known, Tick(opened_at, self._resumed_at), now)
        for timer in self._timers.take(now):
            if new := self._input_of(timer, now):
                transitions += self._apply(self._rules[timer.rule], timer.device_id, new, now)
        return transitions + self._groups.tick(now) if self._groups.revisit else transitions

    def _input_of(self, timer: Timer, now: datetime) -> Input | None:
        """Return the input that follows from a timer that is due."""
        if timer.no_data:
            return self._no_data.verdict(self._rules[timer.rule], timer.device_id, self._resumed_at, now)
        has_parent = self._groups.has_parent(self.instance(timer.rule, timer.device_id))
        return ParentCleared(None) if has_parent else Tick(now, self._resumed_at)

    def next_due(self) -> datetime | None:
        """Return the earliest time at which a tick may find work; None while nothing waits."""
        due = self._timers.next_due
        if not self._groups.revisit:
            return due
        return self._ticked_at if due is None else min(self._ticked_at, due)

    def _make_up_openings(
        self, scheduled: Iterable[CompiledRule], sample: Sample, known: KnownData, now: datetime
    ) -> list[Transition]:
        """Open the calendars that opened between the last known data of a device and a sample of it."""
        transitions: list[Transition] = []
        for opened_at, compiled in missed_openings(scheduled, known, sample.ts):
            transitions += self._open(compiled, sample.device_id, known, Tick(opened_at), now)
        return transitions

    def _open(
        self, compiled: CompiledRule, device_id: int, known: KnownData, opening: Tick, now: datetime
    ) -> list[Transition]:
        """Evaluate a rule on the last known data of a device, as its calendar opens."""
        if known.withdrawn:
            return []
        rule, state = compiled.rule, self.instance(compiled.rule.name, device_id)
        transitions = self._advance_time(opening, state, rule, now) if state else []
        new = verdict_at_opening(compiled, self.instance(rule.name, device_id), known, opening.now)
        return transitions + self._apply(rule, device_id, new, now) if new else transitions

    def close(self, rule_name: str, device_id: int, now: datetime, actor: str) -> list[Transition]:
        """End the open alert by the decision of `actor`; return nothing where none is open any more."""
        rule = self._rules.get(rule_name)
        if rule is None:
            return []
        transitions = self._apply(rule, device_id, Close(now), now)
        return [replace(each, inputs={**each.inputs, "resolved_by": actor}) for each in transitions]

    def _advance_time(self, time: Tick, state: InstanceState, rule: Rule, now: datetime) -> list[Transition]:
        """Advance the event time of one instance, before input of that time is applied."""
        closes = closes_at(rule, state) if rule.schedule else None
        if (state.deadline is None or state.deadline > time.now) and (closes is None or closes > time.now):
            return []
        return self._apply(rule, state.device_id, time, now)

    def _apply(self, rule: Rule, device_id: int, new: Input, now: datetime) -> list[Transition]:
        """Apply an input to one instance, keep its new state, and return the transitions."""
        states = self._instances.of(device_id)
        before = states.get(rule.name) or new_instance(rule, device_id)
        after, changes = step(rule, before, new)
        if after is before:
            return []
        self._instances.put(after)
        # A tick may have found the deadline before its evidence was there: set the timer once more.
        if after.deadline and (after.deadline != before.deadline or after.deadline <= self._ticked_at):
            self._timers.add(after.deadline, device_id, rule.name)
        if not changes:
            return []
        if rule.schedule:
            self._timers.add(closes_at(rule, after), device_id, rule.name)
            if rule.no_data and after.phase is Phase.NORMAL and changes[-1].reason is Reason.SCHEDULE:
                self._no_data.check(rule, device_id, self._resumed_at, now)
        device = self._devices(device_id)
        transitions = [transition_of(rule, change, device, now) for change in changes]
        return self._groups.changed(rule, after, transitions, now)

    def update_services(self, now: datetime) -> list[Transition]:
        """Take over from the registry which devices are in service; end the alerts of withdrawn devices."""
        withdrawn, returned = update_withdrawn(self._live, self._is_withdrawn)
        for device_id in returned:
            self._no_data.expect(device_id, self._rules_of(device_id), now)
        transitions: list[Transition] = []
        for device_id in (*withdrawn, *self._groups.removed()):
            for rule in [self._rules[name] for name in self._instances.of(device_id) if name in self._rules]:
                transitions += self._apply(rule, device_id, Withdrawal(now), now)
        return transitions

    def _is_withdrawn(self, device_id: int) -> bool:
        return device_id > 0 and self._devices(device_id).service.is_withdrawn

    def _rules_of(self, device_id: int) -> CompiledRules:
        return self._compiled.get(self._devices(device_id).kind, _NO_RULES)

    def restore(
        self, states: Iterable[InstanceState], devices: Iterable[DeviceState], now: datetime
    ) -> list[Transition]:
        """Take over the stored state, at a start or after a reload.

        The state of a rule that is gone, or has another version, returns to normal. Its open alert ends with the reason
        `rule_changed`. The number of its alerts stays, so that alert ids never recur.
        """
        transitions: list[Transition] = []
        for stored in states:
            rule, device = self._rules.get(stored.rule), self._devices(stored.device_id)
            state, changes = self._instances.restore(rule, stored, now)
            self._groups.load(state)
            self._timers.add(state.deadline, state.device_id, state.rule)
            self._timers.add(closes_at(rule, state) if rule else None, state.device_id, state.rule)
            transitions += [transition_of(rule, change, device, now) for change in changes]
        for device_state in devices:
            device_id, rules = device_state.device_id, self._rules_of(device_state.device_id)
            self._live[device_id] = from_stored(device_state, rules)
            if rules.scheduled:
                self._openings.watch(self._devices(device_id).kind, device_id)
            if device_state.last_arrival is not None:
                self._no_data.expect(device_id, rules, max(device_state.last_arrival, self._resumed_at))
        return transitions

    def drain_device_states(self) -> Iterator[DeviceState]:
        """Yield the state of every device with a new sample since the last call, ordered by id.

        `values` holds only the values since then. Each state is made on demand, because thousands at once leave the
        caches of the processor: take them all before the next sample.
        """
        new_values, self._new_values = self._new_values, {}
        return (
            to_stored(device_id, self._live[device_id], new_values[device_id], self._rules_of(device_id))
            for device_id in sorted(new_values)
        )

    def drain_changes(self) -> InstanceChanges:
        """Return the instance states that changed since the last call, ordered by rule and device."""
        return self._instances.drain()
