"""Runs every rule on every device: routes samples to instances, and keeps their timers.

The engine holds the state in memory and does no I/O. Its owner judges the samples of a batch, ticks it about once a
second, and stores transitions and `drain_changes()` in the transaction of the samples; where that transaction fails,
he makes a new engine and restores it from what is stored. It starts frozen: until the first live tick nothing ripens
by the clock, and nobody counts as silent.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from devices.device import Device, Service
from devices.kind import Value
from rules.derived.pipeline import compare_submeters, derive, from_store, to_store
from rules.derived.repeats import EVENT
from rules.engine.compiled import CompiledRules, compile_rules
from rules.engine.device_state import DeviceState, LiveState, in_use, last_values, latest, settle
from rules.engine.group_suppression import GroupSuppression, last_heard
from rules.engine.instances import InstanceChanges, Instances
from rules.engine.schedule import Known, Openings
from rules.engine.state_machine import (
    Close,
    Input,
    InstanceState,
    NewVerdict,
    ParentCleared,
    Reason,
    Tick,
    Withdrawal,
    carry_over,
    closes_at,
    fresh,
    step,
)
from rules.engine.timers import Clock, Timer, TimerQueue
from rules.engine.transition import Transition, describe_sample, transition_of, transition_of_removed_rule
from rules.engine.wheel import Wheel
from rules.model.condition import Verdict
from rules.model.device_group import DeviceGroups, LastArrival
from rules.model.rule import Phase, Rule, RulePack
from rules.model.sample import Sample
from rules.model.submeters import SubMeters

_NO_RULES = compile_rules(())


class Engine:
    """All instances of a rule pack.

    Args:
        pack: The rules in force.
        now: The time of the start; nobody counts as silent for what came before.
        devices: Finds a registered device by its id, for the words and ids of transitions.
        submeters_of: Finds the household meters below a master meter by its id; None for any other device.
        groups: Who belongs to whom; without it no silence explains another.
        clock: That of an engine with other rules, in whose place this one goes on.
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
    ) -> None:
        self._rules = {rule.name: rule for rule in pack.rules}
        kinds = {rule.kind for rule in pack.rules}
        self._compiled: dict[str, CompiledRules] = {kind: compile_rules(pack.of_kind(kind)) for kind in kinds}
        self._devices = devices
        self._submeters = submeters_of
        self._paused, self._resumed_at, self._ticked_at = clock or Clock(paused=True, resumed_at=now, ticked_at=now)
        self._timers = TimerQueue()
        self._waits = Wheel()
        scheduled = [compiled for rules in self._compiled.values() for compiled in rules.scheduled]
        self._openings = Openings(self, scheduled, now)
        self._instances = Instances()
        self._groups = GroupSuppression(groups or DeviceGroups(), self, self._instances)
        self._live: dict[int, LiveState] = {}
        self._heard: dict[int, Mapping[str, Value]] = {}

    def evaluate(self, sample: Sample, kind_name: str, now: datetime) -> list[Transition]:
        """Judges one new sample of a device of that kind; `now` is the time of the decision.

        Telemetry that is not newer than what was judged of the device, and an event that is not newer than the last
        one of its name, change nothing.
        """
        rules = self._compiled.get(kind_name, _NO_RULES)
        if rules.of_masters is not None and self._submeters(sample.device_id):
            rules = rules.of_masters
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
            live.derived, values = derive(rules.observers, live.derived, sample.ts, values)
            if rules.balances and (submeters := self._submeters(sample.device_id)):
                meters = (self._live.get(meter) for meter in submeters.meters)
                states = [meter.derived for meter in meters if meter is not None and meter.derived]
                live.derived, found = compare_submeters(rules.balances, submeters, states, live.derived, sample)
                values = {**values, **found}
        transitions = self._evaluate_telemetry(sample, values, rules, live, now)
        if rules.no_data_rules and sample.received_at - sample.ts <= rules.freshness:
            transitions += self._arrive(sample, rules, live, now)
        live.last_ts = sample.ts
        if rules.kept:
            live.kept = latest(rules.kept, sample.values, live.kept)
        heard = self._heard.get(sample.device_id)
        self._heard[sample.device_id] = {**heard, **sample.values} if heard else sample.values
        return transitions

    def _evaluate_telemetry(
        self, sample: Sample, values: Mapping[str, Value], rules: CompiledRules, live: LiveState, now: datetime
    ) -> list[Transition]:
        """Judges a sample by its values and those that the tracks have made of it."""
        transitions: list[Transition] = []
        if rules.scheduled:
            seen = sample._replace(values=values)
            transitions += self._openings.catch_up(seen, rules.scheduled, Known.of(live, rules.kept), now)
        states = self._instances.of(sample.device_id)
        for name, when, compiled in rules.telemetry:
            state = states.get(name)
            if state is not None and (state.deadline is not None or compiled.rule.schedule):
                transitions += self.come_to(Tick(sample.ts), state, compiled.rule, now)
                state = states.get(name)
            verdict: Verdict
            if state is None or state.phase is Phase.NORMAL:
                if when is None or when(values) is not True:
                    continue
                verdict = True
            else:
                test = compiled.pending if state.phase is Phase.PENDING else compiled.holding
                if test is None:
                    continue
                verdict = test(values)
                if not (verdict or compiled.ends or state.phase is Phase.PENDING):
                    continue
            if compiled.rule.schedule and not compiled.rule.schedule.is_open(sample.ts):
                continue
            seen = sample._replace(values=values)
            told = describe_sample(compiled.rule, seen, last_values(rules.kept, live))
            new = NewVerdict(sample.ts, verdict, Reason.CONDITION, told)
            transitions += self.advance(compiled.rule, sample.device_id, new, now)
        return transitions

    def _evaluate_event(
        self, sample: Sample, event: str, rules: CompiledRules, live: LiveState, now: datetime
    ) -> list[Transition]:
        concerned = rules.events.get(event, ())
        seen = live.event_ts.get(event)
        if not concerned or (seen is not None and sample.ts <= seen):
            return []
        derived: Mapping[str, Value] = {}
        if rules.observers:
            live.derived, derived = derive(rules.observers, live.derived, sample.ts, {EVENT: event})
        scheduled = [compiled for compiled in rules.scheduled if event in compiled.rule.event_verdicts]
        transitions = self._openings.catch_up(sample, scheduled, Known.of(live, rules.kept), now) if scheduled else []
        for rule in concerned:
            newest = max((ts for ts in map(live.event_ts.get, rule.event_verdicts) if ts), default=sample.ts)
            required = rule.repeat_conditions.get(event)
            if sample.ts < newest or (required and not any(derived.get(gate) for gate in required)):
                continue
            state = self.instance(rule.name, sample.device_id)
            if state is not None:
                transitions += self.come_to(Tick(sample.ts), state, rule, now)
            if rule.schedule and not rule.schedule.is_open(sample.ts):
                continue
            told = describe_sample(rule, sample, last_values(rules.kept, live))
            new = NewVerdict(sample.ts, rule.event_verdicts[event], Reason.EVENT, told)
            transitions += self.advance(rule, sample.device_id, new, now)
        live.event_ts = {**live.event_ts, event: sample.ts}
        self._heard.setdefault(sample.device_id, {})
        return transitions

    def _arrive(self, sample: Sample, rules: CompiledRules, live: LiveState, now: datetime) -> list[Transition]:
        transitions: list[Transition] = []
        states = self._instances.of(sample.device_id)
        for rule, no_data in rules.no_data_rules:
            state = states.get(rule.name)
            if state is not None and state.verdict:
                if sample.received_at - sample.ts > no_data.after:
                    continue
                told = describe_sample(rule, sample, last_values(rules.kept, live))
                new = NewVerdict(sample.received_at, False, Reason.ARRIVAL, told)
                transitions += self.advance(rule, sample.device_id, new, now)
            elif live.last_arrival is not None:
                continue
            self._waits.add(sample.received_at + no_data.after, rule.name, sample.device_id)
        live.last_arrival = sample.received_at
        if self._groups.out:
            self._groups.noticed(self._devices(sample.device_id))
        return transitions

    def tick(self, now: datetime, caught_up: bool) -> list[Transition]:
        """Lets time come to `now`: timers run out, and devices that have not been heard of become silent.

        Args:
            now: The current time, not before that of any earlier tick.
            caught_up: Whether everything that was received until now has been judged. While it is not, because
                ingest lags or the broker is away, timers and no-data checks pause. The next caught-up tick resumes.
        """
        if not caught_up:
            self._paused = True
            return []
        if self._paused:
            self._paused, self._resumed_at = False, now
        self._ticked_at = now
        for name, device_id in self._waits.take(now):
            self._schedule_no_data_check(self._rules[name], device_id, now)
        transitions: list[Transition] = []
        for opened, compiled, devices in self._openings.take(now):
            rules = self._compiled[compiled.rule.kind]
            for device_id in devices:
                known = Known.of(self._live[device_id], rules.kept)
                transitions += self._openings.reopen(compiled, device_id, known, Tick(opened, self._resumed_at), now)
        for timer in self._timers.take(now):
            rule, device_id = self._rules[timer.rule], timer.device_id
            if timer.no_data:
                transitions += self._raise_no_data(rule, device_id, now)
                continue
            again = self._groups.still_holds(self.instance(rule.name, device_id))
            transitions += self.advance(
                rule, device_id, ParentCleared(None) if again else Tick(now, self._resumed_at), now
            )
        return transitions + self._groups.settle(now) if self._groups.revisit else transitions

    def next_due(self) -> datetime | None:
        """The earliest time at which a tick may find something to do; None while nothing waits."""
        waits = (self._timers.next_due, self._waits.next_due, self._openings.next_due)
        due = [each for each in waits if each is not None]
        return min([self._ticked_at, *due] if self._groups.revisit else due, default=None)

    def _schedule_no_data_check(self, rule: Rule, device_id: int, now: datetime) -> None:
        """Looks at the silence at once if it is due, and otherwise when it will be."""
        due = self._no_data_from(rule, device_id, now)
        if due is not None and due <= now:
            self._wake(due, device_id, rule.name, no_data=True)
        elif due is not None:
            self._waits.add(due, rule.name, device_id)

    def _no_data_from(self, rule: Rule, device_id: int, now: datetime) -> datetime | None:
        """When a device will count as silent, or since when; None where it does already, or was never heard.

        Under a calendar it counts from an opening on, and what came before the last one is over.
        """
        live, state = self._live.get(device_id), self.instance(rule.name, device_id)
        if rule.no_data is None or live is None or live.last_arrival is None:
            return None
        if live.withdrawn or (state and state.verdict):
            return None
        due, calendar = max(live.last_arrival, self._resumed_at) + rule.no_data.after, rule.schedule
        if calendar is None:
            return due
        span = calendar.span(now)
        return calendar.opened(max(due, span.start if span.open else span.end))

    def _raise_no_data(self, rule: Rule, device_id: int, now: datetime) -> list[Transition]:
        live, due = self._live[device_id], self._no_data_from(rule, device_id, now)
        if due is None or live.last_arrival is None:
            return []
        heard = Sample(device_id, live.last_ts or live.last_arrival, live.last_arrival, {})
        told = describe_sample(rule, heard, last_values(self._compiled[rule.kind].kept, live))
        return self.advance(rule, device_id, NewVerdict(due, True, Reason.NO_DATA, told), now)

    def _wake(self, due: datetime | None, device_id: int, rule: str, *, no_data: bool = False) -> None:
        if due:
            self._timers.set(Timer(due, device_id, rule, no_data))

    def close(self, rule_name: str, device_id: int, now: datetime, actor: str) -> list[Transition]:
        """Ends the open occurrence because `actor` says so; empty where none is open (any more)."""
        rule = self._rules.get(rule_name)
        if rule is None:
            return []
        closed = self.advance(rule, device_id, Close(now), now)
        return [replace(told, inputs={**told.inputs, "resolved_by": actor}) for told in closed]

    def come_to(self, time: Tick, state: InstanceState, rule: Rule, now: datetime) -> list[Transition]:
        """Lets event time come to one instance, before what belongs to that time is judged."""
        closes = closes_at(rule, state) if rule.schedule else None
        if (state.deadline is None or state.deadline > time.now) and (closes is None or closes > time.now):
            return []
        return self.advance(rule, state.device_id, time, now)

    def advance(self, rule: Rule, device_id: int, new: Input, now: datetime) -> list[Transition]:
        """Moves one instance on, keeps it, and tells what came of it."""
        states = self._instances.of(device_id)
        before = states.get(rule.name) or fresh(rule, device_id)
        after, changes = step(rule, before, new)
        if after is before:
            return []
        self._instances.keep(after)
        # A deadline that a tick has already found unfulfilled is looked at again, now that there is news.
        if after.deadline and (after.deadline != before.deadline or after.deadline <= self._ticked_at):
            self._wake(after.deadline, device_id, rule.name)
        if not changes:
            return []
        if rule.schedule:
            self._wake(closes_at(rule, after), device_id, rule.name)
            if rule.no_data and after.phase is Phase.NORMAL and changes[-1].reason is Reason.SCHEDULE:
                self._schedule_no_data_check(rule, device_id, now)
        device = self._devices(device_id)
        told = [transition_of(rule, change, device, now) for change in changes]
        if rule.explains_silence:
            self._groups.revisit.add(device_id)
        if rule.no_data or rule.explains_children:
            self._groups.noticed(device)
            if rule.no_data and any(each.raises for each in told):
                return self._groups.seek(after, told, device, now)
        return told

    def settle_services(self, now: datetime) -> list[Transition]:
        """Takes over from the registry which devices are in service: what is open on those withdrawn since ends."""
        gone, back = settle(self._live, self._is_withdrawn)
        for device_id in back:
            self._expect(device_id, now)
        named = [(name, number) for number in (*gone, *self._groups.left()) for name in self._instances.of(number)]
        ruled = [(rule, number) for name, number in named if (rule := self._rules.get(name))]
        return [told for rule, number in ruled for told in self.advance(rule, number, Withdrawal(now), now)]

    def _expect(self, device_id: int, since: datetime) -> None:
        """Lets a device be silent as long as it may, from `since` on; after a restart early looks spread the work."""
        for rule, no_data in self._compiled.get(self._devices(device_id).kind, _NO_RULES).no_data_rules:
            early = timedelta(seconds=device_id % (int(no_data.after.total_seconds()) // 3 + 1))
            self._waits.add(since + no_data.after - early, rule.name, device_id)

    def _is_withdrawn(self, device_id: int) -> bool:
        return device_id > 0 and self._devices(device_id).service.is_withdrawn

    def heard(self, device_id: int, since_resumed: bool) -> LastArrival | None:
        """When a device was heard, as silence counts it; None where that says nothing of its family."""
        device = self._devices(device_id)
        no_data_rules = (
            self._compiled.get(device.kind, _NO_RULES).no_data_rules if device.service is Service.IN_SERVICE else ()
        )
        return last_heard(self._live.get(device_id), no_data_rules, self._resumed_at if since_resumed else None)

    @property
    def clock(self) -> Clock:
        """What an engine with other rules, which is to go on in its place, has to know of the time."""
        return Clock(self._paused, self._resumed_at, self._ticked_at)

    def restore(
        self, states: Iterable[InstanceState], devices: Iterable[DeviceState], now: datetime
    ) -> list[Transition]:
        """Takes over what was stored, at a start or after a reload.

        The state of a rule that is gone, or whose logic has another version, returns to normal, and an occurrence that
        was open ends with the reason `rule_changed`. How many occurrences there were is kept, so that ids never recur.
        """
        transitions: list[Transition] = []
        for state in states:
            rule, device = self._rules.get(state.rule), self._devices(state.device_id)
            kept, changes = carry_over(rule, state, now)
            self._instances.restore(kept)
            if kept is not state:
                self._instances.keep(kept)
            self._groups.restored(kept)
            self._wake(kept.deadline, state.device_id, state.rule)
            self._wake(closes_at(rule, kept) if rule else None, state.device_id, state.rule)
            transitions += [
                transition_of(rule, change, device, now) if rule else transition_of_removed_rule(change, device, now)
                for change in changes
            ]
        for stored in devices:
            self._restore_device(stored)
        return transitions

    def _restore_device(self, stored: DeviceState) -> None:
        device_id, kind = stored.device_id, self._devices(stored.device_id).kind
        rules = self._compiled.get(kind, _NO_RULES)
        states = from_store(rules.observers, rules.packed_names, stored.derived)
        self._live[device_id] = in_use(stored, rules.kept, states)
        if rules.scheduled:
            self._openings.watch(kind, device_id)
        if stored.last_arrival is not None:
            self._expect(device_id, max(stored.last_arrival, self._resumed_at))

    def drain_device_states(self) -> Iterator[DeviceState]:
        """What has changed of the devices since the last call, by device; of the values those that came since.

        Each is made when it is asked for, because thousands at once leave the caches; take them before the next sample.
        """
        heard, self._heard = self._heard, {}
        return (self._stored(device_id, heard[device_id]) for device_id in sorted(heard))

    def _stored(self, device_id: int, heard: Mapping[str, Value]) -> DeviceState:
        live, rules = self._live[device_id], self._compiled.get(self._devices(device_id).kind, _NO_RULES)
        derived = to_store(rules.packed_names, live.derived)
        return DeviceState(device_id, live.last_ts, live.last_arrival, live.event_ts, heard, derived)

    def rule(self, name: str) -> Rule | None:
        """The rule of that name, or None."""
        return self._rules.get(name)

    def instance(self, rule_name: str, device_id: int) -> InstanceState | None:
        """Where a rule stands on a device; None where it is normal and always was."""
        return self._instances.of(device_id).get(rule_name)

    def drain_changes(self) -> InstanceChanges:
        """The instance states that changed since the last call, in the order of rule and device."""
        return self._instances.drain()
