"""Reasons for which the rules raised an alert, in Chinese sentences made of the data stored with the decision."""

from collections.abc import Sequence

from rules.analysis.explain import ProcessTransition, explain
from rules.model.rule import Phase
from store.alerts.transitions import StoredTransition


def explain_step(step: StoredTransition, kind: str) -> tuple[str, ...]:
    """Return the explanation of a decision of a rule about a device of that kind; of a person's step none."""
    if step.axis != "process":
        return ()
    return explain(
        ProcessTransition(
            kind=kind, from_phase=step.from_state, to_phase=step.to_state, at=step.at, reason=step.reason,
            inputs=step.inputs,
        )
    )  # fmt: skip


def reasons_of(steps: Sequence[StoredTransition], kind: str) -> tuple[str, ...]:
    """Return the explanation of the first step that raised the alert."""
    raised = next((step for step in steps if step.axis == "process" and step.to_state == Phase.ACTIVE), None)
    return explain_step(raised, kind) if raised else ()
