"""Repetition of an event, or `of` a condition: `{repeats: 3, within: 10m, event: power_lost}`.

Only distinct times count: an event that is delivered again, or happens twice at one instant, counts once.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from devices.kind import Flag, Value
from rules.model.condition import Condition, Verdict, as_json, compile_test, fields_of
from rules.model.derived_value import ComparableValue, Observe, State
from rules.model.duration import in_chinese, microseconds, spell

EVENT = "event"  # key of the event name in the values that observers see


@dataclass(frozen=True, slots=True)
class RepeatedEvents(ComparableValue):
    """Whether the events have happened at least `times` times within a time."""

    events: tuple[str, ...]
    times: int
    within: timedelta

    @property
    def field(self) -> Flag:
        """The flag, such as `power_lost_repeats_3_10m`."""
        return Flag(
            f"{'_'.join(self.events)}_repeats_{self.times}_{spell(self.within)}",
            f"{in_chinese(self.within)}内发生 {self.times} 次",
            f"{' or '.join(self.events)}, {self.times} times within {spell(self.within)}",
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the fields that it is made of."""
        return ()

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """Return JSON such as `{repeats: 3, within: 10m, event: [power_lost]}`."""
        return {"repeats": self.times, "within": spell(self.within), "event": list(self.events)}

    def observer(self) -> Observe:
        """Return the function that observes the events; one may be older than the last of another name."""
        events, within = frozenset(self.events), microseconds(self.within)

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
            if values.get(EVENT) not in events:
                return state, None
            instants = tuple(sorted({*(state or ()), at})[-self.times :])
            return instants, len(instants) == self.times and instants[-1] - instants[0] <= within

        return observe


@dataclass(frozen=True, slots=True)
class RepeatedCondition(ComparableValue):
    """Whether a condition has become TRUE at least `times` times within a time; UNKNOWN in between is skipped."""

    of: Condition
    times: int
    within: timedelta

    @property
    def field(self) -> Flag:
        """The flag; its name ends in a hash of the condition."""
        digest = sha256(json.dumps(as_json(self.of), sort_keys=True).encode()).hexdigest()[:8]
        return Flag(
            f"repeats_{self.times}_{spell(self.within)}_{digest}",
            f"{in_chinese(self.within)}内出现 {self.times} 次",
            f"{self.times} times within {spell(self.within)}",
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the fields that it is made of."""
        return fields_of(self.of)

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """Return JSON such as `{repeats: 3, within: 1h, of: {field: voltage_v, below: 100}}`."""
        return {"repeats": self.times, "within": spell(self.within), "of": as_json(self.of)}

    def observer(self) -> Observe:
        """Return the function that observes the samples."""
        test, times, within = compile_test(self.of), self.times, microseconds(self.within)

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
            verdict = test(values)
            if verdict is None:
                return state, None
            before: Verdict
            instants: tuple[int, ...]
            before, instants = state or (None, ())
            if verdict and before is False:
                instants = (*instants, at)[-times:]
            return (verdict, instants), len(instants) == times and at - instants[0] <= within

        return observe
