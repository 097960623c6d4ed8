"""What a rule is, once its file has been read and checked."""

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


class RulesError(Exception):
    """The root of everything that the rules refuse."""


class Severity(StrEnum):
    """How much an alert matters, from least to most."""

    INFO = "info"
    WARNING = "warning"
    MAJOR = "major"
    CRITICAL = "critical"


class Scope(StrEnum):
    """Which devices a rule is about: each, those that are no master meter, or the master meters of these alone."""

    DEVICE = "device"
    HOUSEHOLD = "household"
    BUILDING = "building"
    COMMUNITY = "community"


class Unknown(StrEnum):
    """What an UNKNOWN verdict does to a running timer.

    `hold` lets it run, `pause` stops it for the unknown span, `reset` takes a pending instance back to normal.
    """

    HOLD = "hold"
    PAUSE = "pause"
    RESET = "reset"


class OnClose(StrEnum):
    """What becomes of an open occurrence when the calendar of its rule closes.

    `clear` ends it; `hold` leaves it as it is until the calendar opens again.
    """

    CLEAR = "clear"
    HOLD = "hold"


class Phase(StrEnum):
    """The process axis of an instance, that is of one rule on one device."""

    NORMAL = "normal"
    PENDING = "pending"
    ACTIVE = "active"
    RECOVERING = "recovering"
    LATCHED = "latched"
    MUTED = "muted"


OPEN_PHASES = frozenset({Phase.ACTIVE, Phase.RECOVERING, Phase.LATCHED})
"""Phases with an open alert. `store` has them in SQL, for it cannot import rules."""

UNCLEARED_PHASES = OPEN_PHASES | {Phase.MUTED}
"""Phases in which the condition of a raised alert may still hold: a muted alert is closed, not over."""


@dataclass(frozen=True, slots=True)
class ExampleStep:
    """One step of an example: what arrives `at` a time after its start, and the phase expected `then`.

    With `households`, it comes of the meters below the one that the example is about. A step with neither an event nor
    an arrival is a tick: the clock advances and timers run.
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
    """One maintenance rule of one device kind.

    `when` opens an occurrence after `on_delay`; `until` (or, where it is None, not `when`) ends it after `off_delay`.
    `allowed_gap` is the longest time between two samples that still counts as uninterrupted. `schedule` is when the
    rule is in force, None for always. Where it `explains_children`, the children of the gateway are silent because of
    it; where it `explains_silence`, the device itself is. A rule in the `shadow` is on trial: judged as any other, and
    nobody hears of it. `source` is the file and line of the definition, as `file:line`.
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
    shadow: bool = False
    examples: tuple[tuple[ExampleStep, ...], ...] = ()
    source: str = ""

    @cached_property
    def version(self) -> str:
        """A short hash of the logic alone: other words or another severity leave it as it is."""
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
        """A short hash of the severity and the texts."""
        texts = [self.severity, self.title, self.message, self.advice]
        return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:12]

    @cached_property
    def limits(self) -> dict[str, object]:
        """Both conditions as JSON, in the words of the rule file."""
        return {"when": as_json(self.when), "until": self.until and as_json(self.until)}

    @cached_property
    def compared_fields(self) -> frozenset[str]:
        """The fields that the conditions read."""
        return frozenset(fields_of(self.when) + (fields_of(self.until) if self.until else ()))

    @cached_property
    def derived_values(self) -> Mapping[str, DerivedValue]:
        """What the conditions need that is made of many samples, by the names of the values."""
        return derived_values_of(self.when) | (derived_values_of(self.until) if self.until else {})

    @cached_property
    def required_fields(self) -> frozenset[str]:
        """The fields of the kind that the conditions depend on, by themselves or by what is made of many samples."""
        sources = (derived.reads for derived in self.derived_values.values())
        return self.compared_fields.difference(self.derived_values).union(*sources)

    @cached_property
    def placeholders(self) -> frozenset[str]:
        """What the texts quote, by placeholder."""
        return frozenset(name for text in (self.title, self.message, self.advice) for name in placeholders(text))

    @property
    def no_data(self) -> NoData | None:
        """The absence that the rule watches for, if it watches for one."""
        return self.when if isinstance(self.when, NoData) else None

    @cached_property
    def is_set_by_event(self) -> bool:
        """Whether nothing but an event can make `when` TRUE."""
        return bool(events_of(self.when)) and not fields_of(self.when)

    @cached_property
    def is_instantaneous(self) -> bool:
        """Whether the condition is over as soon as its event has been: an event, and no `until`."""
        return self.is_set_by_event and self.until is None

    @cached_property
    def max_gap_pending(self) -> timedelta | None:
        """The longest gap in which `when` still counts as held, or None where samples do not sustain it."""
        return self.allowed_gap if fields_of(self.when) else None

    @cached_property
    def max_gap_recovering(self) -> timedelta | None:
        """The longest gap in which the end still counts as held, or None where samples do not sustain it."""
        return self.allowed_gap if fields_of(self.until or self.when) else None

    @cached_property
    def repeat_conditions(self) -> Mapping[str, tuple[str, ...]]:
        """The tracks that say whether an event of `when` has been often enough; none for one that counts at once."""
        return repeat_conditions_of(self.when)

    @cached_property
    def event_verdicts(self) -> Mapping[str, bool]:
        """What each event says of the condition: those of `when` make it TRUE, those of `until` FALSE."""
        ending = events_of(self.until) if self.until else ()
        return dict.fromkeys(ending, False) | dict.fromkeys(events_of(self.when), True)


@dataclass(frozen=True, slots=True)
class RulePack:
    """All rules in force; their names are unique."""

    rules: tuple[Rule, ...]

    def of_kind(self, kind: str) -> tuple[Rule, ...]:
        """The rules of one device kind, in the order of its file."""
        return tuple(rule for rule in self.rules if rule.kind == kind)
