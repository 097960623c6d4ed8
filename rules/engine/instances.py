"""The instances that are not as they always were, by device, and which of them have changed since they were stored."""

from collections.abc import Mapping
from typing import NamedTuple

from rules.engine.state_machine import InstanceState
from rules.model.rule import Phase

_NONE: Mapping[str, InstanceState] = {}


class InstanceChanges(NamedTuple):
    """What to store: instance states to write, and the (rule, device id) of those to delete."""

    saved: list[InstanceState]
    deleted: list[tuple[str, int]]


class Instances:
    """Where each rule stands on each device."""

    def __init__(self) -> None:
        self._states: dict[int, dict[str, InstanceState]] = {}
        self._changed: set[tuple[str, int]] = set()

    def of(self, device_id: int) -> Mapping[str, InstanceState]:
        """The instances on a device, by rule; read it again after a change."""
        return self._states.get(device_id, _NONE)

    def restore(self, state: InstanceState) -> None:
        """Takes over an instance as it is stored."""
        self._states.setdefault(state.device_id, {})[state.rule] = state

    def keep(self, state: InstanceState) -> None:
        """Notes where an instance stands now; one that is normal and always was leaves nothing."""
        self._changed.add((state.rule, state.device_id))
        states = self._states.setdefault(state.device_id, {})
        states[state.rule] = state
        if state.phase is Phase.NORMAL and not state.sequence:
            del states[state.rule]
            if not states:
                del self._states[state.device_id]

    def drain(self) -> InstanceChanges:
        """The instance states that changed since the last call, in the order of rule and device."""
        keys, self._changed = sorted(self._changed), set()
        found = [((rule, device_id), self.of(device_id).get(rule)) for rule, device_id in keys]
        return InstanceChanges([state for _, state in found if state], [key for key, state in found if state is None])
