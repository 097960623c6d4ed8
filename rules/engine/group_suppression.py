"""Group suppression: one alert for a device group, or one alert of a device, in place of many about absent data.

The parent alert of a no-data alert is the outage of the device's group, or another alert of the device that explains
the lack of data. While it is open, the no-data alert is suppressed. The engine asks for the parent of each no-data
alert that it raises, and applies the inputs that follow when a parent alert clears.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from devices.device import Device
from rules.engine.instances import Instances
from rules.engine.no_data import NoDataWatch
from rules.engine.state_machine import InstanceState, ParentCleared
from rules.engine.transition import Transition, suppressed_by_alert, suppressed_by_group
from rules.model.device_group import FIRST_GROUP_ID, DeviceGroup, DeviceGroups, detect_outage
from rules.model.rule import UNCLEARED_PHASES, Phase, Rule
from rules.model.sample import Sample

Parent = Rule | DeviceGroup
"""A rule of the device itself, or the group of the device, with an open alert."""


@dataclass(slots=True)
class GroupSuppression:
    """The parent alerts of no-data alerts.

    Attributes:
        groups: The device groups by the registry.
        rules: The rules by name.
        instances: The instances of the engine.
        no_data: The last arrivals of all devices.
        active: Groups with an open outage.
        revisit: Groups, and devices with an explaining rule, to look at again with the next tick.
        suppressed: The devices whose no-data alert each parent suppresses, even if they have left the group.
    """

    groups: DeviceGroups
    rules: Mapping[str, Rule]
    instances: Instances
    no_data: NoDataWatch
    active: set[int] = field(default_factory=set)
    revisit: set[int] = field(default_factory=set)
    suppressed: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def load(self, state: InstanceState) -> None:
        """Take over a stored instance: a suppressed one, or one of a group."""
        if state.parent is not None:
            self.revisit.add(state.parent)
            self.suppressed[state.parent].add(state.device_id)
        elif state.device_id <= FIRST_GROUP_ID and state.phase in UNCLEARED_PHASES:
            self.active.add(state.device_id)
            self.revisit.add(state.device_id)

    def revisit_groups(self, device: Device) -> None:
        """Look at the groups of a device with the next tick, because it has sent data or has none any more."""
        for group in (self.groups.group_of(device), self.groups.group_behind(device)):
            if group:
                self.revisit.add(group.id)

    def parent_of(self, device: Device) -> Parent | None:
        """Return the rule or the group with the open alert that explains the lack of data of a device."""
        if rule := self._explaining_rule(device.id):
            return rule
        behind, group = self.groups.group_behind(device), self.groups.group_of(device)
        if behind and self._outage(behind):
            return behind
        return group if group and self.is_active(group) else None

    def detect(self, device: Device, resumed_at: datetime, now: datetime) -> Sample | None:
        """Detect whether most of a group has no data, now that one device has none.

        Returns:
            The sample of the group to evaluate; None without an outage.
        """
        group, first = self.groups.group_of(device), self.no_data.last_arrival(device.id, resumed_at)
        if group is None or first is None:
            return None
        others = (
            self.no_data.last_arrival(child, resumed_at) for child in group.children if not self._has_no_data(child)
        )
        outage = detect_outage(first, [first, *(each for each in others if each)], now)
        if outage is None:
            return None
        self.active.add(group.id)
        return Sample(group.id, now, now, outage.values)

    def suppress(self, state: InstanceState, raised: list[Transition], parent: Parent) -> list[Transition]:
        """Suppress a raised no-data alert by its parent; return its transitions with the cause."""
        parent_id = parent.id if isinstance(parent, DeviceGroup) else state.device_id
        self.instances.put(replace(state, parent=parent_id))
        self.suppressed[parent_id].add(state.device_id)
        return [_with_cause(each, parent) if each.raises else each for each in raised]

    def cleared(self, now: datetime) -> list[Sample]:
        """Return the samples that end the outage of groups: at most half of the missing devices still are."""
        samples = []
        for parent_id in sorted(self.revisit):
            group = self.groups.by_id(parent_id)
            state = self._outage(group) if group else None
            if group is None or state is None:
                continue
            arrivals = map(self.no_data.last_arrival, group.children)
            missing = sum(1 for each in arrivals if each and each.is_overdue(now))
            values = state.inputs.get("values")
            before = values.get("children_silent", 0) if isinstance(values, dict) else 0
            if missing * 2 <= before:
                self.active.discard(parent_id)
                samples.append(Sample(group.id, now, now, {"outage": False, "children_silent": float(missing)}))
        return samples

    def released(self, now: datetime) -> list[tuple[Rule, int, ParentCleared]]:
        """Return the inputs of the no-data alerts that have lost their parent, with rule and device.

        They are released a period and the jitter of their rule later, for the next report may take so long.
        """
        inputs = []
        for state in self._without_parent():
            rule = self.rules.get(state.rule)
            if rule and rule.no_data:
                until = now + rule.no_data.period + rule.no_data.jitter
                inputs.append((rule, state.device_id, ParentCleared(until)))
        return inputs

    def _without_parent(self) -> list[InstanceState]:
        """Return the suppressed no-data alerts without a parent; the groups have been looked at then."""
        released: list[InstanceState] = []
        for parent_id in sorted(self.revisit):
            if self._is_parent(parent_id):
                continue
            states = [
                state
                for device_id in sorted(self.suppressed.pop(parent_id, ()))
                for state in self._no_data_states(device_id)
                if state.parent == parent_id
            ]
            if states:
                self.suppressed[parent_id] = {state.device_id for state in states}
            released += [state for state in states if state.phase is Phase.ACTIVE and state.deadline is None]
        self.revisit.clear()
        return released

    def removed(self) -> list[int]:
        """Return the groups with an open outage that have left the registry; look at all others with the next tick."""
        removed = [
            group_id
            for group_id in sorted(self.active)
            if (group := self.groups.by_id(group_id)) and not group.children
        ]
        self.revisit |= self.active
        self.active.difference_update(removed)
        return removed

    def has_parent(self, state: InstanceState | None) -> bool:
        """Return whether an active no-data alert that is to be released has a parent again."""
        if state is None or state.parent is None or state.phase is not Phase.ACTIVE:
            return False
        return self._is_parent(state.parent)

    def is_active(self, group: DeviceGroup) -> bool:
        """Return whether a group has an outage: by an alert of its own, or of its gateway."""
        return bool((group.gateway_id is not None and self._has_no_data(group.gateway_id)) or self._outage(group))

    def _is_parent(self, parent_id: int) -> bool:
        """Return whether the group of that id is active, or the device of that id has an explaining alert."""
        group = self.groups.by_id(parent_id)
        return self.is_active(group) if group else self._explaining_rule(parent_id) is not None

    def _explaining_rule(self, device_id: int) -> Rule | None:
        """Return the rule with an open alert on a device that explains its lack of data."""
        states = self.instances.of(device_id).values()
        holding = [
            self.rules.get(state.rule)
            for state in states
            if state.phase in UNCLEARED_PHASES and state.verdict is not False
        ]
        return next((rule for rule in holding if rule and rule.explains_silence and not rule.shadow), None)

    def _outage(self, group: DeviceGroup) -> InstanceState | None:
        return next((state for state in self.instances.of(group.id).values() if state.phase in UNCLEARED_PHASES), None)

    def _no_data_states(self, device_id: int) -> list[InstanceState]:
        """Return the instances of no-data rules on a device, and of rules that explain the lack of its children."""
        pairs = [(state, self.rules.get(state.rule)) for state in self.instances.of(device_id).values()]
        return [state for state, rule in pairs if rule and not rule.shadow and (rule.no_data or rule.explains_children)]

    def _has_no_data(self, device_id: int) -> bool:
        return any(
            state.phase in UNCLEARED_PHASES and state.verdict is not False for state in self._no_data_states(device_id)
        )


def _with_cause(transition: Transition, parent: Parent) -> Transition:
    if isinstance(parent, DeviceGroup):
        return suppressed_by_group(transition, parent.name)
    return suppressed_by_alert(transition, parent.title)
