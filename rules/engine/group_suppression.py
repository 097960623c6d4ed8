"""Group suppression: one alert for a device group, or one alert of a device, in place of many with the same cause.

The parent alert of an alert is the outage of a group of its device, or another alert that explains its lack of data:
of the device itself, of its gateway, or of its place. While the parent is open, the alert is suppressed, whichever of
both came first. The engine reports changes of alerts, arrivals and ticks; everything else follows from its state.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from devices.kind import Value
from rules.engine.group_count import Count, GroupCounter, onset_of
from rules.engine.parent_alerts import HOLD, Parent, ParentAlerts, is_within
from rules.engine.state_machine import InstanceState, ParentCleared, ParentRaised, Reason, Recount, Tick
from rules.engine.transition import Apply, Transition, suppressed_by_alert, suppressed_by_group
from rules.model.device_group import FIRST_GROUP_ID, DeviceGroup, DeviceGroups
from rules.model.rule import OPEN_PHASES, UNCLEARED_PHASES, Phase, Rule
from rules.model.virtual_kinds import OUTAGE, RULE_KINDS

EvaluateGroup = Callable[[int, datetime, Mapping[str, Value], datetime], list[Transition]]
"""Evaluates values of a group at an event time; the last argument is the current time."""


class Found(NamedTuple):
    """A group most of whose devices are affected."""

    group: DeviceGroup
    counted: Count


@dataclass(slots=True)
class GroupSuppression:
    """The parent alerts of all alerts that can be merged.

    Attributes:
        groups: The device groups by the registry.
        rules: The rules by name.
        counter: Counts the affected devices of groups.
        apply: Applies an input to an instance.
        evaluate: Evaluates values of a group.
        resumed_at: The time at which the engine resumed.
        active: Groups with an open outage.
        suppressed: The devices and groups whose alerts each parent suppresses.
        revisit: The communities to look at with the next tick: something there has changed, or data have arrived.
        is_moved: Whether a device may have moved to another group since the last tick.
    """

    groups: DeviceGroups
    rules: Mapping[str, Rule]
    counter: GroupCounter
    apply: Apply
    evaluate: EvaluateGroup
    resumed_at: datetime
    active: set[int] = field(default_factory=set)
    suppressed: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    revisit: set[str] = field(default_factory=set)
    is_moved: bool = True
    _parents: ParentAlerts = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the search for parents."""
        self._parents = ParentAlerts(self.groups, self.rules, self.counter)

    def load(self, state: InstanceState) -> None:
        """Take over a stored instance: a suppressed one, or one of a group."""
        if state.parent is not None:
            self.suppressed[state.parent].add(state.device_id)
            self.groups.make_groups_of(self.counter.devices(state.device_id))
        if state.device_id <= FIRST_GROUP_ID and state.phase in UNCLEARED_PHASES:
            self.active.add(state.device_id)
        self.hear(state.device_id)

    def hear(self, device_id: int) -> None:
        """Look at the community of a device with the next tick, because the device has sent data or has changed."""
        if self.active or self.suppressed:
            self.revisit.add(self.counter.devices(device_id).community)

    def changed(
        self, rule: Rule, state: InstanceState, transitions: list[Transition], now: datetime
    ) -> list[Transition]:
        """Return the transitions of an instance with their suppression, and those of other alerts that follow.

        Args:
            rule: The rule of the instance.
            state: The state of the instance after the transitions.
            transitions: The transitions.
            now: The time of the decision.
        """
        if rule.merge_as and any(Phase.NORMAL in {each.from_phase, each.to_phase} for each in transitions):
            self.counter.forget()
        if any(each.raises or each.reason is Reason.PARENT for each in transitions):
            if parent := self._parents.explaining_alert(state.device_id, rule):
                self._put_below(parent, state)
                transitions = [_merged(each, parent) for each in transitions]
            elif rule.symptom:
                transitions = self._merge(rule, rule.symptom, state, transitions, now)
        if state.device_id > 0 and any(each.raises for each in transitions):
            transitions += self._adopt_explained(rule, state, now)
        self.hear(state.device_id)
        return transitions

    def tick(self, now: datetime) -> list[Transition]:
        """End the outages that are over, and release the alerts that have lost their parent."""
        transitions = self._end_outages(now)
        for parent_id in sorted(self.suppressed):
            transitions += self._review(parent_id, now)
        self.revisit.clear()
        self.is_moved = False
        return transitions

    def removed(self) -> list[int]:
        """Return the groups with an open outage that have left the registry; look at all others with the next tick."""
        self.is_moved = True
        children = (child for suppressed in self.suppressed.values() for child in suppressed)
        self.revisit |= {self.counter.devices(each).community for each in (*self.active, *children)}
        removed = [each for each in sorted(self.active) if (group := self.groups.by_id(each)) and not group.children]
        self.active.difference_update(removed)
        return removed

    def has_parent(self, state: InstanceState | None) -> bool:
        """Return whether an active alert that is to be released has its parent again."""
        if state is None or state.parent is None or state.phase is not Phase.ACTIVE:
            return False
        belongs = self._parents.belongs(state.device_id, state.parent)
        return belongs and self._parents.stands(state.parent, self.rules[state.rule])

    def _merge(
        self, rule: Rule, symptom: str, state: InstanceState, transitions: list[Transition], now: datetime
    ) -> list[Transition]:
        """Suppress a raised or released alert that has a parent. It may bring the outage of a group to light."""
        device, before = self.counter.devices(state.device_id), list[Transition]()
        is_raised = any(each.raises for each in transitions)
        parent, pending = self._parents.parent_of(device, symptom), None
        if parent is None and is_raised:
            pending = self._parents.pending_explanation_of(device, symptom, self.resumed_at, now)
        if not (parent or pending):
            found = self._find_outage(rule, symptom, state, now, is_raised=is_raised)
            before = self._raise_outage(found, rule, symptom, state, now) if found else []
            parent = self._parents.outage_of(found.group, symptom) if found else None
        if not (parent or pending) and is_raised:
            pending = self._parents.pending_outage_of(device, symptom, now)
        cause = parent or pending
        if cause is None:
            return before + transitions
        self._put_below(cause, state)
        if state.phase is Phase.ACTIVE and pending:
            self.apply(rule, device.id, ParentCleared(now + HOLD), now)
        return before + [_merged(each, cause) for each in transitions]

    def _put_below(self, parent: Parent, state: InstanceState) -> None:
        if state.phase in OPEN_PHASES:
            self.counter.instances.put(replace(state, parent=parent.id))
            self.suppressed[parent.id].add(state.device_id)

    def _find_outage(
        self, rule: Rule, symptom: str, state: InstanceState, now: datetime, *, is_raised: bool
    ) -> Found | None:
        """Find the group in which the cause of an alert affects most devices; of several, the one with few others.

        An alert that was released, and not raised just now, does not make the outage of its old group one of all.
        """
        best: Found | None = None
        groups = self._parents.groups_of(self.counter.devices(state.device_id), symptom)
        for group in groups if symptom in self._parents.watching else ():
            if group.is_community and not is_raised:
                continue
            count = self.counter.count(group, rule, state, self.resumed_at, now)
            is_more = best is None or count.rank > best.counted.rank
            if is_more and count.is_shared and state.device_id in count.affected:
                best = Found(group, count)
        return best

    def _raise_outage(
        self, found: Found, rule: Rule, symptom: str, state: InstanceState, now: datetime
    ) -> list[Transition]:
        """Raise the alert of a group, and suppress by it the alerts that came before."""
        group, count = found
        values = {symptom: True, **_numbers(symptom, len(count.affected), count.expected)}
        transitions = self._evaluate(group, symptom, values, state.since or now, now)
        parent, outage = self._parents.outage_of(group, symptom), self._parents.outage(group, symptom)
        if parent is None or outage is None:
            return transitions
        for child in count.affected:
            if child != state.device_id:
                transitions += self._adopt(parent, self.counter.states(child, symptom), now)
        for other in filter(None, map(self.groups.by_id, sorted(self.active - {group.id}))):
            if is_within(other, group) and (narrower := self._parents.outage(other, symptom)):
                transitions += self._adopt(parent, [narrower], now)
        if self.rules[outage.rule].explains_silence and not (group.gateway or group.kind):
            transitions += self._adopt_silent(parent, group, onset_of(rule, state) or now, now)
        return transitions

    def _adopt_explained(self, rule: Rule, state: InstanceState, now: datetime) -> list[Transition]:
        """Suppress by an alert of a device the earlier alerts that it explains."""
        device, transitions = self.counter.devices(state.device_id), list[Transition]()
        states = self.counter.instances.of(device.id)
        explained = [states[name] for name in rule.explains if name in states]
        # In event time, as both alerts are: a replay gives the same step.
        transitions += self._adopt(Parent(device.id, None, rule.title), explained, now, at=state.opened_at)
        if rule.explains_silence:
            transitions += self._adopt(Parent(device.id, None, rule.title), self.counter.states(device.id, OUTAGE), now)
        group = self.groups.group_behind(device) if rule.no_data or rule.explains_children else None
        if group:
            arrival = self.counter.arrival(device.id, self.resumed_at) if rule.no_data else None
            since = arrival.at if arrival else onset_of(rule, state)
            transitions += self._adopt_silent(Parent(group.id, group, rule.title), group, since or now, now)
        return transitions

    def _adopt_silent(self, parent: Parent, group: DeviceGroup, since: datetime, now: datetime) -> list[Transition]:
        """Suppress the earlier alerts about missing data of those devices of a group that still had data `since`."""
        transitions: list[Transition] = []
        for child in group.children:
            arrival = self.counter.arrival(child, self.resumed_at)
            if arrival and arrival.next_report >= since:
                transitions += self._adopt(parent, self.counter.states(child, OUTAGE), now)
        return transitions

    def _adopt(
        self, parent: Parent, states: Iterable[InstanceState], now: datetime, *, at: datetime | None = None
    ) -> list[Transition]:
        """Suppress open alerts without a parent, or about to be released, by a later alert, raised `at` or now."""
        transitions: list[Transition] = []
        for state in list(states):
            is_free = state.parent is None or (state.phase is Phase.ACTIVE and state.deadline is not None)
            if state.phase in OPEN_PHASES and state.verdict is not False and is_free:
                merged = self.apply(self.rules[state.rule], state.device_id, ParentRaised(parent.id, at or now), now)
                transitions += [_merged(each, parent) for each in merged]
                self.suppressed[parent.id].add(state.device_id)
        return transitions

    def _evaluate(
        self, group: DeviceGroup, symptom: str, values: Mapping[str, Value], at: datetime, now: datetime
    ) -> list[Transition]:
        """Evaluate the values of a group at a time, or at that of its latest verdict if this is later."""
        states = self.counter.instances.of(group.id)
        watching = filter(None, (states.get(rule.name) for rule in self._parents.watching[symptom]))
        transitions = self.evaluate(
            group.id, max([at, *(each.last_ts for each in watching if each.last_ts)]), values, now
        )
        if any(self._parents.outage(group, each) for each in self._parents.watching):
            self.active.add(group.id)
        else:
            self.active.discard(group.id)
        return transitions

    def _end_outages(self, now: datetime) -> list[Transition]:
        """End the outages in which at most half of the affected devices still are; recount those that have grown."""
        transitions: list[Transition] = []
        for group in filter(None, map(self.groups.by_id, sorted(self.active))):
            for symptom in self._parents.watching if group.community in self.revisit else ():
                if outage := self._parents.outage(group, symptom):
                    transitions += self._recount(group, symptom, outage, now)
        return transitions

    def _recount(self, group: DeviceGroup, symptom: str, outage: InstanceState, now: datetime) -> list[Transition]:
        values = outage.inputs.get("values")
        known = values if isinstance(values, dict) else {}
        remaining = self.counter.remaining(group, symptom, now)
        before = float(known.get("children_affected") or known.get("children_silent") or 0)
        lasts = remaining.affected * 2 > before
        if lasts is not outage.verdict:
            at = now if lasts else min(remaining.back_at or now, now)
            values = {**known, symptom: lasts, "children_affected": float(remaining.affected)}
            return self._evaluate(group, symptom, values, at, now)
        if remaining.affected > before and outage.phase is Phase.ACTIVE:
            values = {**known, symptom: lasts, **_numbers(symptom, remaining.affected, remaining.expected)}
            return self.apply(self.rules[outage.rule], group.id, Recount(values, now), now)
        return []

    def _review(self, parent_id: int, now: datetime) -> list[Transition]:
        """Look at the alerts that a parent suppresses: each keeps it, has left its group, or is released later.

        An alert whose parent has cleared is released a period later, for its device may take so long to report again.
        """
        children = sorted(self.suppressed[parent_id])
        if self.counter.devices(children[0]).community not in self.revisit:
            return []
        del self.suppressed[parent_id]
        transitions: list[Transition] = []
        stands: dict[str, bool] = {}
        for state in [each for child in children for each in self._suppressed_by(parent_id, child)]:
            rule = self.rules[state.rule]
            if rule.name not in stands:
                stands[rule.name] = self._parents.stands(parent_id, rule)
            self.suppressed[parent_id].add(state.device_id)
            if state.phase is not Phase.ACTIVE:
                continue
            if self.is_moved and not self._parents.belongs(state.device_id, parent_id):
                for new in (ParentCleared(now), Tick(now)):
                    transitions += self.apply(rule, state.device_id, new, now)
            elif not stands[rule.name] and state.deadline is None:
                transitions += self.apply(rule, state.device_id, ParentCleared(now + _grace(rule)), now)
        return transitions

    def _suppressed_by(self, parent_id: int, device_id: int) -> list[InstanceState]:
        states = self.counter.instances.of(device_id).values()
        return [state for state in states if state.parent == parent_id and state.rule in self.rules]


def _numbers(symptom: str, affected: int, expected: int) -> dict[str, Value]:
    """Return the numbers of devices as values of a group; those without data have a name of their own, too."""
    numbers: dict[str, Value] = {"children_affected": float(affected), "children_expected": float(expected)}
    return {**numbers, "children_silent": float(affected)} if symptom == OUTAGE else numbers


def _grace(rule: Rule) -> timedelta:
    """Return the time in which a device that is well again reports it."""
    return rule.no_data.period + rule.no_data.jitter if rule.no_data else RULE_KINDS[rule.kind].reporting_period


def _merged(transition: Transition, parent: Parent) -> Transition:
    """Return a transition suppressed by a parent; one that neither raises, releases nor merges an alert as it is."""
    if not (transition.raises or transition.reason in {Reason.PARENT, Reason.MERGED}):
        return transition
    if transition.reason is Reason.PARENT:
        transition = replace(transition, reason=Reason.MERGED)
    if parent.group is None:
        return suppressed_by_alert(transition, parent.title)
    return suppressed_by_group(transition, parent.group.name, parent.title)
