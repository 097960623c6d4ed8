"""Reconciliation of a replay: the transitions that lead from the history as recorded to the history as it was.

Both histories begin at the same checkpoint. What they have in common stays. An alert of both takes its new times; one
that only the recorded history has is revoked; one that only the new history has is raised.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from rules.engine.state_machine import Reason
from rules.engine.transition import Transition
from rules.model.rule import Phase


def reconcile(recorded: Sequence[Transition], replayed: Sequence[Transition], now: datetime) -> list[Transition]:
    """Return the transitions to add to those of one instance, and to its alerts.

    Args:
        recorded: The transitions so far, since a checkpoint.
        replayed: The transitions in the true order, since the same checkpoint.
        now: The time of the decision.
    """
    common = 0
    for one, other in zip(recorded, replayed, strict=False):
        if _outcome(one) != _outcome(other):
            break
        common += 1
    old, new = recorded[common:], list(replayed[common:])
    if not old:
        return new
    phase = old[0].from_phase
    last_of = {each.alert_id: each for each in old}
    raised_before = {each.alert_id for each in old if each.raises}
    raised_now = {each.alert_id for each in new if each.raises}
    added: list[Transition] = []
    for alert_id, last in last_of.items():
        if alert_id is None or alert_id not in raised_before:
            if last.to_phase is not phase and (alert_id or len(last_of) == 1):
                added.append(_back_to(last, phase, Reason.REWOUND, now))
        elif alert_id not in raised_now:
            added.append(_back_to(last, Phase.NORMAL, Reason.REVOKED, now))
    for each in new:
        if each.raises and each.alert_id in raised_before:
            before = last_of[each.alert_id].to_phase
            added.append(replace(each, from_phase=before, reason=Reason.REORDERED, suppressed=()))
        else:
            added.append(each)
    return added


def revoked_sequences(transitions: Sequence[Transition]) -> set[int]:
    """Return the numbers of the alerts that these transitions withdraw."""
    return {each.sequence for each in transitions if each.reason is Reason.REVOKED}


def _outcome(transition: Transition) -> tuple[Phase, Phase, datetime, int]:
    return transition.from_phase, transition.to_phase, transition.at, transition.sequence


def _back_to(last: Transition, phase: Phase, reason: Reason, now: datetime) -> Transition:
    return replace(
        last, from_phase=last.to_phase, to_phase=phase, reason=reason, decided_at=now, chattering=False, suppressed=()
    )
