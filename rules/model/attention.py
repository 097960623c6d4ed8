"""The attention axis of an alert: the work of people on it, independent of its condition."""

from enum import StrEnum

from rules.model.labels_zh import ACT, ATTENTION
from rules.model.rule import RulesError


class Attention(StrEnum):
    """State of the work on an alert."""

    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Action(StrEnum):
    """Action of a person on an alert; `close` files it once it is resolved or over."""

    ACKNOWLEDGE = "acknowledge"
    ASSIGN = "assign"
    START = "start"
    RESOLVE = "resolve"
    CLOSE = "close"


class AttentionError(RulesError):
    """The action is not possible in the state of the alert; the message is for the person who tried."""


LEADS_TO = {
    Action.ACKNOWLEDGE: Attention.ACKNOWLEDGED,
    Action.ASSIGN: Attention.ASSIGNED,
    Action.START: Attention.IN_PROGRESS,
    Action.RESOLVE: Attention.RESOLVED,
    Action.CLOSE: Attention.CLOSED,
}
"""The state after each action."""
_ALLOWED = {
    Attention.UNACKNOWLEDGED: (Action.ACKNOWLEDGE, Action.ASSIGN, Action.START, Action.RESOLVE),
    Attention.ACKNOWLEDGED: (Action.ASSIGN, Action.START, Action.RESOLVE, Action.CLOSE),
    Attention.ASSIGNED: (Action.ASSIGN, Action.START, Action.RESOLVE, Action.CLOSE),
    Attention.IN_PROGRESS: (Action.ASSIGN, Action.RESOLVE, Action.CLOSE),
    Attention.RESOLVED: (Action.CLOSE,),
    Attention.CLOSED: (),
}


def possible_actions(state: Attention) -> tuple[Action, ...]:
    """Return the actions that a state allows, in the order of the work."""
    return _ALLOWED[state]


def next_attention(state: Attention, action: Action) -> Attention:
    """Return the state after an action. An assigned alert may be assigned again, to another person.

    Raises:
        AttentionError: The action is not possible in this state.
    """
    allowed = _ALLOWED[state]
    if action in allowed:
        return LEADS_TO[action]
    possible = "、".join(f"“{ACT[one]}”" for one in allowed)
    advice = f"可以{possible}" if possible else "如问题再次出现，系统会产生新的报警"
    raise AttentionError(f"报警{ATTENTION[state]}，不能再“{ACT[action]}”；{advice}。")
