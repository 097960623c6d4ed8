"""Which family, or which alert of its own, explains the silence of a device, and what follows when that is over."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from devices.device import Device
from rules.engine.device_state import LiveState
from rules.engine.instances import Instances
from rules.engine.state_machine import Input, InstanceState, ParentCleared
from rules.engine.transition import Transition, suppressed_by_alert, suppressed_by_group
from rules.model.condition import NoData
from rules.model.device_group import FIRST_GROUP_ID, DeviceGroup, DeviceGroups, LastArrival, Outage, detect_outage
from rules.model.rule import Phase, Rule
from rules.model.sample import Sample
from rules.model.virtual_kinds import DEVICE_GROUP

_SINCE_RESUMED = True
_OPEN = {Phase.ACTIVE, Phase.RECOVERING, Phase.LATCHED, Phase.MUTED}


def last_heard(
    live: LiveState | None, no_data_rules: Sequence[tuple[Rule, NoData]], resumed_at: datetime | None
) -> LastArrival | None:
    """When a device was heard, not before the thaw if that is given; None where no rule watches it or it never was."""
    if live is None or live.last_arrival is None or not no_data_rules:
        return None
    (_, no_data), *_ = no_data_rules
    return LastArrival(max(live.last_arrival, resumed_at or live.last_arrival), no_data.period, no_data.jitter)


class Judging(Protocol):
    """What of the engine a look at families needs."""

    def rule(self, name: str) -> Rule | None:
        """The rule of that name, or None."""

    def heard(self, device_id: int, since_resumed: bool) -> LastArrival | None:
        """When a device was heard, counted from the thaw if asked so; None where that says nothing of its family."""

    def evaluate(self, sample: Sample, kind_name: str, now: datetime) -> list[Transition]:
        """Judges a sample, here one of a family."""

    def advance(self, rule: Rule, device_id: int, new: Input, now: datetime) -> list[Transition]:
        """Moves one instance on."""


@dataclass(slots=True)
class GroupSuppression:
    """Looks at families through the eyes of the engine.

    `out` are the families with an open outage, `revisit` those to be looked at, because a child was heard or fell
    silent, and `explained` whose silence each number explains, even if it is in the family no more.
    """

    tree: DeviceGroups
    engine: Judging
    instances: Instances
    out: set[int] = field(default_factory=set)
    revisit: set[int] = field(default_factory=set)
    explained: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def restored(self, state: InstanceState) -> None:
        """Takes over an instance: one that a family explains, or one on a family."""
        if state.parent is not None:
            self.revisit.add(state.parent)
            self.explained[state.parent].add(state.device_id)
        elif state.device_id <= FIRST_GROUP_ID and state.phase in _OPEN:
            self.out.add(state.device_id)
            self.revisit.add(state.device_id)

    def seek(self, state: InstanceState, told: list[Transition], device: Device, now: datetime) -> list[Transition]:
        """Suppresses a silence that is explained: by an alert of the device, or by its family.

        The outage of the family may come to light by it.
        """
        if alert := self._alert_that_explains(device.id):
            self._explain(state, device.id)
            return [suppressed_by_alert(each, alert.title) if each.raises else each for each in told]
        transitions: list[Transition] = []
        group = self._explains(device)
        if group is None and (found := self._found(device, now)):
            group, seen = found
            transitions = self.engine.evaluate(Sample(group.id, now, now, seen.values), DEVICE_GROUP.name, now)
        if group is None or not self.is_active(group):
            return transitions + told
        self._explain(state, group.id)
        return transitions + [suppressed_by_group(each, group.name) if each.raises else each for each in told]

    def _explain(self, state: InstanceState, number: int) -> None:
        self.instances.keep(replace(state, parent=number))
        self.explained[number].add(state.device_id)

    def settle(self, now: datetime) -> list[Transition]:
        """Ends the outages that are over, and lets those who stay silent stand for themselves a period later.

        A report may come as late as the rule for silence allows.
        """
        transitions: list[Transition] = []
        for sample in list(self._back(now)):
            transitions += self.engine.evaluate(sample, DEVICE_GROUP.name, now)
        for orphan in list(self._released()):
            rule = self.engine.rule(orphan.rule)
            if rule and rule.no_data:
                until = now + rule.no_data.period + rule.no_data.jitter
                transitions += self.engine.advance(rule, orphan.device_id, ParentCleared(until), now)
        return transitions

    def _explains(self, device: Device) -> DeviceGroup | None:
        """The family whose outage, known already, explains the silence of a child or of its gateway."""
        led, group = self.tree.group_behind(device), self.tree.group_of(device)
        if led and self._outage(led):
            return led
        return group if group and self.is_active(group) else None

    def _found(self, device: Device, now: datetime) -> tuple[DeviceGroup, Outage] | None:
        """The outage of the family that comes to light because this child of it has fallen silent."""
        group, fallen = self.tree.group_of(device), self.engine.heard(device.id, _SINCE_RESUMED)
        if group is None or fallen is None:
            return None
        others = (self.engine.heard(child, _SINCE_RESUMED) for child in group.children if not self._has_no_data(child))
        seen = detect_outage(fallen, [fallen, *(each for each in others if each)], now)
        if seen is None:
            return None
        self.out.add(group.id)
        return group, seen

    def noticed(self, device: Device) -> None:
        """A child was heard or fell silent: its family is looked at with the next tick."""
        for group in (self.tree.group_of(device), self.tree.group_behind(device)):
            if group:
                self.revisit.add(group.id)

    def _back(self, now: datetime) -> Iterator[Sample]:
        """For each family that was out and of which most are heard again, the sample that says so."""
        for number in sorted(self.revisit):
            group = self.tree.by_id(number)
            state = self._outage(group) if group else None
            if group is None or state is None:
                continue
            found = (self.engine.heard(child, not _SINCE_RESUMED) for child in group.children)
            missing = sum(1 for each in found if each and each.is_overdue(now))
            values = state.inputs.get("values")
            before = values.get("children_silent", 0) if isinstance(values, dict) else 0
            if missing * 2 <= before:
                self.out.discard(number)
                yield Sample(group.id, now, now, {"outage": False, "children_silent": float(missing)})

    def _released(self) -> Iterator[InstanceState]:
        """The silences that nothing explains any more, and which therefore have to stand for themselves soon."""
        for number in sorted(self.revisit):
            if self._explains_still(number):
                continue
            states = (
                state for device in sorted(self.explained.pop(number, ())) for state in self._no_data_states(device)
            )
            held = [state for state in states if state.parent == number]
            if held:
                self.explained[number] = {state.device_id for state in held}
            yield from [state for state in held if state.phase is Phase.ACTIVE and state.deadline is None]
        self.revisit.clear()

    def left(self) -> list[int]:
        """The families with an open outage that have left the registry; all others are looked at with the next tick."""
        gone = [number for number in sorted(self.out) if (group := self.tree.by_id(number)) and not group.children]
        self.revisit |= self.out
        self.out.difference_update(gone)
        return gone

    def still_holds(self, state: InstanceState | None) -> bool:
        """Whether what explained a silence that was to stand for itself is there again."""
        if state is None or state.parent is None or state.phase is not Phase.ACTIVE:
            return False
        return self._explains_still(state.parent)

    def _explains_still(self, number: int) -> bool:
        """Whether the family of that number is out, or the device has an alert that explains its silence."""
        group = self.tree.by_id(number)
        return self.is_active(group) if group else self._alert_that_explains(number) is not None

    def _alert_that_explains(self, device_id: int) -> Rule | None:
        """The rule with an open alert on a device that says why the device is silent."""
        states = self.instances.of(device_id).values()
        holding = [self.engine.rule(each.rule) for each in states if each.phase in _OPEN and each.verdict is not False]
        return next((rule for rule in holding if rule and rule.explains_silence and not rule.shadow), None)

    def is_active(self, group: DeviceGroup) -> bool:
        """Whether the family is silent: by its alert, or because its gateway is."""
        return bool((group.gateway_id is not None and self._has_no_data(group.gateway_id)) or self._outage(group))

    def _outage(self, group: DeviceGroup) -> InstanceState | None:
        return next((state for state in self.instances.of(group.id).values() if state.phase in _OPEN), None)

    def _no_data_states(self, device_id: int) -> list[InstanceState]:
        """The instances on a device that watch for silence, or explain that of its children."""
        ruled = [(state, self.engine.rule(state.rule)) for state in self.instances.of(device_id).values()]
        return [s for s, rule in ruled if rule and not rule.shadow and (rule.no_data or rule.explains_children)]

    def _has_no_data(self, device_id: int) -> bool:
        return any(state.phase in _OPEN and state.verdict is not False for state in self._no_data_states(device_id))
