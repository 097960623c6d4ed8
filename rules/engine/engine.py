"""Engine of the rules: passes samples and time to the instances on all devices, and returns their transitions.

The engine holds the state of all instances in memory and does no I/O. Its owner evaluates the samples of a batch, ticks
it about once a second, and stores transitions and drained changes in the transaction of the samples. If that
transaction fails, the owner makes a new engine and restores it from the database. An engine starts paused: until the
first caught-up tick no timer runs out, and no device counts as having no data.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from devices.device import Device
from devices.kind import Value
from rules.engine.compiled import CompiledRules, compile_rules
from rules.engine.device_state import DeviceState, LiveState, from_stored, precedes, to_stored, update_withdrawn
from rules.engine.group_count import GroupCounter, rules_by_symptom
from rules.engine.group_suppression import GroupSuppression
from rules.engine.instances import InstanceChanges, Instances
from rules.engine.item_evaluation import ItemEvaluation
from rules.engine.late_items import LateItems
from rules.engine.no_data import NoDataWatch
from rules.engine.reorder import (
    NEVER,
    Checkpoint,
    Journal,
    MemoryJournal,
    Recent,
    Segment,
    in_event_order,
    is_misdated,
    newest_time,
    next_checkpoint,
    split_by_lateness,
    states_by_event_time,
)
from rules.engine.replaying import Replaying
from rules.engine.schedule import KnownData, Openings
from rules.engine.state_machine import (
    Close,
    Input,
    InstanceState,
    ParentCleared,
    Reason,
    Tick,
    Withdrawal,
    closes_at,
    new_instance,
    step,
)
from rules.engine.timers import Clock, Timer, Timers
from rules.engine.transition import Transition, transition_of
from rules.model.device_group import DeviceGroups
from rules.model.rule import Phase, Rule, RulePack
from rules.model.sample import LATENESS, Sample
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
        journal: Receives what a replay needs; None for one in memory.
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
        journal: Journal | None = None,
    ) -> None:
        self._rules = {rule.name: rule for rule in pack.rules}
        self._compiled = {kind: compile_rules(pack.of_kind(kind)) for kind in {rule.kind for rule in pack.rules}}
        self._devices = devices
        self._submeters_of = submeters_of
        self._paused, self._resumed_at, self._ticked_at = clock or Clock(paused=True, resumed_at=now, ticked_at=now)
        self._timers = Timers()
        self._openings = Openings(self._compiled.values(), self._timers, now)
        self._opened_at: dict[str, datetime] = {}
        self._instances = Instances()
        self._live: dict[int, LiveState] = {}
        self._new_values: dict[int, Mapping[str, Value]] = {}
        self._no_data = NoDataWatch(self._live, self._compiled, devices, self._instances, self._timers, spooled=spooled)
        self._journal: Journal = journal or MemoryJournal()
        self._items = ItemEvaluation(self._instances, self._live, devices, submeters_of, self._apply)
        self._late = LateItems(self._items, self._rules)
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

        A late sample takes its place in event time, in an engine with a journal in memory.
        """
        transitions = self.evaluate_next(sample, kind_name, now)
        if transitions is None and isinstance(self._journal, MemoryJournal):
            return self.evaluate_late([sample], kind_name, self._journal.recent(sample.device_id), now)
        return transitions or []

    def evaluate_next(self, sample: Sample, kind_name: str, now: datetime) -> list[Transition] | None:
        """Evaluate one new sample if it follows all others of its device.

        Returns:
            None for a late sample: `evaluate_late` takes it, with the recent items of its device.
        """
        device_id, ts, event = sample.device_id, sample.ts, sample.event
        live = self._live.get(device_id) or self._begin(device_id, kind_name)
        if event is not None and (live.withdrawn or event not in live.rules.events):
            return []
        rules, last_ts, instances = live.rules, live.last_ts, self._instances.of(device_id)
        if (
            (last_ts is not None and ts <= last_ts and (ts < last_ts or event not in rules.raising_events))
            or (event is not None and is_misdated(sample, newest_time(last_ts, live.event_ts.values())))
            or (live.event_ts and precedes(sample, live, rules))
            or (instances and self._late.advanced_to(device_id) > ts)
            or (rules.scheduled and self._opened_at.get(kind_name, ts) > ts)
        ):
            if live.withdrawn or (event is not None and ts == live.event_ts.get(event)):
                return []
            if device_id > 0:
                return None
        return self._evaluate_in_order(sample, live, now)

    def _begin(self, device_id: int, kind_name: str) -> LiveState:
        """Return the state of a device that has not sent anything before."""
        replacements, withdrawn = self._devices(device_id).replacements, self._is_withdrawn(device_id)
        rules = self._rules_for(device_id, kind_name)
        live = self._live[device_id] = LiveState(rules, withdrawn=withdrawn, replacements=replacements)
        if rules.scheduled:
            self._openings.watch(kind_name, device_id)
        return live

    def _evaluate_in_order(self, sample: Sample, live: LiveState, now: datetime) -> list[Transition]:
        """Evaluate a sample that follows all others of its device."""
        device_id, freshness = sample.device_id, live.rules.freshness
        if (live.next_checkpoint is None or sample.ts >= live.next_checkpoint) and device_id > 0:
            live.next_checkpoint = next_checkpoint(sample.ts)
            states = states_by_event_time(self._instances.of(device_id), self._rules)
            self._journal.keep(Checkpoint.of(device_id, live, states), live.next_checkpoint)
        if live.withdrawn:
            live.last_ts, transitions = sample.ts, list[Transition]()
        else:
            transitions = self._items.evaluate(sample, live, now)
        self._journal.add(sample)
        if sample.event is not None:
            self._new_values.setdefault(device_id, {})
            return transitions
        if freshness and not live.withdrawn and sample.received_at - sample.ts <= freshness:
            transitions += self._end_no_data(sample, live, now)
        new_values = self._new_values.get(device_id)
        self._new_values[device_id] = {**new_values, **sample.values} if new_values else sample.values
        return transitions

    def evaluate_late(
        self, samples: Sequence[Sample], kind_name: str, recent: Recent | None, now: datetime
    ) -> list[Transition]:
        """Evaluate samples of one device of which the first is late; `recent` holds its items so far.

        Samples within the bound on lateness take their place in event time. Those beyond it, or without a checkpoint
        before them, are evaluated at their arrival.
        """
        samples = recent.new_among(samples) if recent else samples
        if not samples:
            return []
        device_id, live = samples[0].device_id, self._live[samples[0].device_id]
        newest, raising = newest_time(live.last_ts, live.event_ts.values()), live.rules.raising_events
        placeable, too_late = split_by_lateness(samples, newest, raising)
        until = max(newest or NEVER, self._late.advanced_to(device_id), self._opened_at.get(kind_name, NEVER))
        late = [sample for sample in placeable if sample.ts <= until]
        since = recent.since(min(sample.ts for sample in late)) if recent and late else None
        transitions: list[Transition] = []
        unplaced = too_late if since else [*too_late, *late]
        if recent and since:
            transitions, renewed = self._place(late, since, live, now)
            recent = Recent((renewed, since.checkpoint) if renewed else recent.checkpoints, [*recent.items, *late])
        for sample in unplaced:
            if (newest is None or sample.ts > newest) and not is_misdated(sample, newest):
                transitions += self._evaluate_in_order(sample, live, now)
            else:
                transitions += self._late.evaluate_at_arrival(sample, live, now)
        for sample in in_event_order((each for each in placeable if each.ts > until), raising):
            new = self.evaluate_next(sample, kind_name, now)
            transitions += self.evaluate_late([sample], kind_name, recent, now) if new is None else new
            if recent:
                recent.items.append(sample)
        return transitions

    def evaluate_undated(self, sample: Sample, kind_name: str, now: datetime) -> list[Transition]:
        """Evaluate an item whose own time cannot be used, at its arrival: it counts as a danger alone."""
        device_id = sample.device_id
        if self._is_withdrawn(device_id):
            return []
        live = self._live.get(device_id) or LiveState(self._rules_for(device_id, kind_name))
        return self._late.evaluate_at_arrival(sample, live, now, undated=True)

    def _place(
        self, late: Sequence[Sample], since: Segment, live: LiveState, now: datetime
    ) -> tuple[list[Transition], Checkpoint | None]:
        """Place samples in event time; return the checkpoint that this renews, too. A fresh sample is an arrival."""
        device_id, freshness = late[0].device_id, live.rules.freshness
        alone = self._items._replace(apply=self._apply_alone)
        replaying = Replaying(alone, self._rules, Tick(self._ticked_at, self._resumed_at))
        placed = replaying.place(late, since, live, now)
        self._new_values[device_id] = {**self._new_values.get(device_id, {}), **placed.values}
        if placed.renewed and live.next_checkpoint:
            self._journal.keep(placed.renewed, live.next_checkpoint, since.checkpoint)
        transitions: list[Transition] = []
        # An explained alert first: raised after its explanation, it would be merged before it is raised.
        for state, found in sorted(placed.changes, key=lambda change: bool(self._rules[change[0].rule].explains)):
            transitions += self._groups.changed(self._rules[state.rule], state, found, now)
        for sample in late:
            self._journal.add(sample)
            if placed.unchanged:
                transitions += self._late.evaluate_at_arrival(sample, live, now, placed.unchanged)
            if sample.event is None and freshness and sample.received_at - sample.ts <= LATENESS:
                transitions += self._end_no_data(sample, live, now)
        return transitions, placed.renewed

    def _end_no_data(self, sample: Sample, live: LiveState, now: datetime) -> list[Transition]:
        """End the no-data alerts of a device that has sent a fresh sample."""
        transitions: list[Transition] = []
        for rule, new in self._no_data.arrived(sample, live):
            transitions += self._apply(rule, sample.device_id, new, now)
        self._groups.hear(sample.device_id)
        return transitions

    def _evaluate_group(
        self, group_id: int, ts: datetime, values: Mapping[str, Value], now: datetime
    ) -> list[Transition]:
        sample = Sample(group_id, ts, now, values)
        return self._items.evaluate_telemetry(sample, values, LiveState(self._compiled[DEVICE_GROUP.name]), now)

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
            self._opened_at[compiled.rule.kind] = opened_at
            for device_id in device_ids:
                live = self._live[device_id]
                if compiled in live.rules.scheduled:
                    known = KnownData.of(live)
                    transitions += self._items.open(compiled, device_id, known, Tick(opened_at, self._resumed_at), now)
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

    def close(self, rule_name: str, device_id: int, now: datetime, actor: str) -> list[Transition]:
        """End the open alert by the decision of `actor`; return nothing where none is open any more."""
        rule = self._rules.get(rule_name)
        if rule is None:
            return []
        transitions = self._apply(rule, device_id, Close(now), now)
        return [replace(each, inputs={**each.inputs, "resolved_by": actor}) for each in transitions]

    def _apply(self, rule: Rule, device_id: int, new: Input, now: datetime) -> list[Transition]:
        """Apply an input to one instance, and return its transitions with those of other alerts that follow."""
        transitions = self._apply_alone(rule, device_id, new, now)
        if not transitions:
            return []
        state = self.instance(rule.name, device_id) or new_instance(rule, device_id)
        return self._groups.changed(rule, state, transitions, now)

    def _apply_alone(self, rule: Rule, device_id: int, new: Input, now: datetime) -> list[Transition]:
        """Apply an input to one instance, keep its new state, and return its transitions."""
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
        return [transition_of(rule, change, device, now) for change in changes]

    def update_services(self, now: datetime) -> list[Transition]:
        """Take over what the registry says of the devices; end the alerts of withdrawn ones."""
        for device_id, live in self._live.items():
            live.rules, live.replacements = self._rules_of(device_id), self._devices(device_id).replacements
        withdrawn, returned = update_withdrawn(self._live, self._is_withdrawn)
        for device_id in returned:
            self._no_data.expect(device_id, self._live[device_id].rules, now)
        transitions: list[Transition] = []
        for device_id in (*withdrawn, *self._groups.removed()):
            for rule in [self._rules[name] for name in self._instances.of(device_id) if name in self._rules]:
                transitions += self._apply(rule, device_id, Withdrawal(now), now)
        return transitions

    def _is_withdrawn(self, device_id: int) -> bool:
        return device_id > 0 and self._devices(device_id).service.is_withdrawn

    def _rules_for(self, device_id: int, kind_name: str) -> CompiledRules:
        """Return the rules of a kind that concern a device, by their scope."""
        rules = self._compiled.get(kind_name, _NO_RULES)
        submeters = self._submeters_of(device_id) if rules.of_scope else None
        return rules.of_scope.get(submeters.scope if submeters else None, rules)

    def _rules_of(self, device_id: int) -> CompiledRules:
        return self._rules_for(device_id, self._devices(device_id).kind)

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
            self._live[device_id] = from_stored(device_state, rules, self._devices(device_id))
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
        return (to_stored(device_id, self._live[device_id], new_values[device_id]) for device_id in sorted(new_values))

    def drain_changes(self) -> InstanceChanges:
        """Return the instance states that changed since the last call, ordered by rule and device."""
        return self._instances.drain()
