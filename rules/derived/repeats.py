"""Something that happens again and again: `{repeats: 3, within: 10m, event: power_lost}`, or `of` a condition.

Only distinct times count: what is delivered again, or happens twice at one instant, has happened once.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from devices.kind import Flag, Value
from rules.model.condition import Condition, DerivedValue, Observe, State, Verdict, as_json, compile_test, fields_of
from rules.model.duration import in_chinese, microseconds, spell

EVENT = "event"  # under this name a track is shown the name of an event


@dataclass(frozen=True, slots=True)
class RepeatedEvents:
    """Whether one of the events has come at least so many times within a time."""

    events: tuple[str, ...]
    times: int
    within: timedelta

    @property
    def field(self) -> Flag:
        """Whether it has, such as `power_lost_repeats_3_10m`."""
        return Flag(
            f"{'_'.join(self.events)}_repeats_{self.times}_{spell(self.within)}",
            f"{in_chinese(self.within)}内发生 {self.times} 次",
            f"{' or '.join(self.events)}, {self.times} times within {spell(self.within)}",
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields that it is made of."""
        return ()

    @property
    def needs(self) -> tuple[DerivedValue, ...]:
        """The tracks whose values it takes."""
        return ()

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """As in `{repeats: 3, within: 10m, event: [power_lost]}`."""
        return {"repeats": self.times, "within": spell(self.within), "event": list(self.events)}

    def observer(self) -> Observe:
        """Makes the function that takes the next event, even if it is older than the last one of another name."""
        events, within = frozenset(self.events), microseconds(self.within)

        def observe(state: State, at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
            if values.get(EVENT) not in events:
                return state, None
            instants = tuple(sorted({*(state or ()), at})[-self.times :])
            return instants, len(instants) == self.times and instants[-1] - instants[0] <= within

        return observe


@dataclass(frozen=True, slots=True)
class RepeatedCondition:
    """Whether a condition has become TRUE at least so many times within a time; UNKNOWN in between changes nothing."""

    of: Condition
    times: int
    within: timedelta

    @property
    def field(self) -> Flag:
        """Whether it has; the name ends in a hash of the condition."""
        digest = sha256(json.dumps(as_json(self.of), sort_keys=True).encode()).hexdigest()[:8]
        return Flag(
            f"repeats_{self.times}_{spell(self.within)}_{digest}",
            f"{in_chinese(self.within)}内出现 {self.times} 次",
            f"{self.times} times within {spell(self.within)}",
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields that it is made of."""
        return fields_of(self.of)

    @property
    def needs(self) -> tuple[DerivedValue, ...]:
        """The tracks whose values it takes."""
        return ()

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """As in `{repeats: 3, within: 1h, of: {field: voltage_v, below: 100}}`."""
        return {"repeats": self.times, "within": spell(self.within), "of": as_json(self.of)}

    def observer(self) -> Observe:
        """Makes the function that takes the next sample."""
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
