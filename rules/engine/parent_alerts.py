"""Parent alerts: the open alert that stands for another one, by the registry and the state of the engine. Read only."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from devices.device import Device
from rules.engine.group_count import GroupCounter
from rules.engine.state_machine import InstanceState
from rules.model.device_group import FIRST_GROUP_ID, DeviceGroup, DeviceGroups
from rules.model.rule import OPEN_PHASES, UNCLEARED_PHASES, Rule
from rules.model.virtual_kinds import DEVICE_GROUP, OUTAGE

HOLD = timedelta(minutes=10)
"""The longest time for which an alert waits for a parent that is about to be raised."""


class Parent(NamedTuple):
    """An alert that stands for others: the id of its device or group, its group if it has one, and its title."""

    id: int
    group: DeviceGroup | None
    title: str


class ParentAlerts:
    """Finder of parent alerts.

    Args:
        groups: The device groups by the registry.
        rules: The rules by name.
        counter: Counts the affected devices of groups.
    """

    def __init__(self, groups: DeviceGroups, rules: Mapping[str, Rule], counter: GroupCounter) -> None:
        self._groups = groups
        self._rules = rules
        self._counter = counter
        watching: defaultdict[str, list[Rule]] = defaultdict(list)
        for rule in rules.values():
            if rule.kind == DEVICE_GROUP.name and not rule.shadow:
                for symptom in rule.required_fields:
                    watching[symptom].append(rule)
        self.watching: Mapping[str, list[Rule]] = watching

    def outage(self, group: DeviceGroup, symptom: str) -> InstanceState | None:
        """Return the instance of a group with an open alert about a symptom."""
        states = self._counter.instances.of(group.id)
        watching = (states.get(rule.name) for rule in self.watching.get(symptom, ()) if states)
        return next((state for state in watching if state and state.phase in UNCLEARED_PHASES), None)

    def outage_of(self, group: DeviceGroup, symptom: str) -> Parent | None:
        """Return the alert of a group about a symptom as a parent."""
        outage = self.outage(group, symptom)
        return Parent(group.id, group, self._rules[outage.rule].title) if outage else None

    def groups_of(self, device: Device, symptom: str) -> Iterator[DeviceGroup]:
        """Yield the groups of a device that can have an outage with a symptom, the narrowest first."""
        if device.id <= FIRST_GROUP_ID:
            return iter(())
        return self._groups.groups_of_path(device) if symptom == OUTAGE else self._groups.groups_of_place(device)

    def explaining_alert(self, device_id: int, rule: Rule) -> Parent | None:
        """Return an open alert of a device, latched included, that stands for the alert of a rule on it."""
        for state in self._counter.instances.of(device_id).values():
            explaining = self._rules.get(state.rule)
            if explaining and rule.name in explaining.explains and state.phase in OPEN_PHASES and not explaining.shadow:
                return Parent(device_id, None, explaining.title)
        return None

    def parent_of(self, device: Device, symptom: str) -> Parent | None:
        """Return the open alert that stands for an alert of a device."""
        if symptom == OUTAGE and (parent := self._explanation_of(device)):
            return parent
        outages = (self.outage_of(group, symptom) for group in self.groups_of(device, symptom))
        return next(filter(None, outages), None)

    def pending_explanation_of(
        self, device: Device, symptom: str, resumed_at: datetime, now: datetime
    ) -> Parent | None:
        """Return the alert that is about to be raised and will explain the lack of data of a device.

        The gateway has a report overdue, or most devices of the place are about to report the loss of its supply.
        """
        if symptom != OUTAGE:
            return None
        before = self._groups.group_of_gateway(device)
        arrival = self._counter.arrival(before.gateway_id, resumed_at) if before and before.gateway_id else None
        if before and arrival and arrival.is_overdue(now):
            return Parent(before.id, before, "网关没有按时上报（核实中）")
        places = self._groups.places_of(device)
        pending = (self._pending(place, each, now) for place in places for each in self._explaining_symptoms())
        return next(filter(None, pending), None)

    def pending_outage_of(self, device: Device, symptom: str, now: datetime) -> Parent | None:
        """Return the alert of a group most of whose devices have a symptom, pending for most of them."""
        if symptom == OUTAGE:
            return None
        pending = (self._pending(group, symptom, now) for group in self.groups_of(device, symptom))
        return next(filter(None, pending), None)

    def _pending(self, group: DeviceGroup, symptom: str, now: datetime) -> Parent | None:
        if symptom in self.watching and self._counter.count_recent(group, symptom, now - HOLD, now).is_shared:
            return Parent(group.id, group, f"{self.watching[symptom][0].title}（核实中）")
        return None

    def stands(self, parent_id: int, rule: Rule) -> bool:
        """Return whether the alert of that device or group still stands for the alerts of a rule."""
        group = self._groups.by_id(parent_id)
        if group is None:
            is_silent = rule.symptom == OUTAGE and self._explaining_rule(parent_id) is not None
            return is_silent or self.explaining_alert(parent_id, rule) is not None
        symptoms = [name for name, watching in self.watching.items() if rule.symptom == name or rule in watching]
        if any(self.outage(group, symptom) for symptom in symptoms):
            return True
        return rule.symptom == OUTAGE and (self._gateway_alert(group) or self._place_alert(group)) is not None

    def belongs(self, device_id: int, parent_id: int) -> bool:
        """Return whether a device or narrower group still belongs to the group whose alert stands for its own."""
        group = self._groups.by_id(parent_id)
        if group is None:
            return device_id == parent_id
        narrower = self._groups.by_id(device_id)
        return is_within(narrower, group) if narrower else device_id in {*group.children, group.gateway_id}

    def _explanation_of(self, device: Device) -> Parent | None:
        """Return the alert that explains the lack of data of a device: its own, its gateway's, or that of its place."""
        if rule := self._explaining_rule(device.id):
            return Parent(device.id, None, rule.title)
        behind, before = self._groups.group_behind(device), self._groups.group_of_gateway(device)
        if behind and (outage := self.outage_of(behind, OUTAGE)):
            return outage
        explanations = [self._gateway_alert(before)] if before else []
        explanations += [self._place_alert(place) for place in self._groups.places_of(device)]
        return next(filter(None, explanations), None)

    def _explaining_rule(self, device_id: int) -> Rule | None:
        return next((rule for rule in self._holding(device_id) if rule.explains_silence), None)

    def _gateway_alert(self, group: DeviceGroup) -> Parent | None:
        """Return the alert of a gateway that explains the lack of data of all devices behind it."""
        if group.gateway_id is None or group.kind:
            return None
        explaining = (rule for rule in self._holding(group.gateway_id) if rule.no_data or rule.explains_children)
        return next((Parent(group.id, group, rule.title) for rule in explaining), None)

    def _place_alert(self, place: DeviceGroup) -> Parent | None:
        """Return the alert of a whole place that explains the lack of data of all devices there."""
        if place.gateway or place.kind:
            return None
        outages = (self.outage_of(place, symptom) for symptom in self._explaining_symptoms())
        return next(filter(None, outages), None)

    def _explaining_symptoms(self) -> list[str]:
        return [symptom for symptom, watching in self.watching.items() if any(r.explains_silence for r in watching)]

    def _holding(self, device_id: int) -> Iterable[Rule]:
        """Yield the rules in force with an open alert on a device whose condition holds."""
        for state in self._counter.instances.of(device_id).values():
            rule = self._rules.get(state.rule)
            if rule and not rule.shadow and state.phase in UNCLEARED_PHASES and state.verdict is not False:
                yield rule


def is_within(narrower: DeviceGroup, wider: DeviceGroup) -> bool:
    """Return whether a group, or the gateway in front of it, belongs to a wider one."""
    children = set(wider.children)
    return bool(narrower.children) and (narrower.gateway_id in children or children.issuperset(narrower.children))
