"""Placing of late items in event time: a replay from a checkpoint on, and the reconciliation of the alerts with it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from devices.kind import Value
from rules.engine.device_state import LiveState, from_stored
from rules.engine.item_evaluation import ItemEvaluation
from rules.engine.reconcile import reconcile, revoked_sequences
from rules.engine.reorder import Checkpoint, Segment, in_event_order, split_by_lateness, states_by_event_time
from rules.engine.schedule import KnownData, missed_openings
from rules.engine.state_machine import InstanceState, Tick, new_instance
from rules.engine.transition import Transition
from rules.model.rule import Phase, Rule
from rules.model.sample import Sample

_MOST_REVOKED = 16

States = Mapping[str, InstanceState]


class Course(NamedTuple):
    """The instances on a device after some inputs, and the transitions that lead there."""

    states: States
    transitions: list[Transition]

    def transitions_of(self, rule: str) -> list[Transition]:
        """Return the transitions of one rule."""
        return [each for each in self.transitions if each.rule == rule]


class Replay(NamedTuple):
    """Result of a replay: the device, and its course to the last item and on to the last tick.

    `checkpoint` is the state on the way, at the time of a stale one.
    """

    device: LiveState
    checkpoint: Checkpoint | None
    to_last_item: Course
    to_last_tick: Course


class Placed(NamedTuple):
    """Result of placing items.

    Attributes:
        changes: The instances with another history, and the transitions that lead there.
        values: The newest values since the checkpoint.
        unchanged: The rules whose instances stay as they are, with a history that the items do not explain.
        renewed: The checkpoint that takes the place of a stale one; None without one.
    """

    changes: list[tuple[InstanceState, list[Transition]]]
    values: Mapping[str, Value]
    unchanged: frozenset[str]
    renewed: Checkpoint | None


class Replaying(NamedTuple):
    """The replay of the recent items of one device.

    Attributes:
        items: The evaluation of items in their order.
        rules: The rules by name.
        ticked: The last tick, up to which timers have run out.
    """

    items: ItemEvaluation
    rules: Mapping[str, Rule]
    ticked: Tick

    def place(self, late: Sequence[Sample], since: Segment, live: LiveState, now: datetime) -> Placed:
        """Place items in event time: replay the items since a checkpoint with them, and reconcile the alerts.

        The replay without them must give the state that stands. Where it does not, a person or changed rules have
        intervened since the checkpoint, and the instance stays as it is.

        Args:
            late: The items to place.
            since: A checkpoint from before the items, and the items that have been evaluated since.
            live: The device; its last values and derived values become those of the true order.
            now: The time of the decision.
        """
        raising = live.rules.raising_events
        evaluated, _ = split_by_lateness(since.items, since.checkpoint.newest, raising)
        device_id, stored = late[0].device_id, self._states(late[0].device_id)
        items = in_event_order([*evaluated, *late], raising)
        replayed = self._replay(since.checkpoint, items, live, now, since.stale)
        recorded: Replay | None = None
        changes: list[tuple[InstanceState, list[Transition]]] = []
        final, unplaced = dict(stored), set[str]()
        changed = {each.rule for each in replayed.to_last_tick.transitions}
        for name in sorted({*stored, *changed, *replayed.to_last_tick.states}):
            if name not in changed and _is_same(stored.get(name), replayed.to_last_tick.states.get(name)):
                continue
            if recorded is None:
                recorded = self._replay(since.checkpoint, in_event_order(evaluated, raising), live, now)
            courses = _courses_to(name, stored.get(name), recorded, replayed)
            if courses is None:
                unplaced.add(name)
                continue
            old, new = courses
            found = reconcile(old.transitions_of(name), new.transitions_of(name), now)
            state = new.states.get(name) or new_instance(self.rules[name], device_id)
            final[name] = _adopted(state, stored.get(name), revoked_sequences(found))
            changes += [(final[name], found)] if found else []
        self._restore(device_id, final)
        live.last_ts, live.event_ts = replayed.device.last_ts, replayed.device.event_ts
        live.retained_values, live.derived = replayed.device.retained_values, replayed.device.derived
        values = {name: value for item in items for name, value in item.values.items()}
        renewed = replayed.checkpoint
        if since.stale and renewed:
            kept = [state for state in since.stale.states if state.rule in unplaced]
            renewed = Checkpoint(
                renewed.device, (*(each for each in renewed.states if each.rule not in unplaced), *kept)
            )
        return Placed(changes, values, frozenset(unplaced), renewed)

    def _replay(
        self,
        checkpoint: Checkpoint,
        items: Sequence[Sample],
        live: LiveState,
        now: datetime,
        stale: Checkpoint | None = None,
    ) -> Replay:
        """Evaluate items from a checkpoint on, by way of a stale one, then let the time come to the last tick."""
        device_id = checkpoint.device.device_id
        device = from_stored(checkpoint.device, live.rules, self.items.devices(device_id))
        numbers = {name: state.revoked for name, state in self.items.instances.of(device_id).items()}
        begun = {state.rule: state for state in checkpoint.states if state.rule in self.rules}
        for name in numbers:
            if name not in begun and name in self.rules and not self.rules[name].no_data:
                begun[name] = new_instance(self.rules[name], device_id)
        self._restore(device_id, {name: replace(each, revoked=numbers.get(name, ())) for name, each in begun.items()})
        transitions: list[Transition] = []
        keep_at, kept = stale and stale.at, None
        for item in items:
            if keep_at and item.ts > keep_at:
                kept, keep_at = Checkpoint.of(device_id, device, self._states(device_id)), None
            transitions += self.items.evaluate(item, device, now)
        if keep_at:
            kept = Checkpoint.of(device_id, device, self._states(device_id))
        to_last_item = Course(self._states(device_id), list(transitions))
        known = KnownData.of(device)
        for opened_at, compiled in missed_openings(live.rules.scheduled, known, self.ticked.now):
            transitions += self.items.open(compiled, device_id, known, self.ticked._replace(now=opened_at), now)
        for name, state in self._states(device_id).items():
            transitions += self.items.advance_time(self.ticked, state, self.rules[name], now)
        return Replay(device, kept, to_last_item, Course(self._states(device_id), transitions))

    def _states(self, device_id: int) -> dict[str, InstanceState]:
        return states_by_event_time(self.items.instances.of(device_id), self.rules)

    def _restore(self, device_id: int, states: States) -> None:
        """Replace the instances on a device that go by event time."""
        for name in self._states(device_id).keys() - states.keys():
            self.items.instances.put(new_instance(self.rules[name], device_id))
        for state in states.values():
            self.items.instances.put(state)


def _courses_to(
    rule: str, stored: InstanceState | None, recorded: Replay, replayed: Replay
) -> tuple[Course, Course] | None:
    """Return the recorded course of an instance to its stored state, and the replayed course to the same time.

    The stored state may not have met the last tick yet.

    Returns:
        None where the recorded items lead to another state than the stored one.
    """
    for old, new in (
        (recorded.to_last_tick, replayed.to_last_tick),
        (recorded.to_last_item, replayed.to_last_item),
    ):
        if _is_same(stored, old.states.get(rule)):
            return old, new
    return None


def _is_same(one: InstanceState | None, other: InstanceState | None) -> bool:
    """Return whether two states of an instance are the same, apart from texts and numbers of revoked alerts."""
    return _essence(one) == _essence(other)


def _essence(state: InstanceState | None) -> tuple[object, ...]:
    if state is None or (state.phase is Phase.NORMAL and not state.sequence):
        return ()
    # An active instance may have changed its parent since it was raised.
    times = () if state.phase is Phase.ACTIVE else (state.since, state.deadline)
    return (state.phase, *times, state.verdict, state.last_ts, state.sequence, state.opened_at, state.chatter)


def _adopted(state: InstanceState, stored: InstanceState | None, revoked: set[int]) -> InstanceState:
    """Return a replayed state with what the replay does not know: the parent, and the numbers of revoked alerts."""
    if stored and stored.sequence == state.sequence and stored.phase is state.phase is Phase.ACTIVE:
        since = max(filter(None, (state.since, stored.since)), default=None)
        state = replace(state, parent=stored.parent, since=since, deadline=stored.deadline)
    if revoked:
        state = replace(state, revoked=tuple(sorted({*state.revoked, *revoked}))[-_MOST_REVOKED:])
    return state
