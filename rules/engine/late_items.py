"""Evaluation of late items that can't be placed in event time, at their arrival."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from rules.engine.device_state import LiveState, last_values
from rules.engine.item_evaluation import ItemEvaluation, has_newer_event
from rules.engine.reorder import advanced_to, is_misdated, newest_time, states_by_event_time
from rules.engine.state_machine import NewVerdict, Reason
from rules.engine.transition import Transition, describe_sample
from rules.model.rule import UNCLEARED_PHASES, Rule, Severity
from rules.model.sample import Sample


class LateItems(NamedTuple):
    """The late items of devices.

    Attributes:
        items: The evaluation of items in their order.
        rules: The rules by name.
    """

    items: ItemEvaluation
    rules: Mapping[str, Rule]

    def advanced_to(self, device_id: int) -> datetime:
        """Return the time to which timers have advanced the instances of a device; an earlier item comes late."""
        return advanced_to(states_by_event_time(self.items.instances.of(device_id), self.rules).values())

    def evaluate_at_arrival(
        self,
        item: Sample,
        live: LiveState,
        now: datetime,
        only: frozenset[str] | None = None,
        *,
        undated: bool = False,
    ) -> list[Transition]:
        """Evaluate an item that can't be placed in event time, by all rules or `only` some.

        Telemetry counts for critical rules alone. For `only` some rules it has to be the newest, since newer telemetry
        tells how things stand. An event counts at its own time where no newer one of its rule is known. Otherwise
        critical and latching rules are raised at its arrival: a wrong clock of a meter hides no leak. An `undated` one,
        whose time is that of its arrival, counts in no other way.
        """
        if item.event is None:
            is_outdated = only is not None and live.last_ts is not None and item.ts < live.last_ts
            return [] if is_outdated else self._raise_by_telemetry(item, live, now, only)
        transitions: list[Transition] = []
        ordinary: list[Rule] = []
        newest = live.event_ts.get(item.event)
        has_newer = undated or (newest is not None and newest > item.ts)
        for rule in live.rules.events.get(item.event, ()):
            if only is not None and rule.name not in only:
                continue
            if self._counts_at_arrival(rule, item, item.event, live, has_newer=has_newer):
                inputs = _inputs_at_arrival(rule, item, live)
                new = NewVerdict(item.received_at, rule.event_verdicts[item.event], Reason.EVENT, inputs)
                transitions += self.items.apply(rule, item.device_id, new, now)
            elif not has_newer:
                ordinary.append(rule)
        if ordinary:
            transitions += self.items.evaluate_event(item, ordinary, live, now)
        return transitions

    def _raise_by_telemetry(
        self, item: Sample, live: LiveState, now: datetime, only: frozenset[str] | None
    ) -> list[Transition]:
        transitions: list[Transition] = []
        for name, when, compiled in live.rules.telemetry:
            if only is not None and name not in only:
                continue
            rule, state = compiled.rule, self.items.instances.of(item.device_id).get(name)
            if rule.severity is not Severity.CRITICAL or rule.on_delay or when is None or not when(item.values):
                continue
            if (state and state.phase in UNCLEARED_PHASES) or (rule.schedule and not rule.schedule.is_open(item.ts)):
                continue
            inputs = _inputs_at_arrival(rule, item, live)
            new = NewVerdict(item.received_at, True, Reason.CONDITION, inputs)
            transitions += self.items.apply(rule, item.device_id, new, now)
        return transitions

    def _counts_at_arrival(self, rule: Rule, item: Sample, event: str, live: LiveState, *, has_newer: bool) -> bool:
        """Return whether an event counts at its arrival: its own time would lose it, or its rule was raised so."""
        if not rule.event_verdicts[event]:
            state = self.items.instances.of(item.device_id).get(rule.name)
            inputs = state.inputs if state and state.verdict else {}
            return "counted_at" in inputs and item.ts.isoformat() >= str(inputs["ts"])
        if rule.repeat_conditions.get(event) or not (rule.latch or rule.severity is Severity.CRITICAL):
            return False
        return (
            has_newer
            or has_newer_event(rule, item, live)
            or is_misdated(item, newest_time(live.last_ts, live.event_ts.values()))
        )


def _inputs_at_arrival(rule: Rule, item: Sample, live: LiveState) -> dict[str, object]:
    inputs = describe_sample(rule, item, last_values(live))
    return {**inputs, "counted_at": item.received_at.isoformat()}
