"""Alerts out of the engine's transitions: rows, suppressions, steps and notice jobs, in the caller's transaction."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from devices.device import Device
from ingest.instance_rows import state_row
from rules.engine.instances import InstanceChanges
from rules.engine.state_machine import Reason
from rules.engine.transition import Suppression, Transition
from rules.model.device_group import DeviceGroups
from rules.model.rule import OPEN_PHASES, Severity
from store.alerts.alerts import (
    LATE,
    AlertText,
    NewAlert,
    move_alert,
    progress_alert,
    raise_alert,
    remove_alerts,
    reword_alert,
    set_other_alerts_aside,
)
from store.alerts.attention import renew_attention
from store.alerts.rule_state import delete_rule_states, save_rule_states
from store.alerts.shadow import insert_shadow_transitions
from store.alerts.suppression import Cause, CauseName, causes_of, release, suppress
from store.alerts.transitions import LockedConnection, TransitionRow, alert_lock, insert_transitions
from store.database import Connection
from store.notices.enqueue import defer_notice_job

# The wait before an alert that was raised late is notified: its end may be in the data that follow.
_LATE_NOTICE = timedelta(minutes=1)


def save_instances(connection: Connection, changes: InstanceChanges, groups: DeviceGroups) -> None:
    """Store the instances of rules that changed, and delete those of rules that are gone."""
    if changes.saved:
        save_rule_states(connection, [state_row(state, groups.by_id(state.device_id)) for state in changes.saved])
    if changes.deleted:
        delete_rule_states(connection, changes.deleted)


def write_alerts(
    connection: Connection, transitions: list[Transition], device_by_id: Callable[[int], Device]
) -> list[Transition]:
    """Store transitions with the alerts that they raise or change, and enqueue their notices.

    Returns:
        The transitions of rules in force; those of rules on trial are stored apart.
    """
    if shadows := [transition for transition in transitions if transition.shadow]:
        insert_shadow_transitions(connection, [(_shadow_row(each), _text(each)) for each in shadows])
    in_force = [transition for transition in transitions if not transition.shadow]
    if not in_force:
        return []
    with alert_lock(connection) as locked:
        # Sent without waiting for each answer: in a storm of alerts round trips would take most of the time.
        with locked.pipeline():
            for transition in in_force:
                _write_alert(locked, transition, device_by_id)
        _suppress(locked, in_force)
        _release(locked, in_force)
        causes = causes_of(locked, _alert_ids(in_force), in_force[-1].decided_at)
        insert_transitions(locked, [_transition_row(transition, causes) for transition in in_force])
        if revoked := _alert_ids(each for each in in_force if each.reason is Reason.REVOKED):
            remove_alerts(locked, revoked)
    _enqueue_notices(connection, [transition for transition in in_force if _may_notify(transition)])
    return in_force


def _write_alert(connection: LockedConnection, transition: Transition, device_by_id: Callable[[int], Device]) -> None:
    """Raise or change one alert. In order: an alert may be raised, end and be followed by the next in one batch."""
    if transition.alert_id is None:
        return
    if transition.reason in {Reason.REORDERED, Reason.REWOUND}:
        set_other_alerts_aside(connection, transition.alert_id)
    if transition.raises:
        device = device_by_id(transition.device_id)
        raise_alert(connection, _alert_row(transition.alert_id, transition, device))
    elif transition.reason is Reason.REORDERED:
        move_alert(connection, transition.alert_id, transition.at, _text(transition))
    elif transition.reason in {Reason.REWORDED, Reason.RECOUNTED}:
        reword_alert(connection, transition.alert_id, _text(transition))
    else:
        is_open = transition.to_phase in OPEN_PHASES
        process = transition.to_phase.value if is_open else "ended"
        progress_alert(connection, transition.alert_id, process, None if is_open else transition.at)
        if transition.returns:
            reword_alert(connection, transition.alert_id, _text(transition))
            renew_attention(connection, transition.alert_id, transition.decided_at)


def _suppress(connection: LockedConnection, transitions: list[Transition]) -> None:
    """Store the causes that suppress newly raised alerts, one statement for all alerts with the same cause."""
    alert_ids_by_cause: defaultdict[tuple[Suppression, datetime], list[UUID]] = defaultdict(list)
    for transition in transitions:
        if alert_id := transition.alert_id:
            for suppressed in transition.suppressed:
                alert_ids_by_cause[suppressed, transition.decided_at].append(alert_id)
    for ((cause, until, detail), since), alert_ids in alert_ids_by_cause.items():
        suppress(connection, alert_ids, CauseName(cause), since=since, until=until, detail=detail)


def _release(connection: LockedConnection, transitions: list[Transition]) -> None:
    """End the suppression of alerts after their parent alert has cleared."""
    for transition in transitions:
        if transition.alert_id and transition.reason is Reason.PARENT:
            at = transition.decided_at
            release(connection, [transition.alert_id], CauseName.CAUSED_BY_PARENT, at=at)


def _enqueue_notices(connection: Connection, transitions: list[Transition]) -> None:
    if at_once := _alert_ids(transition for transition in transitions if not _may_be_over(transition)):
        defer_notice_job(connection, at_once)
    if later := _alert_ids(transition for transition in transitions if _may_be_over(transition)):
        defer_notice_job(connection, later, transitions[-1].decided_at + _LATE_NOTICE)


def _may_notify(transition: Transition) -> bool:
    """Return whether the transition may cause a notice: raised, back, ended, released from its parent, or reworded."""
    is_open = transition.to_phase in OPEN_PHASES
    begins_or_ends = (transition.from_phase in OPEN_PHASES) != is_open
    return begins_or_ends or transition.returns or transition.reason in {Reason.PARENT, Reason.REWORDED}


def _may_be_over(transition: Transition) -> bool:
    """Return whether an alert was raised so late that its end may be in the data that follow."""
    late = transition.decided_at - transition.at > LATE
    return transition.raises and late and transition.severity is not Severity.CRITICAL


def _alert_ids(transitions: Iterable[Transition]) -> list[UUID]:
    return list(dict.fromkeys(each.alert_id for each in transitions if each.alert_id))


def _registered_device_id(transition: Transition) -> int | None:
    return transition.device_id if transition.device_id > 0 else None


def _alert_row(alert_id: UUID, transition: Transition, device: Device) -> NewAlert:
    return NewAlert(
        id=alert_id,
        rule=transition.rule,
        rule_version=transition.rule_version,
        device_id=_registered_device_id(transition),
        sequence=transition.sequence,
        community=device.community or None,
        kind=device.kind,
        severity=transition.severity,
        title=transition.title,
        message=transition.message,
        advice=transition.advice,
        opened_at=transition.at,
        raised_at=transition.decided_at,
        simulated=device.simulated,
        partition=max(0, -transition.device_id),
        chattering=transition.chattering,
        building=None if transition.device_id > 0 else device.building or None,
    )


def _text(transition: Transition) -> AlertText:
    return AlertText(transition.severity, transition.title, transition.message, transition.advice)


def _shadow_row(transition: Transition) -> TransitionRow:
    return replace(_transition_row(transition, {}), device_id=transition.device_id)


def _transition_row(transition: Transition, causes: Mapping[UUID, tuple[Cause, ...]]) -> TransitionRow:
    suppressing = causes.get(transition.alert_id, ()) if transition.alert_id else ()
    return TransitionRow(
        alert_id=transition.alert_id,
        rule=transition.rule,
        rule_version=transition.rule_version,
        device_id=_registered_device_id(transition),
        sequence=transition.sequence,
        axis="process",
        from_state=transition.from_phase,
        to_state=transition.to_phase,
        at=transition.at,
        decided_at=transition.decided_at,
        reason=transition.reason,
        inputs=transition.inputs,
        suppressions=sorted({cause.name for cause in suppressing}),
    )
