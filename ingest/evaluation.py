"""Evaluation of the rules over stored data: the engine, restored from rows and fed with new samples."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from devices.kind import Value
from ingest.alert_writer import save_instances, write_alerts
from ingest.batch import Candidate
from ingest.erased import ErasedMeanwhileError
from ingest.instance_rows import device_state_of, state_of, stored_group
from ingest.partition import Partition
from ingest.registry_cache import RegistryCache
from ingest.stored_journal import StoredJournal
from rules.engine.device_state import DeviceState
from rules.engine.engine import Engine
from rules.engine.timers import Clock
from rules.engine.transition import Transition
from rules.model.device_group import FIRST_GROUP_ID
from rules.model.rule import RulePack
from rules.model.sample import Sample
from rules.model.virtual_kinds import PIPELINE
from store.admin.erasure import Erasures, load_erasures
from store.alerts.attention import RuleCommand, delete_commands, pending_commands
from store.alerts.rule_state import load_rule_states
from store.alerts.suppression import update_out_of_service
from store.alerts.transitions import alert_lock
from store.database import Connection
from store.notices.delivery import any_undelivered
from store.notices.enqueue import defer_notice_job
from store.telemetry.device_state import load_device_states

# The age of an undelivered notice from which on an alert of Anju itself is raised.
_UNDELIVERED = timedelta(hours=1)


class Evaluation:
    """One engine over all devices of a partition, and the database's record of its decisions."""

    def __init__(
        self,
        pack: RulePack,
        registry: RegistryCache,
        partition: Partition,
        now: datetime,
        clock: Clock | None = None,
        *,
        is_spooled: Callable[[int], bool] = lambda _: False,
    ) -> None:
        """Evaluate by a pack of rules; `clock` is that of the evaluation that this one replaces, if there was one.

        `is_spooled` returns whether data of a device waits in the spool: then it has sent some, whatever is stored.
        """
        self._journal = StoredJournal(pack)
        self._engine = Engine(
            pack,
            now,
            registry.by_id,
            registry.submeters_of,
            groups=registry.groups,
            clock=clock,
            spooled=is_spooled,
            journal=self._journal,
        )
        self._registry = registry
        self._pipelines = {-partition.number}
        self._registry_version = registry.version
        self._newest_erasure = 0

    @property
    def clock(self) -> Clock:
        """The clock for the evaluation that replaces this one under changed rules."""
        return self._engine.clock

    def restore(self, connection: Connection, now: datetime) -> None:
        """Load the stored state; alerts that a changed rule ends are written in the same transaction."""
        self._newest_erasure = load_erasures(connection).newest
        communities = self._registry.communities
        stored = list(load_rule_states(connection, communities))
        for group in filter(None, map(stored_group, stored)):
            if group.community in communities:
                self._registry.groups.remember(group)
        states = [state_of(row) for row in stored if self._registry.has(row.device_id)]
        device_states = map(device_state_of, load_device_states(connection, communities))
        self._pipelines |= {state.device_id for state in states if FIRST_GROUP_ID < state.device_id <= 0}
        transitions = self._engine.restore(states, device_states, now)
        self._save(connection, transitions + self._update_services(connection, now))

    def load_erasures(self, connection: Connection) -> Erasures:
        """Return the requests to erase data that are in force.

        Raises:
            ErasedMeanwhileError: there is one that this evaluation does not know.
        """
        erasures = load_erasures(connection)
        if erasures.newest > self._newest_erasure:
            raise ErasedMeanwhileError
        return erasures

    def community_of(self, device_id: int) -> str:
        """Return the community of a device."""
        return self._registry.by_id(device_id).community

    def evaluate(
        self,
        connection: Connection,
        candidates: Iterable[Candidate],
        now: datetime,
        undated: Iterable[Candidate] = (),
    ) -> list[Transition]:
        """Evaluate the rules on new samples, given in the order of arrival, and store the transitions.

        Samples that come late wait for the end of the batch, with all that follow of their devices. So do `undated`
        ones, which are not stored: their own time cannot be used.
        """
        transitions: list[Transition] = []
        late: dict[int, tuple[str, list[Sample]]] = {}
        for kind, sample, _ in candidates:
            if late and (waiting := late.get(sample.device_id)):
                waiting[1].append(sample)
                continue
            new = self._engine.evaluate_next(sample, kind, now)
            if new is None:
                late[sample.device_id] = kind, [sample]
            else:
                transitions += new
        if late:
            recent = self._journal.load(connection, late)
            for device_id, (kind, samples) in late.items():
                transitions += self._engine.evaluate_late(samples, kind, recent.get(device_id), now)
        for kind, sample, _ in undated:
            transitions += self._engine.evaluate_undated(sample, kind, now)
        return self._save(connection, transitions)

    def tick(
        self, connection: Connection, now: datetime, *, caught_up: bool, refused_devices: str = "", lost_span: str = ""
    ) -> list[Transition]:
        """Let time pass, carry out the commands of people, and evaluate ingest itself by the same rules.

        Args:
            connection: the connection, inside the caller's transaction.
            now: the present.
            caught_up: whether no message waits.
            refused_devices: the names of the devices whose messages were refused a short time ago, for people.
            lost_span: the time whose messages the broker has lost with a session, for people.

        Raises:
            ErasedMeanwhileError: the evaluation has to be restored from the database.
        """
        self.load_erasures(connection)
        transitions: list[Transition] = []
        for number in sorted(self._pipelines):
            values: dict[str, Value] = {"behind": not caught_up, "refused": bool(refused_devices)}
            if refused_devices:
                values["refused_devices"] = refused_devices
            values["session_lost"] = bool(lost_span)
            if lost_span:
                values["lost_span"] = lost_span
            if number == 0:
                values["undelivered"] = any_undelivered(connection, now - _UNDELIVERED)
            transitions += self._engine.evaluate(Sample(number, now, now, values), PIPELINE.name, now)
        commands = [each for each in pending_commands(connection) if self._registry.has(each.device_id)]
        for command in commands:
            transitions += self._carry_out(command, now)
        if commands:
            delete_commands(connection, [command.id for command in commands])
        if self._registry.version != self._registry_version:
            transitions += self._update_services(connection, now)
        transitions += self._engine.tick(now, caught_up)
        return self._save(connection, transitions)

    def drain_device_states(self) -> Iterator[DeviceState]:
        """Return the state of every device changed since the last call, ordered by id; consume it at once."""
        return self._engine.drain_device_states()

    def _update_services(self, connection: Connection, now: datetime) -> list[Transition]:
        """Take over the service states of devices from a changed registry, and notify the alerts that it releases."""
        self._registry_version = self._registry.version
        with alert_lock(connection) as locked:
            released = update_out_of_service(locked, self._registry.communities, now)
        if released:
            defer_notice_job(connection, sorted(released))
        return self._engine.update_services(now)

    def _carry_out(self, command: RuleCommand, now: datetime) -> list[Transition]:
        """Close an alert by hand. A command about an alert that has ended says nothing about the next one."""
        state = self._engine.instance(command.rule, command.device_id)
        if state is None or command.sequence not in {None, state.sequence}:
            return []
        return self._engine.close(command.rule, command.device_id, now, command.actor)

    def _save(self, connection: Connection, transitions: list[Transition]) -> list[Transition]:
        """Store the changed instances and the transitions; return the transitions of rules that are not on trial."""
        self._journal.save(connection)
        save_instances(connection, self._engine.drain_changes(), self._registry.groups)
        return write_alerts(connection, transitions, self._registry.by_id)
