"""Conversion of rule instances and device states between the engine and their stored rows."""

from datetime import datetime
from typing import Any

from rules.engine.chattering import Chatter
from rules.engine.device_state import DeviceState
from rules.engine.state_machine import InstanceState
from rules.model.device_group import DeviceGroup
from rules.model.rule import Phase
from store.alerts.rule_state import RuleStateRow
from store.telemetry.device_state import DeviceStateRow


def device_state_of(row: DeviceStateRow) -> DeviceState:
    """Return the stored state of a device."""
    return DeviceState(
        device_id=row.device_id,
        last_ts=row.last_ts,
        last_arrival=row.last_arrival,
        event_ts=row.event_ts,
        values=row.values,
        derived=row.derived,
        next_checkpoint=row.next_checkpoint,
    )


def state_row(state: InstanceState, group: DeviceGroup | None = None) -> RuleStateRow:
    """Return the row of an instance, with its device group: the group may leave the registry."""
    memory: dict[str, Any] = {
        "verdict": state.verdict,
        "last_ts": state.last_ts and state.last_ts.isoformat(),
        "opened_at": state.opened_at and state.opened_at.isoformat(),
        "inputs": state.inputs,
        "parent": state.parent,
        "words": state.text_hash,
        "shadow": state.shadow,
        "chatter": [state.chatter.doublings, *map(datetime.isoformat, state.chatter.raised)],
    }
    if state.raised_late:
        memory["raised_late"] = True
    if state.revoked:
        memory["revoked"] = state.revoked
    if group:
        memory["family"] = group._replace(gateway_id=None, children=())
    return RuleStateRow(
        state.rule,
        state.device_id,
        state.rule_version,
        state.phase,
        state.since,
        state.deadline,
        state.sequence,
        memory,
    )


def stored_group(row: RuleStateRow) -> DeviceGroup | None:
    """Return the device group of a stored instance, without its children; None for an instance of a device."""
    stored = row.memory.get("family")
    return DeviceGroup(*stored)._replace(children=()) if stored else None


def state_of(row: RuleStateRow) -> InstanceState:
    """Return the instance of a stored row."""
    return InstanceState(
        rule=row.rule,
        rule_version=row.rule_version,
        device_id=row.device_id,
        phase=Phase(row.phase),
        since=row.since,
        deadline=row.deadline,
        verdict=row.memory["verdict"],
        last_ts=_instant(row.memory["last_ts"]),
        sequence=row.sequence,
        opened_at=_instant(row.memory["opened_at"]),
        inputs=row.memory["inputs"],
        parent=row.memory.get("parent"),
        text_hash=row.memory.get("words"),
        shadow=row.memory.get("shadow", False),
        raised_late=row.memory.get("raised_late", False),
        revoked=tuple(row.memory.get("revoked", ())),
        chatter=_chatter(*row.memory.get("chatter", [0])),
    )


def _chatter(doublings: int, *raised: str) -> Chatter:
    return Chatter(tuple(map(datetime.fromisoformat, raised)), doublings)


def _instant(text: Any) -> datetime | None:  # noqa: ANN401
    return None if text is None else datetime.fromisoformat(text)
