"""Chinese labels of kinds, events and values, looked up in the catalogue of device kinds."""

from devices.kind import Choice, Flag, Value
from devices.kind import Field as KindField
from rules.model.labels_zh import CONNECTION_EVENT, FLAG
from rules.model.virtual_kinds import RULE_KINDS


def kind_label(kind: str) -> str:
    """Return the Chinese name of a kind, or its own name where this version does not know it."""
    definition = RULE_KINDS.get(kind)
    return definition.zh if definition else kind


def event_label(kind: str, event: str) -> str:
    """Return the Chinese name of an event; the connection events belong to every kind."""
    definition = RULE_KINDS.get(kind)
    known_event = definition.event(event) if definition else None
    return known_event.zh if known_event else CONNECTION_EVENT.get(event, event)


def value_label(field: KindField, value: Value) -> str | None:
    """Return the Chinese label of a state, or None for a number or a text."""
    match field:
        case Choice(choices=choices):
            return choices.get(str(value))
        case Flag():
            return FLAG[bool(value)]
        case _:
            return None
