"""Counts of a device group: the devices with a symptom, and those that show that they have none.

A symptom is a flag of the kind `family`: `outage` for missing data, or the one that a rule names in `merge_as`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple

from devices.device import Device, Service
from rules.engine.instances import Instances
from rules.engine.no_data import NoDataWatch
from rules.engine.state_machine import InstanceState
from rules.model.device_group import DeviceGroup, LastArrival
from rules.model.rule import OPEN_PHASES, Phase, Rule
from rules.model.virtual_kinds import OUTAGE, RULE_KINDS

_LEAST = 2

Rules = Mapping[str, Mapping[str, list[Rule]]]
"""The rules whose alerts can be merged, by symptom and kind."""


class Count(NamedTuple):
    """The affected devices of a group, and the number of devices that count at all."""

    affected: tuple[int, ...]
    expected: int

    @property
    def is_shared(self) -> bool:
        """Whether most devices are affected, and not one alone."""
        return len(self.affected) >= _LEAST and len(self.affected) * 2 > self.expected

    @property
    def rank(self) -> tuple[int, int]:
        """Rank among the groups of a device: by the affected devices, then by the fewest others."""
        return len(self.affected), -self.expected


class Remainder(NamedTuple):
    """The devices that an outage still affects, all that count, and the time at which the latest other one was back."""

    affected: int
    expected: int
    back_at: datetime | None


def rules_by_symptom(rules: Iterable[Rule]) -> Rules:
    """Return the rules whose alerts can be merged, by symptom and kind."""
    merged: defaultdict[str, defaultdict[str, list[Rule]]] = defaultdict(lambda: defaultdict(list))
    for rule in rules:
        if rule.symptom:
            merged[rule.symptom][rule.kind].append(rule)
    return merged


def onset_of(rule: Rule, state: InstanceState) -> datetime | None:
    """Return the time from which the condition of a pending or open alert has held."""
    if state.phase is Phase.PENDING:
        return state.since
    return state.opened_at - rule.on_delay if state.opened_at else None


@dataclass(slots=True)
class GroupCounter:
    """Counter of affected devices. It reads the state of the engine and changes nothing there.

    Attributes:
        devices: Returns a registered device by its id.
        rules: The rules whose alerts can be merged.
        instances: The instances of the engine.
        no_data: The last arrivals of all devices.
        counted: The counts of one moment: a tick may raise hundreds of alerts in a group.
        counted_at: The moment.
    """

    devices: Callable[[int], Device]
    rules: Rules
    instances: Instances
    no_data: NoDataWatch
    counted: dict[tuple[object, ...], Count] = field(default_factory=dict)
    counted_at: datetime | None = None

    def count(self, group: DeviceGroup, rule: Rule, state: InstanceState, resumed_at: datetime, now: datetime) -> Count:
        """Count the devices of a group whose alerts may have the cause of a raised one.

        Args:
            group: The group.
            rule: The rule of the raised alert, with a symptom.
            state: The instance of the raised alert.
            resumed_at: The time at which the engine resumed: earlier time does not count towards the lack of data.
            now: The current time.
        """
        if rule.symptom == OUTAGE:
            first = self.arrival(state.device_id, resumed_at)
            same_minute = first and first.at.replace(second=0, microsecond=0)
            children, lacks_data = self._children(group, OUTAGE), partial(self._lacks_data, first, resumed_at, now)
            return self._once((group.id, rule.name, same_minute), now, lambda: _count(children, lacks_data))
        onset = onset_of(rule, state) or now
        # The report of another device may be a period older, and one by the same rule may still be pending.
        earliest = onset - rule.on_delay - RULE_KINDS[rule.kind].reporting_period

        def has_the_cause(other: Rule, theirs: InstanceState) -> bool:
            began = onset_of(other, theirs)
            is_ripe = theirs.phase is not Phase.PENDING or other is rule
            return is_ripe and began is not None and began >= earliest

        key = (group.id, rule.name, earliest.replace(second=0, microsecond=0))
        return self._once(key, now, lambda: self._count_reports(group, str(rule.symptom), has_the_cause, now))

    def count_recent(self, group: DeviceGroup, symptom: str, since: datetime, now: datetime) -> Count:
        """Count the devices of a group whose alerts about a symptom are pending, or were raised after `since`."""

        def is_recent(_: Rule, state: InstanceState) -> bool:
            return state.opened_at is None or state.opened_at > since

        return self._once((group.id, symptom), now, lambda: self._count_reports(group, symptom, is_recent, now))

    def remaining(self, group: DeviceGroup, symptom: str, now: datetime) -> Remainder:
        """Count the devices that are still affected or recovering, without those that have an alert of their own."""
        affected, others, back = 0, 0, []
        for child in self._children(group, symptom):
            states = list(self.states(child, symptom))
            if any(state.phase in OPEN_PHASES and state.parent is None for state in states):
                continue
            if symptom == OUTAGE:
                arrival = self.no_data.last_arrival(child)
                holds, at = bool(arrival and arrival.is_overdue(now)), arrival and arrival.at
            else:
                holds = any(state.phase is Phase.PENDING or state.phase in OPEN_PHASES for state in states)
                at = max((state.since for state in states if state.since), default=None)
            affected += holds
            others += not holds and self.no_data.has_sent(child)
            if at and not holds:
                back.append(at)
        return Remainder(affected, affected + others, max(back, default=None))

    def arrival(self, device_id: int, resumed_at: datetime) -> LastArrival | None:
        """Return the last arrival of a device; not before `resumed_at` unless it already had no data then."""
        silent = self.states(device_id, OUTAGE)
        had_none = any(_holds(state) and state.opened_at and state.opened_at < resumed_at for state in silent)
        return self.no_data.last_arrival(device_id, None if had_none else resumed_at)

    def states(self, device_id: int, symptom: str) -> Iterator[InstanceState]:
        """Yield the instances on a device whose alerts can be merged under a symptom."""
        if of_device := self.instances.of(device_id):
            for rule in self.rules.get(symptom, {}).get(self.devices(device_id).kind, ()):
                if state := of_device.get(rule.name):
                    yield state

    def _children(self, group: DeviceGroup, symptom: str) -> Iterator[int]:
        """Yield the devices that can have the symptom; in a whole place, data behind a gateway take another path."""
        kinds = self.rules.get(symptom, {})
        direct_only = symptom == OUTAGE and not (group.gateway or group.kind)
        for child in group.children:
            device = self.devices(child)
            if device.kind in kinds and not (direct_only and device.gateway):
                yield child

    def forget(self) -> None:
        """Count anew: a device has got a symptom, or lost it."""
        self.counted = {}

    def _once(self, key: tuple[object, ...], now: datetime, count: Callable[[], Count]) -> Count:
        if self.counted_at != now:
            self.counted, self.counted_at = {}, now
        if key not in self.counted:
            self.counted[key] = count()
        return self.counted[key]

    def _lacks_data(
        self, first: LastArrival | None, resumed_at: datetime, now: datetime, device_id: int
    ) -> bool | None:
        arrival = self.arrival(device_id, resumed_at)
        return arrival.is_missing_with(first, now) if arrival and first else None

    def _count_reports(
        self, group: DeviceGroup, symptom: str, counts: Callable[[Rule, InstanceState], bool], now: datetime
    ) -> Count:
        return _count(self._children(group, symptom), lambda child: self._reports(child, symptom, counts, now))

    def _reports(
        self, device_id: int, symptom: str, counts: Callable[[Rule, InstanceState], bool], now: datetime
    ) -> bool | None:
        """Return whether a device reports a symptom by an alert that counts; None if it counts neither way.

        A device without data cannot report. One with another alert about the symptom has a reason of its own.
        """
        device = self.devices(device_id)
        if device.service is not Service.IN_SERVICE:
            return None
        holding = [state for state in self.states(device_id, symptom) if _holds(state)]
        if holding:
            rules = {rule.name: rule for rule in self.rules[symptom][device.kind]}
            return True if any(counts(rules[state.rule], state) for state in holding) else None
        arrival = self.no_data.last_arrival(device_id)
        is_silent = arrival is not None and arrival.is_overdue(now)
        return False if self.no_data.has_sent(device_id) and not is_silent else None


def _count(children: Iterable[int], verdict: Callable[[int], bool | None]) -> Count:
    verdicts = [(child, verdict(child)) for child in children]
    affected = tuple(child for child, holds in verdicts if holds)
    return Count(affected, sum(holds is not None for _, holds in verdicts))


def _holds(state: InstanceState) -> bool:
    return (state.phase is Phase.PENDING or state.phase in OPEN_PHASES) and state.verdict is not False
