"""The rules engine between what is stored: restored from rows, shown what is new, its results turned into rows."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from ingest.alert_writer import family_of, state_of, state_row
from ingest.batch import Candidate
from ingest.partition import Partition
from ingest.registry_cache import DevicesInMemory
from rules.engine.device_state import DeviceState
from rules.engine.engine import Engine
from rules.engine.state_machine import Reason
from rules.engine.timers import Clock
from rules.engine.transition import Suppressed, Transition
from rules.model.device_group import FIRST
from rules.model.rule import Phase, RulePack, Severity
from rules.model.sample import Sample
from rules.model.virtual_kinds import PIPELINE
from store.alerts.rule_state import (
    LATE,
    AlertText,
    NewAlert,
    RuleCommand,
    delete_commands,
    delete_rule_states,
    load_rule_states,
    pending_commands,
    progress_alert,
    raise_alert,
    reword_alert,
    save_rule_states,
)
from store.alerts.service_state import update_out_of_service
from store.alerts.shadow import ShadowRow, insert_shadow_transitions
from store.alerts.suppression import Cause, CauseName, causes_of, release, suppress
from store.alerts.transitions import TransitionRow, insert_transitions, lock_transitions
from store.database import Connection
from store.notices.jobs import defer_notice_job
from store.notices.notices import any_undelivered
from store.telemetry.device_state import load_device_states

# So long after the last notice that could not be delivered, an alert of our own says so.
_UNDELIVERED = timedelta(hours=1)
# So long people are not told of what was raised late: the end of it may be in the data that follow.
_UNTIL_ALL_IS_IN = timedelta(minutes=1)
_OPEN = {Phase.ACTIVE, Phase.RECOVERING, Phase.LATCHED}


class Judge:
    """One engine over all devices of a partition, and the database's record of what it decides."""

    def __init__(
        self, pack: RulePack, devices: DevicesInMemory, partition: Partition, now: datetime, clock: Clock | None = None
    ) -> None:
        """Judge by a pack of rules; `clock` is that of the judge whose place this one takes, if there was one."""
        self._engine = Engine(pack, now, devices.by_id, devices.below, families=devices.families, clock=clock)
        self._devices = devices
        self._pipelines = {-partition.number}
        self._registry = devices.version

    @property
    def clock(self) -> Clock:
        """For the judge that goes on in its place, by other rules."""
        return self._engine.clock

    def restore(self, connection: Connection, now: datetime) -> None:
        """Go on where the last one stopped; what a changed rule ends is stored in the same transaction."""
        communities = self._devices.communities
        stored = list(load_rule_states(connection, communities))
        for family in filter(None, map(family_of, stored)):
            if family.community in communities:
                self._devices.families.recall(family)
        states = [state_of(row) for row in stored if self._devices.has(row.device_id)]
        memories = (DeviceState(*memory) for memory in load_device_states(connection, communities))
        self._pipelines |= {state.device_id for state in states if FIRST < state.device_id <= 0}
        transitions = self._engine.restore(states, memories, now)
        self._save(connection, transitions + self._settle_services(connection, now))

    def judge(self, connection: Connection, candidates: Iterable[Candidate], now: datetime) -> list[Transition]:
        """Show the rules what is new, in order of arrival, and store what they decide."""
        transitions: list[Transition] = []
        for kind, sample, _ in candidates:
            transitions += self._engine.evaluate(sample, kind, now)
        return self._save(connection, transitions)

    def tick(self, connection: Connection, now: datetime, *, live: bool) -> list[Transition]:
        """Let time pass, carry out what people decided, and judge ingest itself by the same rules."""
        transitions: list[Transition] = []
        for number in sorted(self._pipelines):
            values = {"behind": not live}
            if number == 0:
                values["undelivered"] = any_undelivered(connection, now - _UNDELIVERED)
            transitions += self._engine.evaluate(Sample(number, now, now, values), PIPELINE.name, now)
        commands = [each for each in pending_commands(connection) if self._devices.has(each.device_id)]
        for command in commands:
            transitions += self._carry_out(command, now)
        if commands:
            delete_commands(connection, [command.id for command in commands])
        if self._devices.version != self._registry:
            transitions += self._settle_services(connection, now)
        transitions += self._engine.tick(now, live)
        return self._save(connection, transitions)

    def _settle_services(self, connection: Connection, now: datetime) -> list[Transition]:
        """Take over which devices are in service, from the registry that has changed."""
        self._registry = self._devices.version
        back = update_out_of_service(connection, self._devices.communities, now)
        if back:
            defer_notice_job(connection, sorted(back))
        return self._engine.settle_services(now)

    def drain_device_states(self) -> Iterator[DeviceState]:
        """What has changed of the devices that were judged since the last call, by device; take it at once."""
        return self._engine.drain_device_states()

    def _carry_out(self, command: RuleCommand, now: datetime) -> list[Transition]:
        """What is decided about an occurrence that has ended meanwhile says nothing about the one that followed."""
        state = self._engine.instance(command.rule, command.device_id)
        if state is None or command.sequence not in {None, state.sequence}:
            return []
        return self._engine.close(command.rule, command.device_id, now, command.actor)

    def _save(self, connection: Connection, found: list[Transition]) -> list[Transition]:
        """Store what has changed and what was found; the transitions that concern anybody come back."""
        changes, families = self._engine.drain_changes(), self._devices.families
        if changes.saved:
            save_rule_states(connection, [state_row(state, families.by_id(state.device_id)) for state in changes.saved])
        if changes.deleted:
            delete_rule_states(connection, changes.deleted)
        if shadows := [_shadow_row(transition) for transition in found if transition.shadow]:
            insert_shadow_transitions(connection, shadows)
        transitions = [transition for transition in found if not transition.shadow]
        if not transitions:
            return []
        lock_transitions(connection)
        # Sent without waiting for each answer: in a storm of alerts the way there and back would take most of the time.
        with connection.pipeline():
            for transition in transitions:
                self._save_alert(connection, transition)
        _suppress(connection, transitions)
        _release(connection, transitions)
        causes = causes_of(connection, _alerts_of(transitions), transitions[-1].decided_at)
        insert_transitions(connection, [_transition_row(transition, causes) for transition in transitions])
        told = [transition for transition in transitions if _is_told(transition)]
        if at_once := _alerts_of(transition for transition in told if not _may_be_over(transition)):
            defer_notice_job(connection, at_once)
        if later := _alerts_of(transition for transition in told if _may_be_over(transition)):
            defer_notice_job(connection, later, told[-1].decided_at + _UNTIL_ALL_IS_IN)
        return transitions

    def _save_alert(self, connection: Connection, transition: Transition) -> None:
        """One by one, in order: an occurrence may be raised, end and be followed by the next in one batch."""
        if transition.alert_id is None:
            return
        if transition.raises:
            raise_alert(connection, self._new_alert(transition.alert_id, transition))
        elif transition.reason is Reason.REWORDED:
            words = AlertText(transition.severity, transition.title, transition.message, transition.advice)
            reword_alert(connection, transition.alert_id, words)
        else:
            still_open = transition.to_phase in _OPEN
            process = transition.to_phase.value if still_open else "ended"
            progress_alert(connection, transition.alert_id, process, None if still_open else transition.at)

    def _new_alert(self, alert_id: UUID, transition: Transition) -> NewAlert:
        device = self._devices.by_id(transition.device_id)
        return NewAlert(
            id=alert_id,
            rule=transition.rule,
            rule_version=transition.rule_version,
            device_id=_device_number(transition),
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


def _is_told(transition: Transition) -> bool:
    """Whether people may have to be told: it was raised, has ended, stands for itself now, or has other words."""
    return transition.reason in {Reason.PARENT, Reason.REWORDED} or (transition.from_phase in _OPEN) != (
        transition.to_phase in _OPEN
    )


def _suppress(connection: Connection, transitions: list[Transition]) -> None:
    """Write down why nobody is notified of what was just raised, together for all with the same reason."""
    found: defaultdict[tuple[Suppressed, datetime], list[UUID]] = defaultdict(list)
    for transition in transitions:
        if alert_id := transition.alert_id:
            for suppressed in transition.suppressed:
                found[suppressed, transition.decided_at].append(alert_id)
    for ((cause, until, detail), since), alert_ids in found.items():
        suppress(connection, alert_ids, CauseName(cause), since=since, until=until, detail=detail)


def _release(connection: Connection, transitions: list[Transition]) -> None:
    """End the suppression of what nothing explains any more."""
    for transition in transitions:
        if transition.alert_id and transition.reason is Reason.PARENT:
            at = transition.decided_at
            release(connection, [transition.alert_id], CauseName.CAUSED_BY_PARENT, at=at)


def _may_be_over(transition: Transition) -> bool:
    """Whether an occurrence was raised so late that its end may be in the data that follow it."""
    late = transition.decided_at - transition.at > LATE
    return transition.raises and late and transition.severity is not Severity.CRITICAL


def _alerts_of(transitions: Iterable[Transition]) -> list[UUID]:
    return list(dict.fromkeys(each.alert_id for each in transitions if each.alert_id))


def _device_number(transition: Transition) -> int | None:
    return transition.device_id if transition.device_id > 0 else None


def _shadow_row(transition: Transition) -> ShadowRow:
    return ShadowRow(
        occurrence_id=transition.alert_id,
        rule=transition.rule,
        rule_version=transition.rule_version,
        device_id=transition.device_id,
        sequence=transition.sequence,
        from_state=transition.from_phase,
        to_state=transition.to_phase,
        at=transition.at,
        decided_at=transition.decided_at,
        reason=transition.reason,
        severity=transition.severity,
        title=transition.title,
        message=transition.message,
        inputs=transition.inputs,
    )


def _transition_row(transition: Transition, causes: Mapping[UUID, tuple[Cause, ...]]) -> TransitionRow:
    suppressing = causes.get(transition.alert_id, ()) if transition.alert_id else ()
    return TransitionRow(
        alert_id=transition.alert_id,
        rule=transition.rule,
        rule_version=transition.rule_version,
        device_id=_device_number(transition),
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
