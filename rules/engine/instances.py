"""The instances with a state, by device, and the set of changed instances to be stored."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from rules.engine.carry_over import carry_over
from rules.engine.state_machine import InstanceState, Outcome
from rules.model.rule import Phase, Rule

_NONE: Mapping[str, InstanceState] = {}


class InstanceChanges(NamedTuple):
    """Changes to store: states to write, and rule and device of states to delete."""

    saved: list[InstanceState]
    deleted: list[tuple[str, int]]


class Instances:
    """The state of each rule on each device. An instance that is normal, and always was, has none."""

    def __init__(self) -> None:
        self._states: dict[int, dict[str, InstanceState]] = {}
        self._changed: set[tuple[str, int]] = set()

    def of(self, device_id: int) -> Mapping[str, InstanceState]:
        """Return the states of a device by rule; read them again after a change."""
        return self._states.get(device_id, _NONE)

    def restore(self, rule: Rule | None, stored: InstanceState, now: datetime) -> Outcome:
        """Take over a stored state under the rule in force, None for a removed one; see `carry_over`."""
        state, changes = carry_over(rule, stored, now)
        if state is stored:
            self._states.setdefault(state.device_id, {})[state.rule] = state
        else:
            self.put(state)
        return state, changes

    def put(self, state: InstanceState) -> None:
        """Replace the state of an instance, to be stored. Normal without any alert so far removes it."""
        self._changed.add((state.rule, state.device_id))
        states = self._states.setdefault(state.device_id, {})
        states[state.rule] = state
        if state.phase is Phase.NORMAL and not state.sequence and not state.revoked:
            del states[state.rule]
            if not states:
                del self._states[state.device_id]

    def drain(self) -> InstanceChanges:
        """Return the changes since the last call, ordered by rule and device."""
        keys, self._changed = sorted(self._changed), set()
        current = [((rule, device_id), self.of(device_id).get(rule)) for rule, device_id in keys]
        return InstanceChanges(
            [state for _, state in current if state], [key for key, state in current if state is None]
        )
