"""Transfer of an instance to a changed or removed rule."""

from dataclasses import replace
from datetime import datetime

from rules.engine.state_machine import InstanceState, Outcome, PhaseChange, Reason, new_instance, not_before
from rules.model.rule import Phase, Rule, Severity


def carry_over(rule: Rule | None, state: InstanceState, now: datetime) -> Outcome:
    """Apply a reload to a stored instance; `rule` is None where the rule has been removed.

    With the same logic the state stays, and an open alert takes over other texts. With another logic the state returns
    to normal. The number of its alerts stays, so that alert ids never recur. An instance of a rule that has become
    critical is no longer muted.
    """
    if rule is None or rule.version != state.rule_version:
        return _reset(rule, state, now)
    if state.phase is Phase.MUTED and rule.severity is Severity.CRITICAL:
        return replace(state, phase=Phase.NORMAL), ()
    if state.opened_at is None or state.text_hash == rule.text_hash:
        return state, ()
    reworded = replace(state, text_hash=rule.text_hash)
    change = PhaseChange(state.phase, not_before(state, now), Reason.REWORDED, reworded)
    return reworded, () if state.text_hash is None else (change,)


def _reset(rule: Rule | None, state: InstanceState, now: datetime) -> Outcome:
    if rule is None:
        reset = InstanceState(state.rule, state.rule_version, state.device_id)
    else:
        reset = new_instance(rule, state.device_id)
    reset = replace(reset, since=now, sequence=state.sequence)
    if state.phase is Phase.NORMAL:
        return reset, ()
    change = PhaseChange(
        state.phase, now, Reason.RULE_CHANGED, replace(reset, inputs=state.inputs, shadow=state.shadow)
    )
    return reset, (change,)
