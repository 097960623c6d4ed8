"""The rule: a checked definition from a rule file, and the attributes that follow from it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property

from devices.kind import Value
from rules.model.calendar import Calendar
from rules.model.condition import (
    Condition,
    NoData,
    as_json,
    derived_values_of,
    events_of,
    fields_of,
    repeat_conditions_of,
)
from rules.model.derived_value import DerivedValue
from rules.model.duration import spell
from rules.model.template import placeholders
from rules.model.virtual_kinds import OUTAGE


class RulesError(Exception):
    """Root of all errors of the rules."""


class Severity(StrEnum):
    """Severity of an alert, from least to most."""

    INFO = "info"
    WARNING = "warning"
    MAJOR = "major"
    CRITICAL = "critical"


class Scope(StrEnum):
    """Devices of a rule: all, those other than master meters, or the master meters of buildings or communities."""

    DEVICE = "device"
    HOUSEHOLD = "household"
    BUILDING = "building"
    COMMUNITY = "community"


class Unknown(StrEnum):
    """Effect of an UNKNOWN verdict on a running timer.

    `hold` lets it run, `pause` stops it for the unknown span, `reset` returns a pending instance to normal.
    """

    HOLD = "hold"
    PAUSE = "pause"
    RESET = "reset"


class OnClose(StrEnum):
    """Effect of the closing of a calendar on an open alert.

    `clear` ends it; `hold` keeps it until the calendar opens again.
    """

    CLEAR = "clear"
    HOLD = "hold"


class Phase(StrEnum):
    """Process axis of an instance, that is of one rule on one device."""

    NORMAL = "normal"
    PENDING = "pending"
    ACTIVE = "active"
    RECOVERING = "recovering"
    LATCHED = "latched"
    MUTED = "muted"


OPEN_PHASES = frozenset({Phase.ACTIVE, Phase.RECOVERING, Phase.LATCHED})
"""Phases with an open alert. `store` cannot import rules: there an alert is open until its process is `ended`."""

UNCLEARED_PHASES = OPEN_PHASES | {Phase.MUTED}
"""Phases in which the condition of a raised alert may still hold: a muted alert is closed, not over."""


@dataclass(frozen=True, slots=True)
class ExampleStep:
    """One step of an example: data that arrive `at` a time after its start, and the phase expected `then`.

    With `households`, the data are those of the sub-meters of the device. A step with neither an event nor an arrival
    is a tick: the clock advances and timers run.
    """

    at: timedelta
    line: int
    arrives: bool = False
    values: Mapping[str, Value] = field(default_factory=dict)
    event: str | None = None
    data: Mapping[str, Value] = field(default_factory=dict)
    households: bool = False
    then: Phase | None = None


@dataclass(frozen=True)
class Rule:
    """One rule of one device kind.

    Attributes:
        name: Unique name.
        kind: Device kind.
        severity: Severity of its alerts.
        when: Condition that raises an alert after `on_delay`.
        title: Text for people, with placeholders.
        message: Text for people, with placeholders.
        advice: Text for people, with placeholders.
        allowed_gap: Longest gap between two samples that does not interrupt a delay.
        until: Condition that ends the alert after `off_delay`; None for the opposite of `when`.
        scope: Devices of the rule.
        on_delay: Time that `when` must hold.
        off_delay: Time that the end must hold.
        unknown: Effect of an UNKNOWN verdict.
        latch: Whether an alert stays until a person has looked.
        schedule: Calendar in which the rule is in force; None for always.
        on_close: Effect of the closing of the calendar.
        explains_children: Whether an alert explains the lack of data of all devices behind the gateway.
        explains_silence: Whether an alert explains the lack of data of the device itself; of a device group, that of
            every device in its place.
        explains: Names of rules whose alerts on the same device this alert stands for: it tells what to do.
        merge_as: Symptom of a device group, a flag of the kind `family`, that stands for this alert on most of its
            devices; None where each device has an alert of its own.
        shadow: Whether the rule is on trial: evaluated like any other, and not notified.
        examples: Its tests, as lists of steps.
        source: File and line of the definition, as `file:line`.
    """

    name: str
    kind: str
    severity: Severity
    when: Condition
    title: str
    message: str
    advice: str
    allowed_gap: timedelta
    until: Condition | None = None
    scope: Scope = Scope.DEVICE
    on_delay: timedelta = timedelta()
    off_delay: timedelta = timedelta()
    unknown: Unknown = Unknown.HOLD
    latch: bool = False
    schedule: Calendar | None = None
    on_close: OnClose = OnClose.CLEAR
    explains_children: bool = False
    explains_silence: bool = False
    explains: tuple[str, ...] = ()
    merge_as: str | None = None
    shadow: bool = False
    examples: tuple[tuple[ExampleStep, ...], ...] = ()
    source: str = ""

    @cached_property
    def version(self) -> str:
        """Short hash of the logic alone, without texts and severity."""
        logic = [
            self.kind,
            self.scope,
            self.limits,
            spell(self.on_delay),
            spell(self.off_delay),
            spell(self.allowed_gap),
            self.unknown,
            self.latch,
            *((self.schedule.as_json(), self.on_close) if self.schedule else ()),
            *(("shadow",) if self.shadow else ()),
        ]
        return hashlib.sha256(json.dumps(logic, sort_keys=True).encode()).hexdigest()[:12]

    @cached_property
    def text_hash(self) -> str:
        """Short hash of severity and texts."""
        texts = [self.severity, self.title, self.message, self.advice]
        return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:12]

    @cached_property
    def limits(self) -> dict[str, object]:
        """Both conditions as JSON, in the words of a rule file."""
        return {"when": as_json(self.when), "until": self.until and as_json(self.until)}

    @cached_property
    def compared_fields(self) -> frozenset[str]:
        """Names of the fields and derived values that the conditions compare."""
        return frozenset(fields_of(self.when) + (fields_of(self.until) if self.until else ()))

    @cached_property
    def derived_values(self) -> Mapping[str, DerivedValue]:
        """Derived values that the conditions compare, by name."""
        return derived_values_of(self.when) | (derived_values_of(self.until) if self.until else {})

    @cached_property
    def required_fields(self) -> frozenset[str]:
        """Names of the fields of the kind that the conditions depend on, directly or through derived values."""
        sources = (derived.reads for derived in self.derived_values.values())
        return self.compared_fields.difference(self.derived_values).union(*sources)

    @cached_property
    def placeholders(self) -> frozenset[str]:
        """Placeholders of the texts."""
        return frozenset(name for text in (self.title, self.message, self.advice) for name in placeholders(text))

    @property
    def no_data(self) -> NoData | None:
        """The no-data condition, if `when` is one."""
        return self.when if isinstance(self.when, NoData) else None

    @cached_property
    def symptom(self) -> str | None:
        """Symptom that stands for this alert on most devices of a group; None where a device is always notified."""
        if self.severity is Severity.CRITICAL or self.latch or self.shadow:
            return None
        return OUTAGE if self.no_data else self.merge_as

    @cached_property
    def is_set_by_event(self) -> bool:
        """Whether only an event can make `when` TRUE."""
        return bool(events_of(self.when)) and not fields_of(self.when)

    @cached_property
    def is_instantaneous(self) -> bool:
        """Whether the condition is over at once: `when` is an event, and there is no `until`."""
        return self.is_set_by_event and self.until is None

    @cached_property
    def max_gap_pending(self) -> timedelta | None:
        """Longest gap in which `when` still counts as held; None where samples do not sustain it."""
        return self.allowed_gap if fields_of(self.when) else None

    @cached_property
    def max_gap_recovering(self) -> timedelta | None:
        """Longest gap in which the end still counts as held; None where samples do not sustain it."""
        return self.allowed_gap if fields_of(self.until or self.when) else None

    @cached_property
    def repeat_conditions(self) -> Mapping[str, tuple[str, ...]]:
        """Derived values of which one must be TRUE for an event of `when` to count, by event."""
        return repeat_conditions_of(self.when)

    @cached_property
    def event_verdicts(self) -> Mapping[str, bool]:
        """Verdict of each event: TRUE for the events of `when`, FALSE for those of `until`."""
        ending = events_of(self.until) if self.until else ()
        return dict.fromkeys(ending, False) | dict.fromkeys(events_of(self.when), True)


@dataclass(frozen=True, slots=True)
class RulePack:
    """All rules in force, with unique names."""

    rules: tuple[Rule, ...]

    def of_kind(self, kind: str) -> tuple[Rule, ...]:
        """Return the rules of one device kind, in the order of its file."""
        return tuple(rule for rule in self.rules if rule.kind == kind)

    def find(self, name: str) -> Rule | None:
        """Return the rule of that name, or None."""
        return next((rule for rule in self.rules if rule.name == name), None)
